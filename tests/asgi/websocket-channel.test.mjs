// handleStream with a WebSocket request: both ends in this process, no socket.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PythonError, Request } from 'asgi-node'
import { callJson, makeHandler, until } from '../node/support.mjs'
import { settled } from './websockets.mjs'

// Of a whole `describe`, on a busy machine.
const limits = { timeout: 60_000 }
const APP = 'websocket_app:app'
const request = (url, init) => new Request({ url, websocket: true, ...init })
const log = (handler, key) => callJson(handler, `/log?log=${key}`)

describe('a WebSocket without a socket', limits, () => {
  test('write and next, as users of python-node know them', async (t) => {
    const handler = makeHandler(t, APP)
    const ours = request('/echo?log=channel-1')
    const response = await handler.handleStream(ours)
    assert.deepEqual([response.status, response.code], [101, null])
    await ours.write('hällo')
    assert.equal((await response.next()).toString(), 'hällo')
    await ours.write(Buffer.from([1, 255]))
    assert.deepEqual(await response.next(), Buffer.from([1, 255]))
    await ours.end()
    assert.equal(await response.next(), null)
    assert.deepEqual([response.code, response.reason], [1000, ''])
    assert.deepEqual((await until(async () => (await log(handler, 'channel-1')).length > 4 && log(handler, 'channel-1'))).slice(0, 4), [
      { type: 'websocket.connect' },
      { type: 'websocket.receive', text: 'hällo' },
      { type: 'websocket.receive', bytes: 'bytes:2' },
      { type: 'websocket.disconnect', code: 1000, reason: '' },
    ])
    assert.equal(await ours.write('late').catch((error) => error.code), 'INVALID_REQUEST')
  })

  test('for await gives messages with their kind, up to the app\'s close', async (t) => {
    const handler = makeHandler(t, APP)
    const messages = []
    const many = await handler.handleStream(request('ws://example.org/returning'))
    for await (const { data, isBinary } of many) messages.push([data.toString(), isBinary])
    assert.deepEqual([messages, many.code], [[['last', false]], 1000])
    const closed = await handler.handleStream(request('/close?log=channel-2&code=4002&reason=bye'))
    assert.equal(await closed.next(), null)
    assert.deepEqual([closed.code, closed.reason], [4002, 'bye'])
  })

  test('what was written before the request is sent, is sent', async (t) => {
    const handler = makeHandler(t, APP)
    const ours = request('/echo', { headers: { 'sec-websocket-protocol': 'a, b' } })
    await ours.write('early')
    const response = await handler.handleStream(ours)
    assert.equal((await response.next()).toString(), 'early')
    await assert.rejects(handler.handleStream(ours), { code: 'INVALID_REQUEST' })
    response.close(4001, 'mine')
    assert.deepEqual([await response.next(), response.code, response.reason], [null, 4001, 'mine'])
  })

  /** All the texts that it gives. */
  const textsOf = async (response) => {
    const texts = []
    for await (const { data } of response) texts.push(data.toString())
    return texts
  }
  const ending = [{ type: 'websocket.receive', text: 'a' }, { type: 'websocket.receive', text: 'b' }, { type: 'websocket.disconnect', code: 1000, reason: '' }]

  for (const when of ['before the call', 'before the app accepts', 'after it']) {
    test(`end() ${when}: what was written is received and answered, then the close comes`, async (t) => {
      const handler = makeHandler(t, APP)
      const key = `channel-end-${when.replaceAll(' ', '-')}`
      const ours = request(`/echo?log=${key}`)
      const writeAll = () => Promise.all([ours.write('a'), ours.write('b'), ours.end()])
      if (when === 'before the call') await writeAll()
      const calling = handler.handleStream(ours)
      if (when === 'before the app accepts') await writeAll()
      const response = await calling
      if (when === 'after it') await writeAll()
      assert.equal(response.status, 101)
      assert.deepEqual(await textsOf(response), ['a', 'b'])
      assert.deepEqual([response.code, response.reason], [1000, ''])
      assert.deepEqual((await log(handler, key)).slice(1, 4), ending)
    })
  }

  test('end() before an app that refuses, or does not answer', async (t) => {
    const handler = makeHandler(t, APP, { websocket: { acceptTimeout: 200 } })
    for (const [path, status] of [['/refuse', 403], ['/wait', 503]]) {
      const ours = request(path)
      await ours.write('a')
      await ours.end()
      await assert.rejects(handler.handleStream(ours), { code: 'WEBSOCKET_REJECTED', status })
    }
  })

  test('an app that does not look at the end() is left after a while, with what it has sent by then', async (t) => {
    const handler = makeHandler(t, APP)
    const ours = request('/ticking?log=channel-ticking')
    const response = await handler.handleStream(ours)
    await ours.end()
    const started = performance.now()
    const texts = await textsOf(response)
    const took = performance.now() - started
    assert.ok(took > 4000 && took < 15_000 && texts.length > 10, `${texts.length} in ${took} ms`)
    assert.equal(response.code, 1000)
    await until(async () => (await log(handler, 'channel-ticking')).includes('ClientDisconnected'))
  })

  test('the chosen sub-protocol and the headers are those of the response', async (t) => {
    const handler = makeHandler(t, APP)
    const response = await handler.handleStream(request('/echo?pick=b', { headers: { 'sec-websocket-protocol': 'a, b' } }))
    assert.equal(response.headers.get('sec-websocket-protocol'), 'b')
    response.close()
    const early = await handler.handleStream(request('/early'))
    assert.deepEqual(early.headers.getAll('x-a'), ['1', '2'])
    await early.return()
    assert.equal(early.code, 1005)
  })

  test('an app that refuses rejects with its answer, one that fails with its error', async (t) => {
    const handler = makeHandler(t, APP, { websocket: { acceptTimeout: 200 } })
    const rejection = (path) => handler.handleStream(request(path)).then(assert.fail, (error) => error)
    for (const [path, status, body] of [['/refuse', 403, ''], ['/deny', 418, 'I am a teapot'], ['/wait', 503, '']]) {
      const error = await rejection(path)
      assert.ok(error instanceof PythonError)
      assert.deepEqual([error.code, error.status, error.body.toString()], ['WEBSOCKET_REJECTED', status, body])
    }
    assert.equal((await rejection('/deny')).headers.get('x-why'), 'tea')
    assert.match((await rejection('/fail')).traceback, /ValueError: secret before/)
    assert.equal((await rejection('/nothing')).code, 'APP_NO_RESPONSE')
  })

  test('a denial that has begun has its time, and not all memory', async (t) => {
    const handler = makeHandler(t, APP, { websocket: { acceptTimeout: 200, maxPayload: 100_000 } })
    const rejection = (path) => handler.handleStream(request(path)).then(assert.fail, (error) => error)
    const slow = await rejection('/denying?size=10&count=5&every=0.1')
    assert.deepEqual([slow.code, slow.status, slow.body.length], ['WEBSOCKET_REJECTED', 402, 50])
    const endless = await rejection('/denying?size=10000&count=1000000&log=channel-denying')
    assert.deepEqual([endless.code, endless.status, endless.body.length], ['WEBSOCKET_REJECTED', 402, 100_000])
    assert.match(endless.message, /402.*websocket\.maxPayload/)
    await until(async () => (await log(handler, 'channel-denying')).includes('ClientDisconnected'))
  })

  test('an app that fails later rejects the read', async (t) => {
    const handler = makeHandler(t, APP)
    const ours = request('/crash')
    const response = await handler.handleStream(ours)
    await assert.rejects(response.next(), { code: 'APP_ERROR' })
    assert.equal(response.code, 1011)
  })

  test('back-pressure, both ways', async (t) => {
    const handler = makeHandler(t, APP)
    const response = await handler.handleStream(request('/flood?count=1000&size=1000000&log=channel-3'))
    await sleep(300)
    assert.ok(await log(handler, 'channel-3') < 5)
    for (let i = 0; i < 20; i += 1) assert.equal((await response.next()).length, 1_000_000)
    await response.return()

    const ours = request('/slow?gate=channel')
    const slow = await handler.handleStream(ours)
    let written = 0
    const writing = (async () => {
      for (; written < 200; written += 1) await ours.write(Buffer.alloc(10_000))
      await ours.write('done')
    })()
    await settled(() => written)
    assert.ok(written < 50, `${written} messages were taken by an app that does not receive`)
    await handler.handleRequest(new Request({ url: '/gate?gate=channel' }))
    await writing
    assert.equal((await slow.next()).toString(), `201 ${2_000_004}`)
    slow.close()
  })

  test('a signal ends it, and so does close() of the handler', async (t) => {
    const handler = makeHandler(t, APP)
    const controller = new AbortController()
    const response = await handler.handleStream(request('/echo?log=channel-4'), { signal: controller.signal })
    controller.abort(new Error('enough'))
    await assert.rejects(response.next(), /enough/)
    assert.equal(response.code, 1006)
    await until(async () => (await log(handler, 'channel-4')).length > 1)
    assert.equal((await log(handler, 'channel-4'))[1].code, 1006)
    const other = await handler.handleStream(request('/echo'))
    await handler.close()
    assert.deepEqual([await other.next(), other.code], [null, 1012])
  })

  test('what cannot be is refused', async (t) => {
    const handler = makeHandler(t, APP)
    assert.throws(() => request('/', { body: 'x' }), TypeError)
    assert.throws(() => request('/', { method: 'POST' }), TypeError)
    await assert.rejects(handler.handleRequest(request('/echo')), TypeError)
    await assert.rejects(request('/echo').write(5), { name: 'TypeError', message: 'A message must be a string, a Buffer or a Uint8Array, not 5' })
    const response = await handler.handleStream(request('/echo'))
    for (const wrong of [[1005], [0], ['1000'], [1000, 'x'.repeat(124)], [1000, 7]]) assert.throws(() => response.close(...wrong), TypeError)
    response.close(3000)
    response.close(3001)
    assert.equal(response.code, 3000)
    const plain = await handler.handleStream(new Request({ url: '/log' }))
    assert.throws(() => plain.close(), TypeError)
  })
})
