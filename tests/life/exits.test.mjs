// The end of the process: its exit code, no signal, no hang; what Python gave to atexit runs, and its buffers are flushed.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { runNode, temporaryFolder } from '../node/support.mjs'

const limits = { timeout: 300_000 }

/** A process with a handler that has printed something; `end` is its last statement. */
async function end(t, source, expected) {
  const file = join(temporaryFolder(t, { words: '' }), 'words')
  const outcome = await runNode(
    `const handler = new PythonHandler({ app: 'life_app:app', docroot: apps })
    await handler.handleRequest({ url: '/print' })
    ${source}`,
    { env: { LIFE_APP_FILE: file, PYTHONUNBUFFERED: undefined } },
  )
  const { code, signal } = outcome
  const stdout = expected.stdout && outcome.stdout
  assert.deepEqual({ code, signal, stdout, words: readFileSync(file, 'utf8') }, { signal: null, stdout: undefined, ...expected }, outcome.stderr)
  return outcome
}

const printed = 'printed, and not flushed\n'
const all = { stdout: `${printed}written by atexit\n`, words: 'atexit ran' }
const none = { words: '' }

describe('the end of the process', limits, () => {
  test('natural', (t) => end(t, '', { code: 0, ...all }))

  test('natural, after close(): once', (t) => end(t, 'await handler.close()', { code: 0, ...all }))

  test('process.exit()', (t) => end(t, 'process.exit(7)', { code: 7, ...all }))

  test('process.exitCode', (t) => end(t, 'process.exitCode = 8', { code: 8, ...all }))

  test('an uncaught exception', async (t) => {
    const { stderr } = await end(t, `throw new Error('uncaught')`, { code: 1, ...all })
    assert.match(stderr, /Error: uncaught/)
  })

  test('an unhandled rejection', (t) => end(t, `Promise.reject(new Error('unhandled')); setInterval(() => {}, 1000)`, { code: 1, ...all }))

  test('without JavaScript: process.reallyExit()', (t) => end(t, 'process.reallyExit(9)', { code: 9, ...all }))

  for (const [name, number] of [['SIGINT', 2], ['SIGTERM', 15]]) {
    test(`${name} with a JavaScript handler`, (t) =>
      end(
        t,
        `process.on('${name}', () => process.exit(${128 + number}))
        process.kill(process.pid, '${name}')
        setInterval(() => {}, 1000)`,
        { code: 128 + number, ...all },
      ))

    test(`${name} without one ends the process at once, as it does any other Node`, (t) =>
      end(t, `process.kill(process.pid, '${name}'); setInterval(() => {}, 1000)`, { code: null, signal: name, ...none }))
  }

  test('a handler in a worker only', (t) =>
    end(
      t,
      `await handler.close()
      const { Worker } = await import('node:worker_threads')
      const source = \`import('asgi-node').then(async ({ PythonHandler }) => {
        const own = new PythonHandler({ app: 'life_app:app', docroot: '\${apps}' })
        await own.handleRequest({ url: '/print' })
        process.exit(3)
      })\`
      const worker = new Worker(source, { eval: true })
      const code = await new Promise((resolve) => worker.once('exit', resolve))
      process.exit(code)`,
      { code: 3, words: all.words, stdout: printed + all.stdout },
    ))

  test('another thread that waits in handleRequestSync does not keep it', async (t) => {
    const outcome = await end(
      t,
      `const { Worker } = await import('node:worker_threads')
      const source = \`import('asgi-node').then(async ({ PythonHandler }) => {
        const own = new PythonHandler({ app: 'slow_app:app', docroot: '\${apps}' })
        await own.ready();
        (await import('node:worker_threads')).parentPort.postMessage('waits')
        own.handleRequestSync({ url: '/await?seconds=60' })
      })\`
      const worker = new Worker(source, { eval: true })
      await new Promise((resolve) => worker.once('message', resolve))
      process.exit(4)`,
      { code: 4, ...all },
    )
    assert.ok(outcome.milliseconds < 15_000, `${outcome.milliseconds} ms`)
  })

  test('a call that blocks is refused when Python has said goodbye', (t) =>
    end(
      t,
      `process.on('exit', () => {
        try {
          handler.handleRequestSync({ url: '/print' })
        } catch (error) {
          process.exitCode = error.code === 'HANDLER_CLOSED' ? 5 : 6
        }
      })`,
      { code: 5, ...all },
    ))

  // What the process's end costs more with Python in it: from before the first listener of 'exit' to after the last one.
  const measured = `let began
    process.prependListener('exit', () => (began = performance.now()))
    process.on('exit', () => console.log(JSON.stringify(performance.now() - began)))
    process.exit(7)`
  const slow = `
import atexit, ctypes, threading, time
def compute():
    while True:
        pass
async def app(scope, receive, send):
    if scope["path"] == "/gil":
        # PyDLL keeps the GIL, as native code may.
        threading.Thread(target=ctypes.PyDLL(None).sleep, args=(60,), daemon=True).start()
    if scope["path"] == "/atexit":
        atexit.register(time.sleep, 60)
    if scope["path"] == "/busy":
        for _ in range(4):
            threading.Thread(target=compute, daemon=True).start()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ready"})
`
  for (const [what, path, least] of [
    ['nothing in its way', '/', 0],
    ['threads that compute', '/busy', 0],
    ['native code that keeps the GIL', '/gil', 80],
    ['a function of atexit that takes a minute', '/atexit', 80],
  ]) {
    test(`at most 100 ms extra: ${what}`, async (t) => {
      const docroot = temporaryFolder(t, { 'slow_end.py': slow })
      const seen = []
      // On a machine that does other things whoever sleeps for 90 ms may wake up later: one of three shows what is ours.
      while (seen.length < 3 && !(seen.at(-1) <= 100)) {
        const outcome = await runNode(
          `const handler = new PythonHandler({ app: 'slow_end:app', docroot: ${JSON.stringify(docroot)}, blockedThreshold: 0 })
          handler.handleRequest({ url: '${path}' }).catch(() => {})
          await handler.ready()
          await new Promise((resolve) => setTimeout(resolve, 200))
          ${measured}`,
        )
        assert.deepEqual([outcome.code, outcome.signal, outcome.stderr], [7, null, ''])
        seen.push(outcome.result)
      }
      t.diagnostic(`${seen.map((milliseconds) => milliseconds.toFixed(1)).join(', ')} ms`)
      assert.ok(seen.at(-1) <= 100 && seen.at(-1) >= least, `${seen} ms`)
    })
  }
})
