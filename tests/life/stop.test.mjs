// Stopping: what is waited for, what is cleared up, and a second stop (checklist 135).
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { PythonHandler } from 'asgi-node'
import { apps, call, callJson, makeHandler, runNodeCleanly, temporaryFolder, text, until } from '../node/support.mjs'

const limits = { timeout: 100_000 }
/** Milliseconds: a close() waits for 30 s, and the app takes half a second to be cancelled. */
const FAR_BELOW_THE_FIRST = 15_000

for (const loop of ['asyncio', 'uvloop']) {
  describe(`close, on ${loop}`, limits, () => {
    const options = { loop }
    const watcher = makeHandler({ after }, 'life_app:app', options)
    const log = () => callJson(watcher, '/log')

    test('asgi_135 a second stop does not wait: what is under way is cancelled', async () => {
      const handler = new PythonHandler({ app: 'life_app:app', docroot: apps, ...options })
      await handler.ready()
      const pending = call(handler, '/stubborn')
      const first = handler.close()
      let over = false
      first.then(() => (over = true))
      await call(watcher, '/')
      assert.equal(over, false)
      const noted = (await log()).length
      const started = performance.now()
      const second = handler.close({ timeout: 0 })
      await assert.rejects(pending, { code: 'HANDLER_CLOSED' })
      await Promise.all([first, second])
      assert.ok(performance.now() - started < FAR_BELOW_THE_FIRST)
      assert.deepEqual((await log()).slice(noted), ['cancelled'])
    })

    for (const later of [false, true]) test(`a repeated close ${later ? 'later on' : 'at once'} never waits longer than the first`, async () => {
      const handler = new PythonHandler({ app: 'life_app:app', docroot: apps, ...options })
      await handler.ready()
      const pending = call(handler, '/stubborn')
      const noted = (await log()).length
      const started = performance.now()
      const first = handler.close({ timeout: later ? 300 : 0 })
      if (later) await call(watcher, '/')
      await Promise.all([first, handler.close(), assert.rejects(pending, { code: 'HANDLER_CLOSED' })])
      assert.ok(performance.now() - started < FAR_BELOW_THE_FIRST)
      assert.deepEqual((await log()).slice(noted), ['cancelled'])
    })

    const PAUSES = { 'in the same turn': () => {}, 'a microtask later': () => Promise.resolve(), 'a turn later': () => turn(), 'a moment later': () => sleep(3) }
    for (const [when, pause] of Object.entries(PAUSES)) {
      test(`field_10 a second close that does not wait counts, ${when}`, async (t) => {
        const said = []
        const note = (_object, message) => void said.push(message)
        const logger = { level: 'warn', debug() {}, info() {}, warn: note, error: note }
        const handler = makeHandler(t, 'life_app:app', { ...options, logger, blockedThreshold: 0 })
        await handler.ready()
        const pending = call(handler, '/stubborn')
        await until(() => handler.health().inFlight === 1)
        const started = performance.now()
        const first = handler.close()
        await pause()
        const second = handler.close({ timeout: 0 })
        await Promise.all([first, second, assert.rejects(pending, { code: 'HANDLER_CLOSED' })])
        assert.ok(performance.now() - started < FAR_BELOW_THE_FIRST, `${Math.round(performance.now() - started)} ms`)
        assert.deepEqual(said, [])
      })
    }

    test('asynchronous generators that were left behind are closed with their application', async () => {
      const handler = new PythonHandler({ app: 'life_app:app', docroot: apps, ...options })
      const count = async () => (await log()).filter((line) => line === 'generator closed').length
      const before = await count()
      assert.equal(text(await call(handler, '/generator')), 'done')
      assert.equal(text(await call(watcher, '/generator')), 'done')
      await handler.close()
      assert.equal(await count(), before + 1, 'its own, and not that of another handler')
    })

    test("the last close of a loop waits for the default executor's threads", async (t) => {
      // In a process of its own, or the watcher would keep the loop.
      const lines = await runNodeCleanly(`
        const open = () => new PythonHandler({ app: 'life_app:app', docroot: apps, loop: '${loop}' })
        const ask = async (handler, url) => (await handler.handleRequest({ url })).body.toString()
        const first = open()
        await ask(first, '/thread?seconds=0.3')
        await first.close()
        const second = open()
        const log = await ask(second, '/log')
        await ask(second, '/thread?seconds=0')
        await second.close()
        console.log(log)`)
      assert.deepEqual(lines, ['thread finished'])
      t.diagnostic('and later work found new threads')
    })

    test('field_26 a close where no thread can be started does not wait for those of the executor, and says so', async (t) => {
      const docroot = temporaryFolder(t, {
        'no_threads.py': `import asyncio, threading
def refuse(self):
    raise RuntimeError("can't start new thread")
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    await asyncio.to_thread(int)
    threading.Thread.start = refuse
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})
`,
      })
      const said = await runNodeCleanly(`
        const said = []
        const note = (_object, message) => void said.push(message)
        const logger = { level: 'warn', debug() {}, info() {}, warn: note, error: note }
        const handler = new PythonHandler({ app: 'no_threads:app', docroot: ${JSON.stringify(docroot)}, loop: '${loop}', logger, blockedThreshold: 0 })
        await handler.handleRequest({ url: '/' })
        await handler.close()
        console.log(JSON.stringify(said))`)
      assert.deepEqual(said, ["threads of the loop's executor are not waited for: can't start new thread"])
    })

    const MISUSES = {
      close: 'RuntimeError',
      'stop-then-close': 'nothing raised',
      run: 'RuntimeError',
      'run-in-thread': 'nothing raised',
      unset: 'nothing raised',
      shutdown: 'nothing raised',
      'executor-exits': 'SystemExit',
      thrown: null,
      callback: 'nothing raised',
    }
    for (const [kind, expected] of Object.entries(MISUSES)) {
      test(`the loop survives an application's misuse: ${kind}`, async () => {
        // The exception that is thrown in may hit what would have woken this very request.
        const limit = kind === 'thrown' ? { signal: AbortSignal.timeout(1000) } : {}
        const answer = await call(watcher, `/misuse?kind=${kind}`, {}, limit).then(text, (error) => error.code)
        if (expected !== null) assert.equal(answer, expected)
        await until(async () => text(await call(watcher, '/')) === 'done')
        const other = new PythonHandler({ app: 'main:app', docroot: apps, ...options })
        assert.equal(text(await call(other)), 'Hello, world!')
        await other.close()
      })
    }
  })
}
