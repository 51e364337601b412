// Files that an application sends by path or descriptor: what it does to them when send() has returned must not matter.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { callJson, makeHandler, serve, temporaryFolder } from '../node/support.mjs'

// More than the buffers of a connection.
const SIZE = 16 << 20
const extensions = { pathsend: true, zerocopysend: true }

const app = `
import asyncio, json, os

seen = []

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/seen":
        await send({"type": "http.response.start", "status": 200})
        return await send({"type": "http.response.body", "body": json.dumps(seen).encode()})
    name = os.path.join(os.path.dirname(__file__), path.strip("/"))
    with open(name, "wb") as file:
        for number in range(${SIZE} // 4096):
            file.write(number.to_bytes(4, "big") * 1024)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(${SIZE}).encode())]})
    kind = path.strip("/")
    try:
        if kind.startswith("path"):
            await send({"type": "http.response.pathsend", "path": name})
        else:
            with open(name, "rb") as file:
                event = {"type": "http.response.zerocopysend", "file": file}
                if kind.startswith("last"):
                    await send(event)
                else:
                    await send({**event, "offset": 0, "count": ${SIZE} // 2, "more_body": True})
                    await send({**event, "offset": ${SIZE} // 2})
        seen.append(kind)
    except OSError as gone:
        seen.append(type(gone).__name__)
    finally:
        # As a BackgroundTask that clears up.
        os.truncate(name, 10)
`

/** What the file has. */
const expected = () => {
  const hash = createHash('sha256')
  for (let number = 0; number < SIZE / 4096; number += 1) {
    const page = Buffer.alloc(4096)
    for (let at = 0; at < 4096; at += 4) page.writeUInt32BE(number, at)
    hash.update(page)
  }
  return hash.digest('hex')
}

describe('a file that is sent', { timeout: 300_000 }, () => {
  for (const loop of ['asyncio', 'uvloop']) {
    for (const kind of ['path', 'last', 'ranges']) {
      test(`field_5: is the application's again when send() returns: ${kind}, ${loop}`, async (t) => {
        const docroot = temporaryFolder(t, { 'sending_app.py': app })
        const handler = makeHandler(t, 'sending_app:app', { docroot, loop, lifespan: 'off', extensions })
        const { port } = await serve(t, handler.listener)
        const client = request({ port, host: '127.0.0.1', path: `/${kind}` }).end()
        const [response] = await once(client, 'response')
        // Nobody reads: send() waits.
        await sleep(300)
        assert.deepEqual(await callJson(handler, '/seen'), [])
        assert.equal(handler.health().inFlight, 1)
        const hash = createHash('sha256')
        for await (const chunk of response) hash.update(chunk)
        assert.equal(hash.digest('hex'), expected())
        const end = performance.now() + 10_000
        while ((await callJson(handler, '/seen')).length === 0 && performance.now() < end) await sleep(10)
        assert.deepEqual(await callJson(handler, '/seen'), [kind])
      })
    }
  }

  test('field_5: send() raises where the client leaves in the middle', async (t) => {
    const docroot = temporaryFolder(t, { 'sending_app.py': app })
    const handler = makeHandler(t, 'sending_app:app', { docroot, lifespan: 'off', extensions })
    const { port } = await serve(t, handler.listener)
    const client = request({ port, host: '127.0.0.1', path: '/path-left' }).end()
    client.on('error', () => {})
    await once(client, 'response')
    client.destroy()
    const end = performance.now() + 10_000
    while ((await callJson(handler, '/seen')).length === 0 && performance.now() < end) await sleep(10)
    assert.deepEqual(await callJson(handler, '/seen'), ['ClientDisconnected'])
  })

  test('field_5: the connection serves the next request, and numbers are used again', async (t) => {
    const docroot = temporaryFolder(t, { 'sending_app.py': app })
    const handler = makeHandler(t, 'sending_app:app', { docroot, lifespan: 'off', extensions })
    const { url } = await serve(t, handler.listener)
    for (let round = 0; round < 3; round += 1) {
      const [file, seen] = await Promise.all([fetch(`${url}/path${round}`).then((res) => res.arrayBuffer()), fetch(`${url}/seen`).then((res) => res.json())])
      assert.equal(file.byteLength, SIZE)
      assert.ok(Array.isArray(seen))
    }
    const end = performance.now() + 5_000
    while (handler.health().inFlight > 0 && performance.now() < end) await sleep(10)
    assert.equal(handler.health().inFlight, 0)
  })
})
