// A request that requestTimeout has given up makes room for others, and its application is ended (field_15, asgi_136).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { call, callJson, makeHandler, serve, until } from './support.mjs'

const limits = { timeout: 20_000 }
const GIVEN_UP = { code: 'REQUEST_TIMEOUT' }

/** What is where: requests in flight, and those that were given up and go on. */
const places = (handler) => [handler.health().inFlight, handler.health().abandoned]

for (const loop of ['asyncio', 'uvloop']) {
  const release = (t) => call(makeHandler(t, 'hanging_app:app', { loop }), '/release')

  /** A handler with two places, in which what `/release` ends goes on. */
  const setUp = async (t, options = {}) => {
    // Before the handler is closed, which would wait for them.
    t.after(() => release(t))
    const handler = makeHandler(t, 'hanging_app:app', { maxConcurrency: 2, requestTimeout: 120, loop, ...options })
    await handler.ready()
    await call(handler, '/begin')
    const before = await callJson(handler, '/state')
    const ended = async (how) => ((await callJson(handler, '/state'))[how] ?? 0) - (before[how] ?? 0)
    return { handler, ended }
  }

  describe(`field_15 requests that were given up, ${loop}`, limits, () => {
    const ways = {
      async http(handler, t) {
        const { url } = await serve(t, handler.listener)
        return async (path) => assert.equal((await fetch(url + path)).status, 504)
      },
      fetch: (handler) => async (path) => assert.equal((await handler.fetch(new Request(`http://x${path}`))).status, 504),
      handleRequest: (handler) => (path) => assert.rejects(call(handler, path), GIVEN_UP),
      handleStream: (handler) => (path) => assert.rejects(handler.handleStream({ url: path }), GIVEN_UP),
      handleRequestSync: (handler) => async (path) =>
        assert.throws(() => handler.handleRequestSync({ url: path }), GIVEN_UP),
    }
    for (const [name, way] of Object.entries(ways)) {
      test(`${name}: they keep no place, and are cancelled when they do not end (asgi_136)`, async (t) => {
        const { handler, ended } = await setUp(t)
        const ask = await way(handler, t)
        await Promise.all([ask('/hang'), ask('/hang')])
        assert.equal(handler.health().inFlight, 0)
        // At once, before they are cancelled.
        assert.equal((await call(handler, '/')).status, 200)
        await until(() => handler.health().abandoned === 0)
        assert.equal(await ended('/hang cancelled'), 2)
        assert.deepEqual([places(handler), handler.health().errorsTotal], [[0, 0], 0])
      })
    }

    for (const path of ['/swallow', '/thread']) {
      test(`${path} does not end when it is cancelled: counted until it ends, and bounded`, async (t) => {
        const { handler, ended } = await setUp(t, { requestTimeout: 100 })
        for (const expected of [[0, 2], [2, 2]]) {
          await Promise.all([0, 1].map(() => assert.rejects(call(handler, path), GIVEN_UP)))
          assert.deepEqual(places(handler), expected)
        }
        await assert.rejects(call(handler, '/'), { code: 'OVERLOADED' })
        assert.equal(handler.health().ready, true)
        await release(t)
        await until(() => places(handler).every((count) => count === 0))
        assert.equal(await ended(path) + await ended(`${path} cancelled`), 4)
      })
    }

    test('one whose client has left may take as long as a request, and no longer (asgi_136)', async (t) => {
      const { handler, ended } = await setUp(t)
      const begun = performance.now()
      const leaving = new AbortController()
      const gone = Promise.all([0, 1].map(() => assert.rejects(call(handler, '/hang', {}, { signal: leaving.signal }))))
      leaving.abort()
      await gone
      assert.deepEqual(places(handler), [2, 0])
      await assert.rejects(call(handler, '/'), { code: 'OVERLOADED' })
      await until(() => handler.health().inFlight === 0)
      assert.ok(performance.now() - begun > 110)
      await until(() => handler.health().abandoned === 0)
      assert.equal(await ended('/hang cancelled'), 2)
    })

    test('without requestTimeout nobody is cancelled', async (t) => {
      const { handler, ended } = await setUp(t, { requestTimeout: 0, maxConcurrency: 3 })
      const leaving = new AbortController()
      const gone = assert.rejects(call(handler, '/swallow', {}, { signal: leaving.signal }))
      leaving.abort()
      await gone
      // Longer than the others need.
      await new Promise((resolve) => setTimeout(resolve, 400))
      assert.deepEqual([places(handler), await ended('swallowed')], [[1, 0], 0])
    })

    test('a WebSocket that was not accepted in time', async (t) => {
      const { handler, ended } = await setUp(t, { maxConcurrency: 1, websocket: { acceptTimeout: 150 } })
      const { server, port } = await serve(t, handler.listener)
      server.on('upgrade', handler.upgrade)
      const socket = new WebSocket(`ws://127.0.0.1:${port}/swallow`)
      const status = await new Promise((resolve) => socket.on('unexpected-response', (_, { statusCode }) => resolve(statusCode)))
      socket.on('error', () => {})
      socket.terminate()
      assert.equal(status, 503)
      assert.deepEqual(places(handler), [0, 1])
      await until(async () => (await ended('swallowed')) === 1)
      await call(handler, '/release')
      await until(() => handler.health().abandoned === 0)
    })
  })
}
