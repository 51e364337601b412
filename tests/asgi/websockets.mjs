// What the WebSocket tests share: a server on websocket_app, and a client that remembers.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { makeHandler, openSocket, until } from '../node/support.mjs'

// The app's log is one for the whole process.
let latest = 0

/** A handler with `upgrade` behind a node:http server, for a whole file or `describe`. */
export function serveWebSockets({ before, after }, app = 'websocket_app:app', options = {}) {
  const handler = makeHandler({ after }, app, options)
  const server = createServer(handler.listener).on('upgrade', handler.upgrade)
  const site = { handler, server, port: 0, url: '', http: '' }
  /** A name of its own for what an app notes of one socket. */
  site.key = () => `k${(latest += 1)}`
  site.log = async (key) => (await fetch(`${site.http}/log?log=${key}`)).json()
  /** The log, as soon as it has this many entries. */
  site.logged = (key, count) => until(async () => {
    const log = await site.log(key)
    return log.length >= count ? log : null
  }, `${count} entries in the log`)
  site.open = (path, ...rest) => open(`${site.url}${path}`, ...rest)
  site.handshake = (t, lines) => handshake(t, site.port, lines)
  before(async () => {
    await handler.ready()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    site.port = server.address().port
    site.http = `http://127.0.0.1:${site.port}`
    site.url = `ws://127.0.0.1:${site.port}`
  })
  after(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return site
}

/** A number that has become more than zero, when it no longer changes. */
export async function settled(read) {
  for (let before = 0; ; ) {
    const now = await read()
    if (now > 0 && now === before) return now
    before = now
    await sleep(500)
  }
}

/**
 * A client: `messages` so far (text as string, binary as Buffer), `closed` settles with { code, reason }, `refused` with
 * the response where there is no WebSocket.
 */
export async function open(url, protocols = [], options = {}) {
  const ws = new WebSocket(url, protocols, { perMessageDeflate: false, ...options })
  const client = { ws, messages: [], headers: [] }
  client.closed = new Promise((resolve) => ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() })))
  client.next = async () => {
    await until(() => client.messages.length > 0, 'a message')
    return client.messages.shift()
  }
  ws.on('message', (data, isBinary) => client.messages.push(isBinary ? data : data.toString()))
  ws.on('error', () => {})
  ws.on('upgrade', (response) => (client.headers = response.rawHeaders))
  client.refused = new Promise((resolve) => {
    ws.on('unexpected-response', async (_, response) => {
      const chunks = await response.toArray()
      resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() })
      ws.terminate()
    })
  })
  const first = await Promise.race([once(ws, 'open').then(() => null), client.refused, client.closed])
  assert.ok(first === null || 'status' in first, `closed before it was open: ${JSON.stringify(first)}`)
  return client
}

/** The headers of a handshake, which tests change: an undefined value leaves one out. */
export function headersOf(changes = {}) {
  const headers = {
    Host: 'x',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    ...changes,
  }
  return Object.entries(headers)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
}

/** A handshake byte by byte. `lines` is the request line and the headers; what else the socket gets is up to the test. */
export async function handshake(t, port, { line = 'GET /echo HTTP/1.1', headers = {}, more = '' } = {}) {
  const client = await openSocket(t, port)
  client.socket.on('end', () => client.socket.end())
  client.write(`${line}\r\n${headersOf(headers)}\r\n${more}`)
  client.head = () => until(() => client.received.includes('\r\n\r\n') && client.received.split('\r\n\r\n')[0], 'a response')
  return client
}

/** One frame as a client sends it, masked with zeros unless told otherwise. */
export function frame(opcode, payload = '', { fin = true, masked = true, rsv = 0 } = {}) {
  const data = Buffer.from(payload)
  assert.ok(data.length < 126)
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode, (masked ? 0x80 : 0) | data.length]
  return Buffer.concat([Buffer.from(head), masked ? Buffer.alloc(4) : Buffer.alloc(0), data]).toString('latin1')
}
