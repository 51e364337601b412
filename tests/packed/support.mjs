// What the programs beside this one share: a server in front of a handler, and what every handler has to answer.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { WebSocket } from 'ws'

/** @typedef {import('asgi-node').PythonHandler} PythonHandler */

/**
 * @typedef {object} Served
 * @property {(path: string, init?: RequestInit) => Promise<any>} ask  the JSON of a response, which has to be a 200
 * @property {(text: string) => Promise<string>} overWebSocket  what an echo sends back
 * @property {() => Promise<void>} close
 */

/** @param {PythonHandler} python @returns {Promise<Served>} */
export async function serve(python) {
  const server = createServer(python.listener).on('upgrade', python.upgrade)
  // An emulated processor may take longer than Node keeps an idle connection, and fetch would ask on one that is closed.
  server.keepAliveTimeout = 120_000
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  const address = /** @type {import('node:net').AddressInfo} */ (server.address())
  const host = `127.0.0.1:${address.port}`
  return {
    async ask(path, init) {
      const response = await fetch(`http://${host}${path}`, init)
      assert.equal(response.status, 200, path)
      return response.json()
    },
    overWebSocket(text) {
      const socket = new WebSocket(`ws://${host}/`)
      return new Promise((resolve, reject) => {
        socket.on('error', reject)
        socket.on('open', () => socket.send(text))
        socket.on('message', (data) => {
          socket.on('close', () => resolve(String(data)))
          socket.close()
        })
      })
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** HTTP, a WebSocket, many requests at once, threads, subprocesses. @param {PythonHandler} python @param {Served} served */
export async function everyKind(python, { ask, overWebSocket }) {
  assert.equal(await ask('/hello'), 'hello')
  const large = 'x'.repeat(1 << 20)
  assert.equal(await ask('/echo', { method: 'POST', body: large }), large)
  assert.deepEqual(await Promise.all(Array.from({ length: 64 }, () => ask('/hello'))), Array(64).fill('hello'))
  assert.equal(await overWebSocket('through a socket'), 'THROUGH A SOCKET')
  assert.deepEqual(await ask('/threads'), [64, 1953, [499500]])
  assert.deepEqual(await ask('/subprocesses'), ['FROM ASYNCIO', 0, 'FROM A THREAD'])
  assert.equal(JSON.parse(python.handleRequestSync({ url: '/hello' }).body.toString()), 'hello')
}

/** What the application runs on. @param {Served} served */
export async function libraries({ ask }) {
  const found = await ask('/libraries')
  // A handshake record with a client hello in it.
  if (found.ssl !== null) assert.equal(found.tls, 'record 22, message 1')
  return { node: process.versions.node, openssl: process.versions.openssl, platform: `${process.platform}-${process.arch}`, ...found }
}
