// What bounds a WebSocket of a server: the size and number of its messages, its fragments, its pings, and time.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { deflateRawSync } from 'node:zlib'
import { Request } from 'asgi-node'
import { pythonExecutable, residentMiB, run, until } from '../node/support.mjs'
import { frame, headersOf, serveWebSockets } from './websockets.mjs'

// Of a whole `describe`, on a busy machine.
const limits = { timeout: 100_000 }
const disconnect = (code, reason = '') => ({ type: 'websocket.disconnect', code, reason })

/** Settles when the server has answered a ping that is sent now. */
function pingOf(client) {
  const answered = new Promise((resolve) => client.ws.once('pong', () => resolve('pong')))
  client.ws.ping()
  return answered
}

describe('limits', limits, () => {
  const site = serveWebSockets({ before, after }, 'websocket_app:app', {
    websocket: { maxPayload: 100_000, maxFragments: 1000 },
  })

  test('asgi_103 a message above maxPayload is 1009, on both sides', async () => {
    const key = site.key()
    const client = await site.open(`/echo?log=${key}`)
    client.ws.send(Buffer.alloc(100_000))
    assert.equal((await client.next()).length, 100_000)
    client.ws.send(Buffer.alloc(100_001))
    assert.equal((await client.closed).code, 1009)
    assert.deepEqual((await site.logged(key, 3))[2], disconnect(1009))
  })

  test('asgi_103 so is one that grows when it is inflated', async () => {
    const client = await site.open('/echo', [], { perMessageDeflate: true })
    assert.match(client.ws.extensions, /permessage-deflate/)
    assert.ok(deflateRawSync(Buffer.alloc(50_000_000)).length < 100_000)
    const before = residentMiB()
    client.ws.send(Buffer.alloc(50_000_000))
    assert.equal((await client.closed).code, 1009)
    assert.ok(residentMiB() - before < 200)
  })

  test('too many fragments are 1008', async (t) => {
    const raw = await site.handshake(t)
    await raw.head()
    raw.write(frame(1, 'x', { fin: false }) + frame(0, 'x', { fin: false }).repeat(1_000_000))
    await raw.ended
    assert.ok(raw.received.includes('\x88\x02\x03\xf0'))
  })
})

describe('maxQueue', limits, () => {
  for (const [maxQueue, full] of [[4, true], [6, false]]) {
    const site = serveWebSockets({ before, after }, 'websocket_app:app', { websocket: { maxQueue } })

    test(`field_31 four messages wait for the app: with ${maxQueue} the client is ${full ? 'not read' : 'read on'}`, async () => {
      const client = await site.open(`/slow?gate=queue-${maxQueue}`)
      for (const text of ['1', '2', '3', '4']) client.ws.send(text)
      await until(() => client.ws.bufferedAmount === 0)
      // A ping that comes in the packet of the last message is read with it.
      await sleep(100)
      const answered = pingOf(client)
      assert.equal(await Promise.race([answered, sleep(full ? 300 : 10_000, 'no pong')]), full ? 'no pong' : 'pong')
      await fetch(`${site.http}/gate?gate=queue-${maxQueue}`)
      assert.equal(await answered, 'pong')
      client.ws.send('done')
      assert.equal(await client.next(), '5 8')
      client.ws.close()
    })
  }
})

describe('requestTimeout', limits, () => {
  const site = serveWebSockets({ before, after }, 'websocket_app:app', { requestTimeout: 100 })
  before(() => site.handler.ready())

  test('field_31 it ends neither a handshake that takes longer nor a WebSocket', async () => {
    const opening = site.open('/slow?before=late&gate=later')
    await sleep(300)
    await fetch(`${site.http}/gate?gate=late`)
    const client = await opening
    assert.equal(await Promise.race([client.closed, sleep(300, 'open')]), 'open')
    await fetch(`${site.http}/gate?gate=later`)
    client.ws.send('done')
    assert.equal(await client.next(), '1 4')
    client.ws.close()
  })

  test('field_31 nor one that has no socket', async () => {
    const request = new Request({ url: '/echo', websocket: true })
    const response = await site.handler.handleStream(request)
    await sleep(300)
    await request.write('still here')
    assert.equal(String(await response.next()), 'still here')
    await request.end()
    // The requests of the same handler have it.
    await assert.rejects(site.handler.handleRequest({ url: '/?after=30' }), { code: 'REQUEST_TIMEOUT' })
  })
})

describe('keepalive', limits, () => {
  const site = serveWebSockets({ before, after }, 'websocket_app:app', { websocket: { pingInterval: 100, pingTimeout: 500 } })
  const patient = serveWebSockets({ before, after }, 'websocket_app:app', { websocket: { pingInterval: 100, pingTimeout: 100, maxQueue: 1 } })

  test('asgi_106 a client that does not answer pings is cut off, one that does is kept', async (t) => {
    const key = site.key()
    const good = await site.open('/echo')
    const raw = await site.handshake(t, { line: `GET /echo?log=${key} HTTP/1.1` })
    await raw.ended
    assert.match(raw.received, /\x89\x00/)
    assert.deepEqual((await site.logged(key, 2))[1], disconnect(1006))
    await sleep(1000)
    good.ws.send('here')
    assert.equal(await good.next(), 'here')
    good.ws.close()
  })

  test('field_31 the pongs of a client that is not read, because the app does not receive, are waited for', async () => {
    const key = patient.key()
    const client = await patient.open(`/slow?gate=patience&log=${key}`)
    client.ws.send('1')
    let pings = 0
    client.ws.on('ping', () => (pings += 1))
    await until(() => pings > 0)
    await sleep(200)
    const before = pings
    assert.equal(await Promise.race([client.closed, sleep(400, 'open')]), 'open')
    assert.equal(pings, before, 'no further ping before the pong')
    await fetch(`${patient.http}/gate?gate=patience`)
    await until(() => pings > before)
    client.ws.send('done')
    assert.equal(await client.next(), '2 5')
    client.ws.close()
  })
})

describe('an application that does not receive', limits, () => {
  const options = { maxQueue: 1, pingInterval: 100, pingTimeout: 300 }
  const site = serveWebSockets({ before, after }, 'websocket_app:app', { websocket: options })

  test('field_31 asgi_106 a client is not late whose pong waits behind messages that the application has not received', async () => {
    const client = await site.open('/slow?wait=2')
    for (let i = 0; i < 9; i += 1) client.ws.send('x')
    client.ws.send('done')
    assert.equal(await client.next(), '10 13')
    client.ws.close(1000)
    assert.equal((await client.closed).code, 1000)
  })
})

describe('a slow client that goes on reading', limits, () => {
  // Less time than it takes to read one message, more than it takes to read what the kernel holds of it.
  const site = serveWebSockets({ before, after }, 'websocket_app:app', { websocket: { pingInterval: 500, pingTimeout: 3000 } })
  const script = `
import socket, sys, time
client = socket.socket()
client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
client.connect(("127.0.0.1", int(sys.argv[1])))
client.sendall(sys.argv[2].encode())
read = 0
while data := client.recv(65536):
    read += len(data)
    time.sleep(0.025)
    if data.endswith(b"\\x88\\x02\\x03\\xe8"):
        break
print(read)`

  test('asgi_106 a slow client is neither cut off in the middle of a message by a ping, nor when the app has closed', async () => {
    const head = `GET /flood?count=2&size=12000000&log=${site.key()} HTTP/1.1\r\n${headersOf()}\r\n`
    const started = performance.now()
    const { stdout, stderr } = await run(pythonExecutable(), ['-c', script, site.port, head])
    assert.ok(Number(stdout) > 24_000_000, `${stdout} bytes in ${performance.now() - started} ms ${stderr}`)
  })
})
