// What is left unfinished: by clients that go, or do not read, and by others that serve the same request.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeHandler, runNodeCleanly, temporaryFolder, until } from '../node/support.mjs'

const limits = { timeout: 60_000 }
const APP = `
import asyncio, os
ROOT = os.path.dirname(__file__)
async def app(scope, receive, send):
    async def answer(body, headers=()):
        await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": scope["path"] == "/trailers"})
        await send({"type": "http.response.body", "body": body})
    if scope["type"] != "http":
        return
    if scope["path"] == "/file":
        length = b"%d" % os.path.getsize(ROOT + "/large.bin")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.pathsend", "path": ROOT + "/large.bin"})
    elif scope["path"] == "/wait":
        while (await receive())["type"] != "http.disconnect":
            pass
    elif scope["path"] == "/body":
        size = 0
        while True:
            event = await receive()
            size += len(event.get("body", b""))
            if not event.get("more_body"):
                return await answer(b"%d" % size)
    elif scope["path"] == "/trailers":
        await answer(b"body")
        trailers = [(b"keep-alive", b"1"), (b"upgrade", b"x"), (b"te", b"y"), (b"etag", b"a"), (b"etag", b"b"), (b"__proto__", b"p"), (b"x-kept", b"k")]
        await send({"type": "http.response.trailers", "headers": trailers})
    else:
        if scope["path"] == "/slow":
            await asyncio.sleep(0.3)
        await answer(b"answered " + scope["path"].encode())
`

async function serve(t, listener = (handler) => handler.listener) {
  const docroot = temporaryFolder(t, { 'unfinished_app.py': APP })
  writeFileSync(join(docroot, 'large.bin'), Buffer.alloc(20_000_000))
  const told = []
  const note = (object, message) => void told.push(object.err?.code ?? message)
  const handler = makeHandler(t, 'unfinished_app:app', { docroot, extensions: { pathsend: true }, logger: { debug: note, info: note, warn: note, error: note }, blockedThreshold: 0 })
  const server = http.createServer(listener(handler)).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await Promise.all([handler.ready(), once(server, 'listening')])
  return { handler, told, port: server.address().port }
}

/** Sends bytes and collects what comes until the connection ends. */
function send(port, bytes) {
  const socket = net.connect(port, '127.0.0.1')
  const got = { socket, text: '' }
  socket.setEncoding('latin1').on('data', (text) => (got.text += text)).on('error', () => {})
  got.ended = once(socket, 'close')
  socket.write(bytes)
  return got
}

const openFiles = () =>
  readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).endsWith('large.bin')
    } catch {
      return false
    }
  })

describe('connections', limits, () => {
  test('that are reset with file responses queued on them leave no descriptor', async (t) => {
    const { handler, port } = await serve(t)
    for (let round = 0; round < 5; round += 1) {
      const { socket } = send(port, 'GET /file HTTP/1.1\r\nHost: h\r\n\r\n'.repeat(10))
      socket.pause()
      await until(() => openFiles().length > 0)
      socket.resetAndDestroy()
      await until(() => openFiles().length === 0, 'the end of all files')
    }
    assert.equal(handler.health().inFlight, 0)
  })

  for (const first of ['/slow', '/javascript']) {
    test(`an upload that nobody reads does not cut the response ahead of it, nor its own: ${first}`, async (t) => {
      const { port } = await serve(t, (handler) => (req, res) => {
        if (req.url !== '/javascript') return handler.listener(req, res)
        setTimeout(() => res.end('answered /javascript'), 300)
      })
      const upload = Buffer.concat([Buffer.from(`GET ${first} HTTP/1.1\r\nHost: h\r\n\r\nPOST /unread HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n`), Buffer.alloc(3_000_000)])
      const client = send(port, upload)
      await client.ended
      assert.match(client.text, new RegExp(`answered ${first}[^]*answered /unread`))
    })
  }
})

describe('others that serve the same request', limits, () => {
  for (const [when, delay] of [['at once', 0], ['later', 100]]) {
    test(`req.setEncoding() is an error that says so; the body comes ${when}`, async (t) => {
      const { told, port } = await serve(t, (handler) => (req, res) => {
        req.setEncoding('utf8')
        handler.listener(req, res)
      })
      const client = send(port, 'POST /body HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 6\r\n\r\n')
      await sleep(delay)
      client.socket.write('äbcde')
      await client.ended
      assert.match(client.text, /^HTTP\/1.1 500 /)
      assert.deepEqual(told, ['BODY_ALREADY_READ'])
    })
  }

  test('a listener that is called twice for one request of HTTP/2: both applications hear of its end', async (t) => {
    const { handler } = await serve(t)
    const server = http2.createServer((req, res) => {
      handler.listener(req, res)
      handler.listener(req, res)
    }).listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    const session = http2.connect(`http://127.0.0.1:${server.address().port}`)
    session.request({ ':path': '/wait' }).on('error', () => {})
    await until(() => handler.health().inFlight === 2)
    session.destroy()
    await until(() => handler.health().inFlight === 0, 'the end of both')
  })
})

test('trailers that node:http2 does not take are left out, and do not end the process', limits, async (t) => {
  const docroot = temporaryFolder(t, { 'unfinished_app.py': APP })
  const trailers = await runNodeCleanly(`
    const http2 = await import('node:http2')
    const handler = new PythonHandler({ app: 'unfinished_app:app', docroot: ${JSON.stringify(docroot)} })
    const server = http2.createServer(handler.listener).listen(0, '127.0.0.1')
    await handler.ready()
    const session = http2.connect('http://127.0.0.1:' + server.address().port)
    const stream = session.request({ ':path': '/trailers', te: 'trailers' })
    const seen = await new Promise((resolve, reject) => stream.on('trailers', (_, __, raw) => resolve(raw)).on('error', reject).resume())
    session.destroy()
    server.close()
    await handler.close()
    console.log(JSON.stringify(seen))`)
  assert.deepEqual(trailers, ['etag', 'b', '__proto__', 'p', 'x-kept', 'k'])
})
