// What closing means to frameworks: event streams that never ask whether they should end, and clients that have left.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { describe, test } from 'node:test'
import { makeHandler, temporaryFolder, until } from '../node/support.mjs'

const limits = { timeout: 60_000 }
const APPS = `
import asyncio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

async def ticks():
    while True:
        yield "data: tick\\n\\n"
        await asyncio.sleep(0.02)

async def silent():
    yield "data: only this\\n\\n"
    await asyncio.sleep(60)

async def slow(request):
    await asyncio.sleep(60)

async def upload(request):
    async for _ in request.stream():
        pass
    return PlainTextResponse("all of it")

async def fault(request):
    class CableDisconnect(Exception):
        pass
    raise CableDisconnect("no client has left")

def stream(body, kind):
    async def endpoint(request):
        return StreamingResponse(body(), media_type=kind)
    return endpoint

app = Starlette(routes=[
    Route("/ticks", stream(ticks, "text/event-stream")),
    Route("/silent", stream(silent, "text/event-stream")),
    Route("/download", stream(ticks, "application/octet-stream")),
    Route("/slow", slow),
    Route("/upload", upload, methods=["POST"]),
    Route("/fault", fault),
])

async def listening(scope, receive, send):
    """Ends when it is told to, as the documentation says."""
    if scope["type"] != "http":
        return
    await receive()
    kind = b"text/event-stream" if scope["path"] == "/events" else b"text/plain"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": b"data: begun\\n\\n", "more_body": True})
    assert (await receive())["type"] == "http.disconnect"
    await asyncio.sleep(1.5)
    await send({"type": "http.response.body", "body": b"data: last\\n\\n", "more_body": True})
`

/** A server of an application, and what its handler tells the log. */
async function serve(t, app = 'app') {
  const docroot = temporaryFolder(t, { 'closing_apps.py': APPS })
  const told = []
  const note = (object, message) => void told.push(message)
  const handler = makeHandler(t, `closing_apps:${app}`, { docroot, logger: { debug: note, info: note, warn: note, error: note }, blockedThreshold: 0 })
  const server = http.createServer(handler.listener).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await Promise.all([handler.ready(), once(server, 'listening')])
  return { handler, told, port: server.address().port }
}

/** A response that has begun: its head, its text so far, and how it ends. */
function open(port, path, options = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ port, path, host: '127.0.0.1', agent: false, ...options }, (response) => {
      const read = { request, status: response.statusCode, text: '', end: null }
      response.setEncoding('utf8')
      read.ended = new Promise((over) => {
        response.on('end', () => over((read.end = 'whole'))).on('error', ({ code }) => over((read.end = code)))
      })
      response.on('data', (chunk) => {
        read.text += chunk
        resolve(read)
      })
    })
    request.on('error', reject).end(options.body)
  })
}

describe('close()', limits, () => {
  for (const path of ['/ticks', '/silent']) {
    test(`asgi_134 Starlette's event stream ${path} ends soon, and whole`, async (t) => {
      const { handler, told, port } = await serve(t)
      const response = await open(port, path)
      const started = performance.now()
      await handler.close()
      assert.ok(performance.now() - started < 10_000)
      assert.equal(await response.ended, 'whole')
      assert.match(response.text, /^data: /)
      assert.deepEqual(told, [])
    })
  }

  test('a stream that listens has its time to end, and what it sends', async (t) => {
    const { handler, told, port } = await serve(t, 'listening')
    const [events, download] = await Promise.all([open(port, '/events'), open(port, '/download')])
    await handler.close()
    assert.deepEqual([await events.ended, events.text], ['whole', 'data: begun\n\ndata: last\n\n'])
    // Not the whole of what the application meant to send: its client has to know.
    assert.deepEqual([await download.ended, download.text], ['ECONNRESET', 'data: begun\n\ndata: last\n\n'])
    assert.deepEqual(told, [])
  })

  test('what is cancelled is HANDLER_CLOSED, to a client 503, to the log nothing', async (t) => {
    const { handler, told, port } = await serve(t)
    const direct = handler.handleRequest({ url: '/slow' })
    const [download, slow] = [await open(port, '/download'), open(port, '/slow')]
    await until(() => handler.health().inFlight === 3)
    const [refused] = await Promise.all([assert.rejects(direct, { code: 'HANDLER_CLOSED' }), handler.close({ timeout: 100 })])
    assert.equal(refused, undefined)
    assert.deepEqual([(await slow).status, (await slow).text, await download.ended], [503, 'Service Unavailable', 'ECONNRESET'])
    assert.deepEqual([told, handler.health().errorsTotal], [[], 0])
  })
})

describe('a client that leaves', limits, () => {
  test('a stream of Starlette\'s, or in the middle of its body: no error', async (t) => {
    const { handler, told, port } = await serve(t)
    for (const path of ['/ticks', '/download']) {
      const response = await open(port, path)
      response.request.destroy()
    }
    const upload = http.request({ port, path: '/upload', method: 'POST', host: '127.0.0.1', agent: false }).on('error', () => {})
    upload.write('a part')
    await until(() => handler.health().inFlight === 1)
    upload.destroy()
    await until(() => handler.health().inFlight === 0)
    // Closing only its side it can still read, and Starlette answers before it raises.
    const half = net.connect(port, '127.0.0.1').resume()
    half.end('POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\na part')
    await once(half, 'close')
    for await (const _ of await handler.handleStream({ url: '/ticks' })) break
    await until(() => handler.health().inFlight === 0)
    assert.deepEqual([told, handler.health().errorsTotal], [[], 0])
  })

  test('an exception that is only named like it is one', async (t) => {
    const { handler, told, port } = await serve(t)
    assert.equal((await open(port, '/fault')).status, 500)
    await until(() => told.length === 1)
    assert.deepEqual([told.length, handler.health().errorsTotal], [1, 1])
  })
})
