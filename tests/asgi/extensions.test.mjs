// Extensions (asgi_126 to asgi_132). Files have tests of their own in files.test.mjs, TLS in tests/http/tls.test.mjs.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { call, rawExchange, serve, serveApp, text } from '../node/support.mjs'
import { answer, ask, b, body, keepAlive, logOf, newId, parse, play, request, start } from './wire.mjs'

const limits = { timeout: 20_000 }
const site = serveApp({ before, after }, 'asgi_script:app', { extensions: { pathsend: true, zerocopysend: true } })

const trailers = (pairs, more = false) => ({
  type: 'http.response.trailers',
  headers: pairs.map(([name, value]) => [b(name), b(value)]),
  more_trailers: more,
})
const announced = (headers = []) => start(200, headers, { trailers: true })
const hint = (...links) => ({ type: 'http.response.early_hint', links: links.map(b) })
const TE = { headers: 'TE: trailers\r\n' }

describe('http.response.trailers', limits, () => {
  const steps = [{ send: announced([['trailer', 'x-sum, x-end']]) }, { send: body('part ', true) }, { send: body('last') }, { send: trailers([['X-Sum', '1']], true) }, { send: trailers([['x-end', 'caf\xe9']]) }]

  test('asgi_126 behind the body, for a client that said TE: trailers', async (t) => {
    for (const headers of ['TE: trailers\r\n', 'TE: gzip;q=0.5, Trailers\r\n']) {
      const response = await ask(t, site, play(steps), { headers })
      assert.deepEqual([response.header('trailer'), response.body, response.trailers], ['x-sum, x-end', 'part last', 'x-sum: 1\r\nx-end: caf\xe9'])
    }
  })

  test('asgi_126 swallowed for any other client; the response ends with them all the same', async (t) => {
    for (const headers of ['', 'TE: gzip\r\n']) {
      const id = newId()
      const response = await ask(t, site, play([...steps, { try: trailers([]) }], id), { headers })
      assert.deepEqual([response.body, response.trailers, response.complete], ['part last', '', true])
      assert.deepEqual(await logOf(site, id), ['RuntimeError'])
    }
  })

  test('asgi_126 no trailers where none can follow: HEAD, a declared length, 204', async (t) => {
    const connection = await keepAlive(t, site.port)
    const sized = [{ send: announced([['content-length', '4'], ['trailer', 'x-sum']]) }, { send: body('body') }, { send: trailers([['x-sum', '1']]) }]
    const withLength = await connection.ask(play(sized), TE)
    assert.deepEqual([withLength.body, withLength.all('trailer'), withLength.trailers], ['body', [], ''])
    const head = await connection.ask(play(steps), { ...TE, method: 'HEAD' })
    assert.deepEqual([head.status, head.all('trailer')], [200, []])
    const empty = [{ send: start(204, [], { trailers: true }) }, { send: body() }, { send: trailers([['x-sum', '1']]) }]
    assert.equal((await connection.ask(play(empty), TE)).status, 204)
    assert.equal((await connection.ask(play(answer('next')))).body, 'next')
  })

  test('asgi_126 out of order, unannounced, or with what frames a message: raises, and the right ones still go', async (t) => {
    const rest = [{ send: body('ok') }, { send: trailers([['x-a', '1']]) }]
    const early = [{ send: announced() }, { try: trailers([]) }, ...rest]
    const unannounced = [{ send: start() }, { send: body('o', true) }, { try: trailers([]) }, { send: body('k') }]
    const body2 = [{ send: announced() }, { send: body('ok') }, { try: body('more') }, { send: trailers([]) }]
    for (const [script, expected] of [[early, 'RuntimeError'], [unannounced, 'RuntimeError'], [body2, 'RuntimeError']]) {
      const id = newId()
      assert.equal((await ask(t, site, play(script, id), TE)).body, 'ok')
      assert.deepEqual(await logOf(site, id), [expected])
    }
    for (const [name, value] of [['content-length', '5'], ['transfer-encoding', 'chunked'], ['x-a', 'a\r\nb'], ['x a', 'b'], ['host', 'h']]) {
      const id = newId()
      const script = [{ send: announced() }, { send: body('ok') }, { try: trailers([[name, value]]) }, { send: trailers([['x-a', '1']]) }]
      assert.equal((await ask(t, site, play(script, id), TE)).trailers, 'x-a: 1', name)
      assert.deepEqual(await logOf(site, id), ['ValueError'], name)
    }
  })

  test('asgi_126 where they are not offered, the response is complete with its body', async (t) => {
    const script = [{ send: announced() }, { send: body('ok') }, { try: trailers([]) }]
    const id = newId()
    assert.equal((await ask(t, site, play(script, id), { version: '1.0' })).body, 'ok')
    assert.deepEqual(await logOf(site, id), ['RuntimeError'])
    assert.equal(text(await call(site.handler, play(script))), 'ok')
  })

  test('field_31 a head that Node refuses leaves no reason phrase behind: the 500 has its own', async (t) => {
    const logged = t.mock.method(console, 'error', () => {})
    // Without chunks no trailers can be announced.
    const { port } = await serve(t, (req, res) => {
      res.removeHeader('transfer-encoding')
      site.handler.listener(req, res)
    })
    const script = [{ send: { ...announced([['trailer', 'x-sum']]), status: 404 } }, { send: body('ok') }, { send: trailers([]) }]
    const received = await rawExchange(t, port, request(play(script), TE))
    assert.match(received, /^HTTP\/1\.1 500 Internal Server Error\r\n[^]*\r\n\r\nInternal Server Error$/)
    assert.deepEqual(logged.mock.calls.map(({ arguments: [line] }) => /Trailers are invalid/.test(line)), [true])
    // Somebody in front of us has announced some: then no response with a length can be written, not even that.
    const { port: other } = await serve(t, (req, res) => {
      res.setHeader('trailer', 'x-sum')
      site.handler.listener(req, res)
    })
    assert.equal(await rawExchange(t, other, request(play([{ send: start(200, [['content-length', '2']]) }, { send: body('ok') }]))), '')
  })
})

describe('http.response.early_hint', limits, () => {
  const LINK = '</a.css>; rel=preload; as=style'

  test('asgi_127 before the start, and between the start and the first piece of the body', async (t) => {
    for (const steps of [[{ send: hint(LINK) }, { send: start() }], [{ send: start() }, { send: hint(LINK) }]]) {
      const received = await site.raw(t, request(play([...steps, { send: body('ok') }])))
      const first = parse(received)
      assert.deepEqual([first.status, first.header('link'), first.headers.length], [103, LINK, 1])
      const last = parse(first.rest)
      assert.deepEqual([last.status, last.body, last.all('link')], [200, 'ok', []])
    }
  })

  test('asgi_127 several links, and several hints', async (t) => {
    const other = '</b.js>; rel=preload; as=script'
    const received = await site.raw(t, request(play([{ send: hint(LINK, other) }, { send: hint(other) }, ...answer()])))
    const first = parse(received)
    const second = parse(first.rest)
    assert.deepEqual([first.all('link').join(', '), second.all('link').join(', ')], [`${LINK}, ${other}`, other])
    assert.equal(parse(second.rest).body, 'ok')
  })

  test('asgi_127 raises once the headers have gone, and for links that are none', async (t) => {
    const late = [{ send: start() }, { send: body('o', true) }, { try: hint(LINK) }, { send: body('k') }]
    const text1 = { type: 'http.response.early_hint', links: ['text'] }
    const wrong = [{ try: hint('a\r\nInjected: 1') }, { try: text1 }, { try: { type: 'http.response.early_hint', links: 5 } }, { try: { type: 'http.response.early_hint' } }]
    for (const [script, expected] of [[late, ['RuntimeError']], [[...wrong, ...answer()], ['ValueError', 'TypeError', 'TypeError', 'ValueError']]]) {
      const id = newId()
      const received = await site.raw(t, request(play(script, id)))
      assert.equal(parse(received).body, 'ok')
      assert.doesNotMatch(received, /Injected/)
      assert.deepEqual(await logOf(site, id), expected)
    }
  })
})

describe('what is not offered', limits, () => {
  /** The event raises, and a response follows. */
  async function refused(t, event) {
    const id = newId()
    assert.equal((await ask(t, site, play([{ try: event }, ...answer()], id))).body, 'ok')
    assert.deepEqual(await logOf(site, id), ['RuntimeError'])
  }

  test('asgi_128 http.response.push raises', (t) => refused(t, { type: 'http.response.push', path: '/a.css', headers: [] }))

  test('asgi_129 http.response.debug raises', (t) => refused(t, { type: 'http.response.debug', info: {} }))

  test('asgi_132 an event of an extension that this connection has not raises, and the app can go on', async (t) => {
    const events = [
      trailers([]),
      hint('</a.css>; rel=preload'),
      { type: 'http.response.pathsend', path: '/etc/hostname' },
      { type: 'http.response.zerocopysend', file: 0 },
      { type: 'websocket.http.response.start', status: 200 },
    ]
    const steps = [...events.map((event) => ({ try: event })), ...answer()]
    const direct = newId()
    assert.equal(text(await call(site.handler, play(steps, direct))), 'ok')
    assert.deepEqual(await logOf(site, direct), events.map(() => 'RuntimeError'))
    const old = newId()
    const notOnOld = [events[0], events[1], events[4]].map((event) => ({ try: event }))
    assert.equal((await ask(t, site, play([...notOnOld, ...answer()], old), { version: '1.0' })).body, 'ok')
    assert.deepEqual(await logOf(site, old), ['RuntimeError', 'RuntimeError', 'RuntimeError'])
  })
})
