// The names of Node and of ws that no documentation promises: which of them this version has dropped, and that all of them are in
// one file.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { OutgoingMessage, createServer, request } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { isPlain, vanished } from '../../npm/asgi-node/lib/node-internals.js'
import { certificates } from './certificates.mjs'
import { repository } from './support.mjs'

async function listening(t, server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return server.address().port
}

/** The server's side of an open WebSocket. */
async function accepted(t, server, scheme) {
  const sockets = new WebSocketServer({ server })
  const client = new WebSocket(`${scheme}://127.0.0.1:${await listening(t, server)}`, { rejectUnauthorized: false })
  t.after(() => client.terminate())
  const [[ws]] = await Promise.all([once(sockets, 'connection'), once(client, 'open')])
  return ws
}

test('every private name that is used exists', async (t) => {
  const server = createServer()
  const port = await listening(t, server)
  request({ port }).on('error', () => {}).end()
  const [req, res] = await once(server, 'request')
  const ws = await accepted(t, createServer(), 'ws')
  const wss = await accepted(t, createSecureServer(certificates(t).server), 'wss')
  assert.deepEqual(vanished({ req, res, ws, wss }), [])
})

test('what has vanished is named', async (t) => {
  const server = createServer()
  const port = await listening(t, server)
  request({ port }).on('error', () => {}).end()
  const [req, res] = await once(server, 'request')
  const names = vanished({ req, res, ws: {}, wss: {} })
  assert.deepEqual(names, [
    'ws._socket._handle.bytesWritten',
    'ws._socket._handle.writeQueueSize',
    'ws._socket._handle._parent of TLS',
    'ws._socket._handle.useUserBuffer',
    'ws._receiver.consume',
    'ws._receiver: its state between messages',
  ])
})

test('no response is plain where a method on its way is unknown, and the name is told', async (t) => {
  const server = createServer()
  const port = await listening(t, server)
  request({ port }).on('error', () => {}).end()
  const [req, res] = await once(server, 'request')
  assert.equal(isPlain(res), true)
  for (const [name, prototype] of Object.entries({ 'res._writeRaw': OutgoingMessage.prototype, 'socket._write': Socket.prototype, 'socket._writev': Socket.prototype })) {
    const key = name.split('.')[1]
    const method = prototype[key]
    delete prototype[key]
    try {
      const without = await import(`../../npm/asgi-node/lib/node-internals.js?without=${key}`)
      // Of _write, a socket inherits another one.
      if (key !== '_write') assert.equal(without.isPlain(res), false, name)
      assert.ok(without.vanished({ req, res, ws: {}, wss: {} }).includes(name), name)
    } finally {
      prototype[key] = method
    }
  }
})

test('no other file uses such a name', () => {
  const lib = join(repository, 'npm', 'asgi-node', 'lib')
  const files = readdirSync(lib, { recursive: true }).filter((name) => name.endsWith('.js') && name !== 'node-internals.js')
  const found = files.flatMap((name) => {
    const code = readFileSync(join(lib, name), 'utf8').replace(/\/\*\*?[^]*?\*\/|^\s*\/\/.*$/gm, '')
    return [...code.matchAll(/\._[a-z]\w*|\bhttpAllowHalfOpen\b|\b(?:as|de)(?:sign|tach)Socket\b/g)].map(([use]) => `${name}: ${use}`)
  })
  assert.deepEqual(found, [])
})
