// Clients that send or take without measure: each ends with a close code, or is stopped, in bounded memory. The server is a
// process of its own, so that its memory is only the server's.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { constants, createDeflateRaw } from 'node:zlib'
import { frame, handshake, open, settled } from '../asgi/websockets.mjs'
import { repeats, until } from '../node/support.mjs'

const limits = { timeout: 110_000 }
const host = fileURLToPath(new URL('websocket-host.mjs', import.meta.url))
const MIB = 1024 * 1024
/** Far more than the server may grow by, compressed. */
const BOMB_MIB = repeats(256, 1024)
const PINGS = repeats(200_000, 1_000_000)
const MEGABYTES = repeats(200, 1000)

/** A server for a whole `describe`, and what its application has noted. */
function startHost(options = {}) {
  const site = { port: 0 }
  let child
  before(async () => {
    child = fork(host, [JSON.stringify(options)])
    site.port = (await once(child, 'message'))[0].port
    site.url = `ws://127.0.0.1:${site.port}`
  })
  after(() => child.kill('SIGKILL'))
  site.mebibytes = async () => {
    child.send('facts')
    return (await once(child, 'message'))[0].mebibytes
  }
  site.log = async (key) => (await fetch(`http://127.0.0.1:${site.port}/log?log=${key}`)).json()
  site.ended = (key) => until(async () => {
    const last = (await site.log(key)).at(-1)
    return last?.type === 'websocket.disconnect' && last.code
  }, 'the disconnect', 30_000)
  return site
}

/** Writes a piece so often, no faster than it is taken. */
async function writeMany(socket, piece, times) {
  for (let i = 0; i < times && !socket.destroyed; i += 1) {
    if (!socket.write(piece, 'latin1')) await Promise.race([once(socket, 'drain'), once(socket, 'close')])
  }
}

/** A message of so many zeros, compressed: the frame's payload. */
async function bomb(bytes) {
  const deflate = createDeflateRaw({ flush: constants.Z_SYNC_FLUSH })
  const packed = deflate.toArray()
  const zeros = Buffer.alloc(MIB)
  for (let i = 0; i < bytes / MIB; i += 1) if (!deflate.write(zeros)) await once(deflate, 'drain')
  deflate.end()
  return Buffer.concat(await packed)
}

/** A frame of any length, masked with zeros. */
function longFrame(first, data) {
  const head = Buffer.alloc(14)
  head[0] = first
  head[1] = 0x80 | 127
  head.writeBigUInt64BE(BigInt(data.length), 2)
  return Buffer.concat([head, data])
}

describe('with the limits that nobody has set', limits, () => {
  // A ping of ours would be counted among the answers.
  const site = startHost({ websocket: { pingInterval: 0 } })

  test(`asgi_103 a deflate bomb of ${BOMB_MIB} MiB is 1009`, async (t) => {
    const data = await bomb(BOMB_MIB * MIB)
    assert.ok(data.length < 2 * MIB)
    const raw = await handshake(t, site.port, {
      line: 'GET /echo?log=bomb HTTP/1.1',
      headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' },
    })
    assert.match(await raw.head(), /permessage-deflate/)
    const start = await site.mebibytes()
    raw.socket.write(longFrame(0xc2, data))
    await raw.ended
    assert.equal(raw.received.slice(-4), '\x88\x02\x03\xf1')
    assert.equal(await site.ended('bomb'), 1009)
    const grown = (await site.mebibytes()) - start
    assert.ok(grown < 100, `${grown} MiB`)
  })

  test('a million tiny fragments are 1008', async (t) => {
    const raw = await handshake(t, site.port, { line: 'GET /echo?log=fragments HTTP/1.1' })
    await raw.head()
    const start = await site.mebibytes()
    raw.write(frame(1, 'x', { fin: false }))
    await writeMany(raw.socket, frame(0, 'x', { fin: false }).repeat(1000), 1000)
    await raw.ended
    assert.equal(raw.received.slice(-4), '\x88\x02\x03\xf0')
    assert.equal(await site.ended('fragments'), 1008)
    const grown = (await site.mebibytes()) - start
    assert.ok(grown < 100, `${grown} MiB`)
  })

  test('a million messages to an app that does not receive stop at the socket', async (t) => {
    const raw = await handshake(t, site.port, { line: 'GET /slow?wait=600 HTTP/1.1' })
    await raw.head()
    const start = await site.mebibytes()
    const piece = frame(2, 'x'.repeat(100)).repeat(1000)
    for (let i = 0; i < 1000; i += 1) raw.write(piece)
    const writableLength = await settled(() => raw.socket.writableLength)
    assert.ok(writableLength > 90e6, `${writableLength} of 106,000,000 bytes wait in the client`)
    const grown = (await site.mebibytes()) - start
    assert.ok(grown < 30, `${grown} MiB`)
    raw.socket.destroy()
  })

  test(`${PINGS} pings of a client that reads are answered, and its close, too`, async (t) => {
    const raw = await handshake(t, site.port, { line: 'GET /echo?log=pings HTTP/1.1' })
    await raw.head()
    // The length is all that is wanted of the answers.
    raw.socket.removeAllListeners('data')
    let bytes = 0
    let end = Buffer.alloc(0)
    raw.socket.on('data', (data) => {
      bytes += data.length
      end = Buffer.concat([end, data]).subarray(-4)
    })
    const start = await site.mebibytes()
    await writeMany(raw.socket, frame(9).repeat(10_000), PINGS / 10_000)
    raw.write(frame(8, Buffer.from([0x03, 0xe8])))
    await raw.ended
    assert.deepEqual([bytes, end.toString('latin1')], [2 * PINGS + 4, '\x88\x02\x03\xe8'])
    assert.equal(await site.ended('pings'), 1000)
    const grown = (await site.mebibytes()) - start
    assert.ok(grown < 100, `${grown} MiB`)
  })

  test(`asgi_107 ${MEGABYTES} MB for a client that does not read hold at most 4 MB`, async () => {
    const client = await open(`${site.url}/flood?count=${MEGABYTES}&size=1000000&log=held`)
    client.ws.pause()
    const sent = await settled(async () => Number(await site.log('held')))
    // What the application has sent is in the client's memory, in the kernel, or held by the server.
    const local = client.ws._socket.localPort
    const held = sent * 1_000_000 - client.ws._socket.bytesRead - inKernel(site.port, local)
    assert.ok(sent < 20, `${sent} MB of ${MEGABYTES}`)
    assert.ok(held > 0 && held <= 4_000_000, `${held} bytes are held`)
    client.ws.resume()
    await client.closed
    assert.equal(client.messages.length, MEGABYTES)
  })
})

describe('with a keepalive that soon gives up', limits, () => {
  const site = startHost({ websocket: { pingInterval: 200, pingTimeout: 1000 } })

  test('a million pings of a client that does not read end the connection', async (t) => {
    const raw = await handshake(t, site.port, { line: 'GET /echo?log=choked HTTP/1.1' })
    await raw.head()
    raw.socket.pause()
    const start = await site.mebibytes()
    const piece = frame(9, 'p'.repeat(100)).repeat(1000)
    for (let i = 0; i < 1000; i += 1) raw.write(piece)
    assert.equal(await site.ended('choked'), 1006)
    const grown = (await site.mebibytes()) - start
    assert.ok(grown < 100, `${grown} MiB`)
  })
})

/** The bytes between two ports of this machine: not acknowledged, or not read. */
function inKernel(serverPort, clientPort) {
  const hex = (port) => port.toString(16).toUpperCase().padStart(4, '0')
  let bytes = 0
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)) {
    const [, local, remote, , queues] = line.trim().split(/\s+/)
    if (queues === undefined) continue
    const [unsent, unread] = queues.split(':').map((queue) => Number.parseInt(queue, 16))
    if (local.endsWith(`:${hex(serverPort)}`) && remote.endsWith(`:${hex(clientPort)}`)) bytes += unsent
    if (local.endsWith(`:${hex(clientPort)}`) && remote.endsWith(`:${hex(serverPort)}`)) bytes += unread
  }
  return bytes
}
