// Application objects and what a call of one may rely on (asgi_1 to asgi_14).
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { serveApart } from '../hostile/wire.mjs'
import { call, callJson, makeHandler, openSocket, serveApp, text, until } from '../node/support.mjs'
import { answer, ask, body, keepAlive, logOf, newId, play, request, start } from './wire.mjs'

const limits = { timeout: 20_000 }

describe('application objects', limits, () => {
  const site = serveApp({ before, after }, 'asgi_application:app')
  const json = async (t, path, options) => JSON.parse((await ask(t, site, path, options)).body)

  test('asgi_1 asgi_2 asgi_3 scope is a dict that says type, version 3.0 and spec_version 2.5', async (t) => {
    const expected = { dict: true, type: 'http', asgi: { version: '3.0', spec_version: '2.5' } }
    assert.deepEqual(await json(t, '/about'), expected)
    assert.deepEqual(await callJson(site.handler, '/about'), expected)
  })

  for (const name of ['double', 'Double2']) {
    test(`asgi_5 an ASGI 2 application is recognised, and told so: ${name}`, async (t) => {
      for (const options of [{}, { interface: 'asgi2' }]) {
        const handler = makeHandler(t, `asgi_application:${name}`, options)
        const { dict, type, asgi } = await callJson(handler, '/about')
        assert.deepEqual([dict, type, asgi.version], [true, 'http', '2.0'])
      }
    })
  }

  for (const name of ['about', 'plain', 'instance', 'Awaitable3', 'partial']) {
    test(`asgi_6 ASGI 3 in every form: ${name}`, async (t) => {
      const { type, asgi } = await callJson(makeHandler(t, `asgi_application:${name}`), '/about')
      assert.deepEqual([type, asgi.version], ['http', '3.0'])
    })
  }

  test('asgi_11 a receive that was cancelled has taken no message', async (t) => {
    const client = await openSocket(t, site.port)
    client.write(request('/cancelled', { method: 'POST', headers: 'Content-Length: 6\r\n', body: 'one' }))
    setTimeout(() => client.write('two'), 150)
    await until(() => client.received.endsWith('}'))
    const result = JSON.parse(client.received.slice(client.received.indexOf('{')))
    assert.deepEqual(result, { events: [['one', true], ['two', false]], cancelled: [true, true] })
  })

  test('asgi_11 asgi_12 anyio and sniffio see asyncio', async (t) => {
    const expected = { library: 'asyncio', events: ['http.request'], cut: true }
    assert.deepEqual(await json(t, '/anyio'), expected)
    assert.deepEqual(await callJson(site.handler, '/anyio'), expected)
  })

  test("asgi_13 applications share one thread, which is not Python's main thread: signals stay Node's", async (t) => {
    const first = await json(t, '/threads')
    assert.equal(first.main, false)
    assert.deepEqual(Object.keys(first.refused), ['signal.signal', 'add_signal_handler'])
    assert.equal((await callJson(site.handler, '/threads')).ident, first.ident)
    assert.deepEqual(await json(t, '/subprocess'), { output: 'from a child', code: 0 })
  })

  test('asgi_14 no request sees the context variables of another, not even of one on its connection', async (t) => {
    const pipelined = [1, 2, 3].map((number) => request(`/context?number=${number}`, { close: number === 3 })).join('')
    const received = await site.raw(t, pipelined)
    const seen = [...received.matchAll(/\{"before[^}]*\}/g)].map(([found]) => JSON.parse(found))
    assert.deepEqual(seen, ['1', '2', '3'].map((own) => ({ before: 'unset', after: own })))
    const many = await Promise.all([...'abcdef'].map((own) => callJson(site.handler, `/context?number=${own}`)))
    assert.deepEqual(many, [...'abcdef'].map((own) => ({ before: 'unset', after: own })))
  })
})

describe('events', limits, () => {
  const site = serveApp({ before, after }, 'asgi_script:app')

  test('asgi_8 unknown keys in an event do no harm', async (t) => {
    const extra = { 'x-unknown': { a: 1 }, more: true }
    const steps = [{ send: { ...start(), ...extra } }, { send: { ...body('ok'), ...extra } }]
    assert.equal((await ask(t, site, play(steps))).body, 'ok')
    assert.equal(text(await call(site.handler, play(steps))), 'ok')
  })

  test('asgi_9 an event that is none raises: unknown type, missing key, wrong type', async (t) => {
    const events = [
      [{ type: 'http.response.unknown' }, 'RuntimeError'],
      [{ type: 'websocket.send', text: 'x' }, 'RuntimeError'],
      [{ type: 'http.request' }, 'RuntimeError'],
      [{ type: 5 }, 'TypeError'],
      [{ status: 200 }, 'ValueError'],
      [{ type: 'http.response.start' }, 'ValueError'],
      [null, 'TypeError'],
      [['type', 'http.response.start'], 'TypeError'],
      ['http.response.start', 'TypeError'],
    ]
    const steps = [...events.map(([event]) => ({ try: event })), ...answer()]
    const id = newId()
    assert.equal((await ask(t, site, play(steps, id))).body, 'ok')
    assert.deepEqual(await logOf(site, id), events.map(([, expected]) => expected))
    assert.equal(text(await call(site.handler, play(steps))), 'ok')
  })
})

describe('a return value', limits, () => {
  const site = serveApart({ before, after }, 'asgi_application:app')

  test('asgi_7 is ignored, with one warning for each application', async (t) => {
    const { ask: next } = await keepAlive(t, site.port)
    for (let round = 0; round < 3; round += 1) assert.equal((await next('/returning')).body, 'ok')
    await until(() => site.log.includes('\n'), 'the warning')
    assert.match(site.log, /^asgi_node: the application returned a value of type dict, which is ignored: GET \/returning\n$/)
  })
})
