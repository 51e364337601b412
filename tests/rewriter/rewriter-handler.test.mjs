// The option `rewriter`: what the app sees, whichever way a request comes; what the log, other options and clients see.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createSecureServer, connect as openHttp2 } from 'node:http2'
import { after, describe, test } from 'node:test'
import { createAdaptorServer } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import {
  ExistenceCondition,
  HeaderCondition,
  HeaderRewriter,
  MethodRewriter,
  PathCondition,
  PathRewriter,
  PythonHandler,
  Request,
  Rewriter,
} from 'asgi-node'
import { open } from '../asgi/websockets.mjs'
import { certificates } from '../node/certificates.mjs'
import { call, callJson, collect, makeHandler, rawExchange, runNode, serve, until } from '../node/support.mjs'

const limits = { timeout: 60_000 }
const RULES = [
  { rewriters: [{ type: 'path', args: ['^/api/', '/v1/'] }] },
  { conditions: [{ type: 'header', args: ['x-http-method-override', '^PUT$'] }], rewriters: [{ type: 'method', args: ['PUT'] }] },
  { conditions: [{ type: 'path', args: ['^/v1/search/'] }], rewriters: [{ type: 'path', args: ['^(/v1/search)/([^/]+)$', '$1?q=$2&'] }] },
  { rewriters: [{ type: 'header', args: ['x-tenant', '^(\\w+)\\.example$', '$1', { from: 'host' }] }] },
]
const HEADERS = { host: 'acme.example', 'x-http-method-override': 'PUT' }
const seen = ({ method, path, raw_path: raw, query_string: query, headers }) => [
  method, path, raw, query, headers.filter(([name]) => name === 'x-tenant').map(([, value]) => value),
]
const EXPECTED = ['PUT', '/v1/search', '/v1/search', 'q=caf%C3%A9&page=2', ['acme']]

describe('every way that a request comes', limits, () => {
  const entries = []
  const handler = makeHandler({ after }, 'echo_app:app', { rewriter: RULES, accessLog: (entry) => void entries.push(entry) })
  const url = '/api/search/caf%C3%A9?page=2'
  const ask = async (port) => {
    const headers = Object.entries(HEADERS).map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const received = await rawExchange({ after: () => {} }, port, `POST ${url} HTTP/1.1\r\n${headers}content-length: 4\r\nconnection: close\r\n\r\nbody`)
    return JSON.parse(received.slice(received.indexOf('\r\n\r\n') + 4))
  }

  test('handleRequest, handleStream, handleRequestSync', async () => {
    const init = { method: 'POST', headers: HEADERS, body: 'body' }
    assert.deepEqual(seen(await callJson(handler, url, init)), EXPECTED)
    assert.deepEqual(seen(JSON.parse(await collect(await handler.handleStream({ url, ...init })))), EXPECTED)
    const given = new Request({ url, ...init })
    assert.deepEqual(seen(JSON.parse(handler.handleRequestSync(given).body)), EXPECTED)
    assert.deepEqual([given.url, given.method], [url, 'POST'])
  })

  test('listener, middleware, fetch', async (t) => {
    const app = express().use(handler.middleware())
    const hono = createAdaptorServer({ fetch: handler.fetch })
    t.after(() => hono.close())
    await once(hono.listen(0, '127.0.0.1'), 'listening')
    for (const { port } of [await serve(t, handler.listener), await serve(t, app), hono.address()]) {
      const echoed = await ask(port)
      assert.deepEqual([seen(echoed), echoed.body], [EXPECTED, 'body'])
    }
    const response = await handler.fetch(new globalThis.Request(`http://h${url}`, { method: 'POST', headers: HEADERS, body: 'body' }))
    assert.deepEqual(seen(await response.json()).slice(0, 4), EXPECTED.slice(0, 4))
  })

  test('HTTP/2 over TLS, whose fields stand between', async (t) => {
    const server = createSecureServer(certificates(t).server, handler.listener)
    t.after(() => server.close())
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const client = openHttp2(`https://127.0.0.1:${server.address().port}`, { rejectUnauthorized: false })
    t.after(() => client.destroy())
    const stream = client.request({ ':method': 'GET', ':path': url, ':authority': 'acme.example', 'x-http-method-override': 'PUT' })
    const chunks = await stream.setEncoding('utf8').toArray()
    assert.deepEqual(seen(JSON.parse(chunks.join(''))), EXPECTED)
  })

  test('the access log shows what the client sent', async (t) => {
    const { port } = await serve(t, handler.listener)
    const from = entries.length
    await ask(port)
    await callJson(handler, url, { method: 'POST', headers: HEADERS })
    await until(() => entries.length >= from + 2)
    for (const entry of entries.slice(from)) assert.deepEqual([entry.method, entry.url], ['POST', url])
  })

  test('what no rule touches stays as it was', async () => {
    const headers = [['a', '1'], ['host', 'h'], ['a', '2']]
    const echoed = await callJson(handler, '/other%2F?x=%20', { headers })
    assert.deepEqual([echoed.raw_path, echoed.query_string, echoed.headers], ['/other%2F', 'x=%20', headers])
  })
})

test('a WebSocket: over a server and without one', limits, async (t) => {
  const rewriter = new PathRewriter('^/ws/', '/').then(new HeaderRewriter('x-a', '$', '!')).then(new MethodRewriter('POST'))
  const entries = []
  const handler = makeHandler(t, 'websocket_app:app', { rewriter, accessLog: (entry) => void entries.push(entry) })
  const { server, port } = await serve(t, handler.listener)
  server.on('upgrade', handler.upgrade)
  const client = await open(`ws://127.0.0.1:${port}/ws/report?q=1`, [], { headers: { 'x-a': '1' } })
  const scope = JSON.parse(await client.next())
  assert.deepEqual([scope.path, scope.raw_path, scope.query_string, scope.headers.filter(([name]) => name === 'x-a')], ['/report', '/report', 'q=1', [['x-a', '1!']]])
  client.ws.close()
  await until(() => entries.length === 1)
  assert.equal(entries[0].url, '/ws/report?q=1')
  const socket = await handler.handleStream({ url: '/ws/report', websocket: true })
  assert.equal(JSON.parse(await socket.next()).path, '/report')
  socket.close()
})

describe('where a router has mounted it', limits, () => {
  const rules = (root) => new PathRewriter(`^${root}/old/`, `${root}/new/`).then(new PathRewriter(`^${root}/gone/`, '/'))
  const place = (echoed) => [echoed.root_path, echoed.path, echoed.query_string]

  test('Hono.mount', async (t) => {
    const handler = makeHandler(t, 'echo_app:app', { rewriter: rules('/py') })
    const hono = new Hono()
    hono.mount('/py', handler.fetch)
    const server = createAdaptorServer({ fetch: hono.fetch })
    t.after(() => server.close())
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const get = async (path) => place(await (await fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers: { connection: 'close' } })).json())
    assert.deepEqual(await get('/py/old/x?q'), ['/py', '/py/new/x', 'q'])
    assert.deepEqual(await get('/py/other'), ['/py', '/py/other', ''])
    // An app that is moved out of its mount is not told that it is below it.
    assert.deepEqual(await get('/py/gone/x'), ['', '/x', ''])
  })

  test('Express', async (t) => {
    const handler = makeHandler(t, 'echo_app:app', { rewriter: rules('/py') })
    const { url } = await serve(t, express().use('/py', handler.middleware()))
    const get = async (path) => place(await (await fetch(url + path)).json())
    assert.deepEqual(await get('/py/old/x?q'), ['/py', '/py/new/x', 'q'])
    assert.deepEqual(await get('/py/gone/x'), ['', '/x', ''])
  })

  test('rootPath is put in front of what the rules have made', async (t) => {
    const handler = makeHandler(t, 'echo_app:app', { rewriter: new PathRewriter('^/a', '/b'), rootPath: '/root' })
    assert.deepEqual(place(await callJson(handler, '/a/x')), ['/root', '/root/b/x', ''])
  })
})

test('files are looked for below the docroot of the handler', limits, async (t) => {
  const rewriter = new PathRewriter('^', '/file').when(new ExistenceCondition())
  const handler = makeHandler(t, 'echo_app:app', { rewriter })
  const paths = ['/echo_app.py', '/../../package.json', '/none', '//echo_app.py']
  const found = await Promise.all(paths.map(async (path) => (await callJson(handler, path, { docroot: '/' })).raw_path))
  assert.deepEqual(found, ['/file/echo_app.py', '/../../package.json', '/none', '/file//echo_app.py'])
})

test('HEAD that becomes GET: the app sees GET, the client gets no body', limits, async (t) => {
  const handler = makeHandler(t, 'echo_app:app', { rewriter: new MethodRewriter('GET').when(new PathCondition('^/x')) })
  const { port } = await serve(t, handler.listener)
  const received = await rawExchange(t, port, 'HEAD /x HTTP/1.1\r\nHost: h\r\n\r\nHEAD /y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
  const heads = received.split('\r\n\r\n')
  assert.equal(heads.length, 3, received)
  assert.match(heads[0], /^HTTP\/1\.1 200 OK[^]*content-length: [1-9]/i)
  assert.match(heads[1], /^HTTP\/1\.1 200 OK/)
  const response = await call(handler, '/x', { method: 'HEAD' })
  assert.equal(response.body.length, 0)
  assert.equal((await callJson(handler, '/x')).method, 'GET')
})

test('a rule that makes no request of one: an error with its name, 500 for clients, and a line in the log', limits, async (t) => {
  const lines = []
  const log = (object, message) => lines.push(message)
  const logger = { level: 'error', error: log, fatal: log, warn() {}, info() {}, debug() {}, trace() {} }
  const rewriter = [{ rewriters: [{ type: 'path', args: ['^/bad/', ''] }] }]
  const entries = []
  const handler = makeHandler(t, 'echo_app:app', { rewriter, logger, accessLog: ({ status }) => void entries.push(status) })
  const message = 'rules[0].rewriters[0] (/^\\/bad\\// to ""): it makes "x", which does not start with "/", of the path of this request'
  const expected = { name: 'PythonError', code: 'REWRITE_FAILED', message }
  await assert.rejects(call(handler, '/bad/x'), expected)
  assert.throws(() => handler.handleRequestSync({ url: '/bad/x' }), expected)
  await assert.rejects(handler.handleStream({ url: '/bad/x' }), expected)
  assert.deepEqual(entries, [500, 500, 500])
  const { server, port, url } = await serve(t, handler.listener)
  server.on('upgrade', handler.upgrade)
  const plain = async (response) => [response.status, await response.text()]
  assert.deepEqual(await plain(await fetch(`${url}/bad/x`)), [500, 'Internal Server Error'])
  assert.deepEqual(await plain(await handler.fetch(new globalThis.Request('http://h/bad/x'))), [500, 'Internal Server Error'])
  assert.equal((await (await open(`ws://127.0.0.1:${port}/bad/x`)).refused).status, 500)
  assert.deepEqual(lines.map((line) => line.split(': ').slice(0, 2).join(': ')), Array(3).fill('REWRITE_FAILED: rules[0].rewriters[0] (/^\\/bad\\// to "")'))
  const app = express().use(handler.middleware()).use((error, _req, res, _next) => res.status(error.status).json({ code: error.code }))
  const { url: mounted } = await serve(t, app)
  assert.deepEqual(await plain(await fetch(`${mounted}/bad/x`)), [500, '{"code":"REWRITE_FAILED"}'])
  assert.deepEqual((await callJson(handler, '/good')).path, '/good')
})

describe('the option', () => {
  const refused = (rewriter, message) => assert.throws(() => new PythonHandler({ app: 'main:app', rewriter }), { name: 'TypeError', message })

  test('what is not a rewriter', () => {
    refused(7, 'Option rewriter must be a rewriter or an array of rules, not 7')
    refused(null, 'Option rewriter must be a rewriter or an array of rules, not null')
    refused(new PathCondition('a'), 'Option rewriter must be a rewriter or an array of rules, not an instance of PathCondition')
    refused([{ rewriters: [{ type: 'path', args: ['a'] }] }], 'Option rewriter: rules[0].rewriters[0].args must have length 2 (the arguments of PathRewriter), not 1')
  })

  test('any of them, and one that was awaited', limits, async (t) => {
    const path = new PathRewriter('^/a$', '/b')
    const rewriters = [
      path, new Rewriter([{ rewriters: [{ type: 'path', args: ['^/a$', '/b'] }] }]), path.then(path), await path,
      path.when(new HeaderCondition('x', '^$').or(new PathCondition('a'))), undefined,
    ]
    const found = []
    for (const rewriter of rewriters) found.push((await callJson(makeHandler(t, 'echo_app:app', { rewriter }), '/a')).path)
    assert.deepEqual(found, ['/b', '/b', '/b', '/b', '/b', '/a'])
  })

  test('rules are made and tried without a Python', limits, async () => {
    const { result, stderr } = await runNode(`
      import { PathRewriter } from 'asgi-node'
      const rewriter = new PathRewriter('a', 'b')
      console.log(JSON.stringify([rewriter.rewrite(new Request({ url: '/a' })).url, PythonHandler.python]))`, { env: { PATH: '/nowhere', ASGI_NODE_PYTHON: undefined } })
    assert.deepEqual([result, stderr], [['/b', null], ''])
  })
})
