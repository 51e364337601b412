// asgi-node as it was installed, on whatever this is: HTTP, a WebSocket, threads, subprocesses, and a
// process that ends by itself. Prints what it ran on as one line of JSON. It is copied into an empty folder and run there:
//
//   node smoke.mjs          the Python is found as always (VIRTUAL_ENV, ASGI_NODE_PYTHON …)

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { PythonHandler } from 'asgi-node'
import { WebSocket } from 'ws'

const python = new PythonHandler({ app: 'app:app' })
await python.ready()
const server = createServer(python.listener).on('upgrade', python.upgrade)
// An emulated processor may take longer than Node keeps an idle connection, and fetch would ask on one that is closed.
server.keepAliveTimeout = 120_000
await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
const address = /** @type {import('node:net').AddressInfo} */ (server.address())
const host = `127.0.0.1:${address.port}`

/** @param {string} path @param {RequestInit} [init] */
async function ask(path, init) {
  const response = await fetch(`http://${host}${path}`, init)
  assert.equal(response.status, 200, path)
  return response.json()
}

/** @param {string} text @returns {Promise<string>} */
function overWebSocket(text) {
  const socket = new WebSocket(`ws://${host}/`)
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('open', () => socket.send(text))
    socket.on('message', (data) => {
      socket.on('close', () => resolve(String(data)))
      socket.close()
    })
  })
}

assert.equal(await ask('/hello'), 'hello')
const large = 'x'.repeat(1 << 20)
assert.equal(await ask('/echo', { method: 'POST', body: large }), large)
assert.deepEqual(await Promise.all(Array.from({ length: 64 }, () => ask('/hello'))), Array(64).fill('hello'))
assert.equal(await overWebSocket('through a socket'), 'THROUGH A SOCKET')
assert.deepEqual(await ask('/threads'), [64, 1953, [499500]])
assert.deepEqual(await ask('/subprocesses'), ['FROM ASYNCIO', 0, 'FROM A THREAD'])
assert.equal(JSON.parse(python.handleRequestSync({ url: '/hello' }).body.toString()), 'hello')

const libraries = await ask('/libraries')
// A handshake record with a client hello in it.
if (libraries.ssl !== null) assert.equal(libraries.tls, 'record 22, message 1')
const { deepbind } = /** @type {import('asgi-node').PythonInfo} */ (PythonHandler.python)
console.log(JSON.stringify({ node: process.versions.node, openssl: process.versions.openssl, platform: `${process.platform}-${process.arch}`, ...libraries, deepbind }))

await new Promise((resolve) => server.close(resolve))
await python.close()
