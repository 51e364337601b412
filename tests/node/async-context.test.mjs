// AsyncLocalStorage: callbacks of the user's see the store of their request, as they would if everything were JavaScript.
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, test } from 'node:test'
import express from 'express'
import { WebSocket } from 'ws'
import { call, makeHandler, serve, until } from './support.mjs'

const limits = { timeout: 60_000 }
const storage = new AsyncLocalStorage()

/** A logger that notes the store that each message is written in. */
function noting() {
  const stores = []
  const note = (_object, message) => void stores.push([message, storage.getStore()])
  return { stores, logger: { level: 'debug', debug: note, info: note, warn: note, error: note } }
}

describe('field_18 AsyncLocalStorage', limits, () => {
  test('next() of middleware(), with and without an error', async (t) => {
    const seen = []
    const errors = makeHandler(t, 'error_app:app').middleware()
    const app = express()
      .use((req, _res, next) => storage.run(req.url, next))
      .use((req, res, next) => (req.path === '/error' ? errors(req, res, next) : next()))
      .use(makeHandler(t, 'status_app:app').middleware({ fallthrough: true }))
      .use((_req, res) => {
        seen.push(['next', storage.getStore()])
        res.status(404).end()
      })
      .use((_error, _req, res, _next) => {
        seen.push(['error', storage.getStore()])
        res.status(500).end()
      })
    const { url } = await serve(t, app)
    // The first of each comes before its handler has started.
    for (const path of ['/status/404?1', '/error?1', '/status/404?2', '/error?2']) await (await fetch(url + path)).text()
    assert.deepEqual(seen, [['next', '/status/404?1'], ['error', '/error?1'], ['next', '/status/404?2'], ['error', '/error?2']])
  })

  test('logger, for the failure of a request', async (t) => {
    const { stores, logger } = noting()
    const handler = makeHandler(t, 'error_app:app', { logger })
    await handler.ready()
    const { url } = await serve(t, (req, res) => storage.run(req.url, () => handler.listener(req, res)))
    await (await fetch(`${url}/error?listener`)).text()
    await storage.run('fetch', () => handler.fetch(new Request('http://h/error?fetch')))
    await until(() => stores.length === 2)
    assert.deepEqual(stores.map(([, store]) => store), ['/error?listener', 'fetch'])
  })

  test('logger, for the failure of a WebSocket', async (t) => {
    const { stores, logger } = noting()
    const handler = makeHandler(t, 'websocket_app:app', { logger })
    const server = createServer().on('upgrade', (req, socket, head) => storage.run(req.url, () => handler.upgrade(req, socket, head)))
    server.listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    await once(new WebSocket(`ws://127.0.0.1:${server.address().port}/fail`), 'error')
    await until(() => stores.length > 0)
    assert.deepEqual(stores.map(([, store]) => store), ['/fail'])
  })

  test('accessLog', async (t) => {
    const seen = []
    const accessLog = ({ url }) => void seen.push([url, storage.getStore()])
    const handler = makeHandler(t, 'main:app', { accessLog })
    await handler.ready()
    const { url } = await serve(t, (req, res) => storage.run(req.url, () => handler.listener(req, res)))
    await (await fetch(`${url}/?listener`)).text()
    await storage.run('/?handleRequest', () => call(handler, '/?handleRequest'))
    await storage.run('/?fetch', async () => (await handler.fetch(new Request('http://h/?fetch'))).text())
    await until(() => seen.length === 3)
    for (const [path, store] of seen) assert.equal(store, path)
  })

  test('accessLog of a WebSocket, and upgrade.match', async (t) => {
    const seen = []
    const note = (what, path) => void seen.push([what, path, storage.getStore()])
    const match = (path) => {
      note('match', path)
      return true
    }
    const handler = makeHandler(t, 'websocket_app:app', { accessLog: ({ url }) => note('log', url), upgrade: { match } })
    const server = createServer().on('upgrade', (req, socket, head) => storage.run(req.url, () => handler.upgrade(req, socket, head)))
    server.listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}/echo`)
    await once(socket, 'open')
    socket.close()
    await until(() => seen.length === 2)
    assert.deepEqual(seen, [['match', '/echo', '/echo'], ['log', '/echo', '/echo']])
  })

  test('logger and stdio, for what Python says: the store in which the handler was made', async (t) => {
    const { stores, logger } = noting()
    const lines = []
    const stdio = () => void lines.push(storage.getStore())
    const handler = storage.run('maker', () => makeHandler(t, 'speaking_app:app', { logger, stdio }))
    await storage.run('request', () => call(handler, '/levels'))
    await storage.run('request', () => call(handler, '/lines?count=2'))
    await until(() => stores.length > 0 && lines.length > 0)
    assert.deepEqual([new Set(stores.map(([, store]) => store)), new Set(lines)], [new Set(['maker']), new Set(['maker'])])
  })
})
