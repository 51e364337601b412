// requestTimeout and cancelOnDisconnect (asgi_71): both off by default.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { call, makeHandler, openSocket, serve, serveApp, text, until } from '../node/support.mjs'

const limits = { timeout: 20_000 }
const request = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

describe('requestTimeout', limits, () => {
  const site = serveApp({ before, after }, 'files_app:app', { requestTimeout: 300 })

  // A request that comes while the application starts waits no longer for that: 504, and the app does not hear of it.
  before(() => site.handler.ready())

  test('a client gets 504 before the start, and the app a disconnect', async () => {
    const response = await site.fetch('/wait')
    assert.deepEqual([response.status, await response.text()], [504, 'Gateway Timeout'])
    assert.ok(await until(async () => (await (await site.fetch('/left')).text()).includes('disconnected')))
  })

  test('a direct call rejects, and a blocking one throws', async () => {
    await assert.rejects(call(site.handler, '/wait'), { name: 'PythonError', code: 'REQUEST_TIMEOUT', message: /requestTimeout/ })
    assert.throws(() => site.handler.handleRequestSync({ url: '/wait' }), { code: 'REQUEST_TIMEOUT' })
    assert.equal((await call(site.handler, '/left')).status, 200)
  })

  test('a response under way is cut', async (t) => {
    const slow = makeHandler(t, 'stream_app:app', { requestTimeout: 300 })
    await slow.ready()
    const response = await slow.handleStream({ url: '/?count=100&delay=0.05' })
    assert.equal(response.status, 200)
    await assert.rejects(async () => {
      for await (const chunk of response) assert.ok(chunk.length > 0)
    }, { code: 'REQUEST_TIMEOUT' })
  })
})

describe('cancelOnDisconnect', limits, () => {
  for (const cancelOnDisconnect of [false, true]) {
    test(`asgi_71 the task is ${cancelOnDisconnect ? '' : 'not '}cancelled when the client leaves`, async (t) => {
      const handler = makeHandler(t, 'files_app:app', { cancelOnDisconnect })
      const { port } = await serve(t, handler.listener)
      const before = text(await call(handler, '/left'))
      const left = async () => text(await call(handler, '/left')).slice(before.length)
      const client = await openSocket(t, port)
      client.write(request('/sleep'))
      await until(() => handler.health().inFlight > 0)
      client.socket.destroy()
      // A second task of the app's hears of it in either case.
      await until(async () => (await left()).includes('disconnected'))
      if (cancelOnDisconnect) await until(async () => (await left()).includes('cancelled'))
      assert.equal((await left()).includes('cancelled'), cancelOnDisconnect)
      await client.ended
    })
  }
})
