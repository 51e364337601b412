// An event loop that cannot go on: said once, and everything that waits for it fails.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runNodeCleanly, temporaryFolder } from '../node/support.mjs'

const app = `
import asyncio

def fail(*_):
    raise RuntimeError("no turn")

def stop_again(loop):
    loop.stop()
    loop.call_soon(stop_again, loop)

async def app(scope, receive, send):
    if scope["type"] != "http":
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
        return
    loop = asyncio.get_running_loop()
    path = scope["path"]
    if path == "/wait":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await asyncio.sleep(60)
    if path == "/close":
        loop._selector.close()
    if path == "/patch":
        type(loop).run_forever = fail
        loop.stop()
    if path == "/stops":
        stop_again(loop)
        await asyncio.sleep(0.5)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"fine"})
`

describe('an event loop that cannot go on', { timeout: 300_000 }, () => {
  for (const [loop, path] of [['asyncio', '/close'], ['asyncio', '/patch'], ['uvloop', '/patch']]) {
    test(`field_21: ${loop}, ${path}`, async (t) => {
      const docroot = temporaryFolder(t, { 'ending_app.py': app })
      const seen = await runNodeCleanly(
        `import { createServer } from 'node:http'
        const said = []
        const keep = (object, message) => said.push(message)
        const logger = { level: 'debug', debug: keep, info: keep, warn: keep, error: keep }
        const options = { app: 'ending_app:app', docroot: ${JSON.stringify(docroot)}, loop: '${loop}', logger }
        const handler = new PythonHandler(options)
        const codeOf = (promise) => promise.then(() => 'none', (error) => error.code)
        const seen = {}
        const waiting = await handler.handleStream({ url: '/wait' })
        await waiting.body?.next?.()
        const server = createServer(handler.listener).listen(0, '127.0.0.1')
        await new Promise((resolve) => server.once('listening', resolve))
        const other = handler.handleRequest({ url: '/wait' })
        const socket = await handler.handleStream({ url: 'ws://localhost/' })
        const ending = handler.handleRequest({ url: '${path}' })
        const codes = await Promise.all([other, ending].map(codeOf))
        seen.waiting = codes[0]
        seen.stream = await codeOf((async () => { for await (const _ of waiting); })())
        seen.socket = await codeOf((async () => { for await (const _ of socket); })())
        seen.later = await codeOf(handler.handleRequest({ url: '/' }))
        try { handler.handleRequestSync({ url: '/' }) } catch (error) { seen.sync = error.code }
        seen.status = (await fetch('http://127.0.0.1:' + server.address().port + '/')).status
        const { ready, live, python } = handler.health()
        seen.health = [ready, live, python.blockedMs]
        seen.close = await codeOf(handler.close())
        server.close()
        seen.said = said.filter((message) => /event loop/.test(message)).length
        if ('${path}' === '/close') {
          const next = new PythonHandler(options)
          seen.next = String((await next.handleRequest({ url: '/' })).body)
          await next.close()
        }
        console.log(JSON.stringify(seen))`,
        { timeout: 60_000 },
      )
      const code = 'EVENT_LOOP_FAILED'
      assert.deepEqual(seen, {
        waiting: code,
        stream: code,
        socket: code,
        later: code,
        sync: code,
        status: 503,
        health: [false, false, 0],
        close: code,
        said: 1,
        ...(path === '/close' && { next: 'fine' }),
      })
    })
  }

  test('field_21: one that is stopped in each of its turns goes on, and is told of ten times a second', async (t) => {
    const docroot = temporaryFolder(t, { 'ending_app.py': app })
    const { body, said } = await runNodeCleanly(
      `let said = 0
      const keep = (object, message) => { said += /event loop/.test(message) }
      const logger = { level: 'debug', debug: keep, info: keep, warn: keep, error: keep }
      const handler = new PythonHandler({ app: 'ending_app:app', docroot: ${JSON.stringify(docroot)}, loop: 'asyncio', logger, blockedThreshold: 0 })
      const { body } = await handler.handleRequest({ url: '/stops' })
      await handler.close()
      console.log(JSON.stringify({ body: String(body), said }))
      process.exit()`,
      { timeout: 60_000 },
    )
    assert.equal(body, 'fine')
    assert.ok(said >= 10 && said <= 60, `${said}`)
  })
})
