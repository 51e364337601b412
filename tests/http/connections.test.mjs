// When a connection ends with its response, and when it goes on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { makeHandler, openPolitely, until } from '../node/support.mjs'

const limits = { timeout: 30_000 }
const get = (path, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`

async function serve(t, options = {}) {
  const handler = makeHandler(t, 'bytes_app:app')
  const server = createServer(options, handler.listener).listen(0, '127.0.0.1')
  await Promise.all([handler.ready(), once(server, 'listening')])
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { handler, server, port: server.address().port }
}

test('field_19 a response whose head has gone ends its connection when the handler closes', limits, async (t) => {
  const { handler, port } = await serve(t, { keepAliveTimeout: 75_000 })
  const client = await openPolitely(t, port)
  client.write(get('/events'))
  await until(() => client.received.includes('data: 0'), 'the first event')
  assert.match(client.received, /Connection: keep-alive/)
  const closed = handler.close({ timeout: 5000 })
  await Promise.race([client.ended, closed.then(() => new Promise((resolve) => setTimeout(resolve, 1000)))])
  assert.ok(client.received.endsWith('0\r\n\r\n'), client.received)
  assert.equal(client.socket.readyState, 'closed')
})

test('field_19 the response behind it still goes out', limits, async (t) => {
  const { handler, port } = await serve(t, { keepAliveTimeout: 75_000 })
  const client = await openPolitely(t, port)
  client.write(get('/events') + get('/head'))
  await until(() => client.received.includes('data: 0'), 'the first event')
  await handler.close({ timeout: 5000 })
  await Promise.race([client.ended, new Promise((resolve) => setTimeout(resolve, 1000))])
  assert.equal(client.received.match(/HTTP\/1\.1 /g).length, 2, client.received)
  assert.equal(client.socket.readyState, 'closed')
})

test('field_32 a client that does not wait for "100 Continue" keeps its connection', limits, async (t) => {
  const { port } = await serve(t)
  const upload = (more = '') => `POST /upload HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n${more}\r\nbody`
  const client = await openPolitely(t, port)
  client.write(get('/head'))
  await until(() => client.received.endsWith('0\r\n\r\n'), 'the first response')
  for (const path of ['/upload', '/head']) {
    client.received = ''
    client.write(upload().replace('/upload', path))
    await until(() => client.received.endsWith('0\r\n\r\n'), 'a response')
    assert.match(client.received, /Connection: keep-alive/, path)
    assert.doesNotMatch(client.received, /Connection: close/, path)
  }
  client.write(get('/head', 'Connection: close\r\n'))
  await client.ended
})

test('field_32 a client that waits, and is not asked, loses it', limits, async (t) => {
  const { port } = await serve(t)
  const client = await openPolitely(t, port)
  client.write(get('/head'))
  await until(() => client.received.endsWith('0\r\n\r\n'), 'the first response')
  client.received = ''
  client.write('POST /head HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n')
  await client.ended
  assert.match(client.received, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close/)
})
