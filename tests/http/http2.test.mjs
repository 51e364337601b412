// handler.listener under node:http2's compatibility API, with a client of node:http2.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, constants, createSecureServer, createServer } from 'node:http2'
import { get } from 'node:https'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytes, callJson, makeHandler, sha256, until } from '../node/support.mjs'
import { certificates } from '../node/certificates.mjs'

const limits = { timeout: 20_000 }

/** A handler on a fixture app behind an HTTP/2 server, and a session with it. */
function served(app, options) {
  const handler = makeHandler({ after }, app, options)
  const server = createServer(handler.listener)
  const site = { handler, server, session: undefined, url: '' }
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    site.url = `http://127.0.0.1:${server.address().port}`
    site.session = connect(site.url)
  })
  after(() => {
    site.session.destroy()
    server.close()
  })
  return site
}

/** One request to its end: what was received, and the code that the stream closed with. */
async function exchange(session, headers, body = undefined) {
  const stream = session.request({ ':method': body === undefined ? 'GET' : 'POST', ...headers }, { endStream: body === undefined })
  const result = { headers: undefined, raw: [], informational: [], trailers: undefined, body: Buffer.alloc(0), code: undefined, error: undefined }
  stream.on('headers', (informational) => result.informational.push(informational))
  stream.on('response', (response, _flags, raw) => {
    result.headers = response
    result.raw = raw
  })
  stream.on('trailers', (trailers) => (result.trailers = trailers))
  stream.on('error', (error) => (result.error = error))
  stream.on('data', (chunk) => (result.body = Buffer.concat([result.body, chunk])))
  if (body !== undefined) stream.end(body)
  await new Promise((resolve) => stream.on('close', resolve))
  result.code = stream.rstCode
  return result
}

const pairsOf = (raw) => Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i], raw[2 * i + 1]])

describe('the scope', limits, () => {
  const site = served('scope_app:app')

  async function scopeOf(headers) {
    const { body } = await exchange(site.session, headers)
    const { scope } = JSON.parse(body.toString())
    scope.headers = scope.headers.map((pair) => (pair.tuple ?? pair).map((value) => value.bytes))
    return scope
  }

  test('no pseudo headers, :authority is host, cookies stay apart (asgi_16, asgi_32)', async () => {
    const scope = await scopeOf({ ':path': '/a%20b//../c?x=%20', cookie: ['a=1', 'b=2'], 'x-latin': 'caf\xe9' })
    assert.equal(scope.http_version, '2')
    assert.deepEqual([scope.method, scope.scheme, scope.path], ['GET', 'http', '/a b//../c'])
    assert.deepEqual([scope.raw_path.bytes, scope.query_string.bytes], ['/a%20b//../c', 'x=%20'])
    assert.deepEqual(scope.headers, [['host', site.url.slice(7)], ['cookie', 'a=1'], ['cookie', 'b=2'], ['x-latin', 'caf\xe9']])
    assert.equal((scope.client.tuple ?? scope.client)[0], '127.0.0.1')
    assert.deepEqual(Object.keys(scope.extensions).toSorted(), ['http.response.early_hint', 'http.response.trailers'])
  })

  test(':authority replaces host, host alone stays', async () => {
    const both = await scopeOf({ ':path': '/', ':authority': 'one.test', 'x-a': '1', host: 'two.test' })
    assert.deepEqual(both.headers, [['host', 'one.test'], ['x-a', '1']])
    // A client of node:http2 leaves :authority out where there is a host.
    const alone = await scopeOf({ ':path': '/', 'x-a': '1', host: 'two.test' })
    assert.deepEqual(alone.headers.filter(([name]) => name === 'host'), [['host', 'two.test']])
  })

  test('a target that is none is refused by Node, and the session goes on', async () => {
    const { headers, code } = await exchange(site.session, { ':path': '/a b' })
    assert.deepEqual([headers, code], [undefined, constants.NGHTTP2_PROTOCOL_ERROR])
    assert.equal((await scopeOf({ ':path': '/a' })).path, '/a')
  })
})

describe('responses', limits, () => {
  const site = served('limits_app:app')
  const stream = served('stream_app:app')
  const flow = served('flow_app:app')
  const broken = served('error_app:app')

  test('without headers of a connection, and what HTTP/2 takes once is there once', async () => {
    const warnings = []
    const note = (warning) => warnings.push(warning.message)
    process.on('warning', note)
    const { headers, raw, body } = await exchange(site.session, { ':path': '/headers' })
    await sleep(5)
    process.off('warning', note)
    assert.deepEqual(warnings, [])
    assert.equal(body.toString(), 'ok')
    const own = pairsOf(raw).filter(([name]) => !['date', ':status'].includes(name))
    assert.deepEqual(own, [
      ['content-type', 'text/html'],
      ['content-language', 'de, en'],
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
      ['x-many', '1'],
      ['x-many', '2'],
      ['x-latin', 'caf\xe9'],
    ])
    assert.equal(headers[':status'], 200)
  })

  test('HEAD, and statuses without a body (asgi_59, asgi_60)', async () => {
    for (const status of [200, 204, 205, 304, 404, 500, 599]) {
      const head = await exchange(site.session, { ':path': `/status/${status}`, ':method': 'HEAD' })
      assert.deepEqual([head.headers[':status'], head.body.length, head.code], [status, 0, 0], `HEAD ${status}`)
      const get = await exchange(site.session, { ':path': `/status/${status}` })
      const expected = [204, 205, 304].includes(status) ? '' : 'body'
      assert.deepEqual([get.headers[':status'], get.body.toString(), get.code], [status, expected, 0], `GET ${status}`)
    }
  })

  test('a status that HTTP/2 does not have is 500, and the session goes on', async (t) => {
    t.mock.method(console, 'error', () => {})
    for (const status of [101, 103, 199, 600, 999]) {
      const { headers } = await exchange(site.session, { ':path': `/status/${status}` })
      assert.equal(headers[':status'], 500, String(status))
    }
    assert.equal((await exchange(site.session, { ':path': '/status/200' })).headers[':status'], 200)
  })

  test('early hints and trailers (asgi_126, asgi_127)', async () => {
    const { informational, headers, body, trailers } = await exchange(site.session, { ':path': '/trailing', te: 'trailers' })
    assert.deepEqual(informational.map((hint) => [hint[':status'], hint.link]), [[103, '</style.css>; rel=preload; as=style']])
    assert.deepEqual([headers[':status'], headers['x-a'], body.toString()], [200, '1', 'onetwo'])
    assert.deepEqual([trailers['x-sum'], trailers['x-many']], ['6', 'a, b'])
    const without = await exchange(site.session, { ':path': '/trailing' })
    assert.equal(without.trailers, undefined)
    assert.equal(without.body.toString(), 'onetwo')
  })

  test('100 streams at once', async () => {
    const one = async (number) => {
      const { body } = await exchange(stream.session, { ':path': `/?count=${(number % 7) + 1}&delay=0.01` })
      return body.toString().trim().split('\n').length === (number % 7) + 1
    }
    const all = await Promise.all(Array.from({ length: 100 }, (_, number) => one(number)))
    assert.deepEqual(all.filter((good) => !good), [])
  })

  test('a client that reads nothing holds the app up, and it alone (asgi_55)', async () => {
    const stalled = flow.session.request({ ':path': '/flood?id=h2-flood' })
    await once(stalled, 'response')
    stalled.pause()
    const sent = async () => (await callJson(flow.handler, '/state?id=h2-flood')).sent ?? 0
    let last = -1
    const held = await until(async () => {
      const now = await sent()
      const still = now === last && now > 0
      last = now
      if (!still) await sleep(100)
      return still && now
    })
    assert.ok(held < 4_000_000, `${held} bytes were sent to nobody`)
    assert.deepEqual((await exchange(flow.session, { ':path': '/state?id=none' })).body.toString(), '{}')
    stalled.resume()
    await until(async () => (await sent()) > held + 1_000_000)
    stalled.close(constants.NGHTTP2_CANCEL)
    await until(async () => (await callJson(flow.handler, '/state?id=h2-flood')).ended === 'OSError')
  })

  test('an app that fails: 500 before the response, a reset in the middle of it (asgi_67)', async (t) => {
    t.mock.method(console, 'error', () => {})
    assert.equal((await exchange(broken.session, { ':path': '/error' })).headers[':status'], 500)
    const cut = await exchange(broken.session, { ':path': '/mid-body' })
    assert.equal(cut.code, constants.NGHTTP2_INTERNAL_ERROR)
    assert.equal((await exchange(broken.session, { ':path': '/' })).body.toString(), 'first last')
  })
})

describe('request bodies and clients that leave', limits, () => {
  const site = served('limits_app:app', { maxBodySize: 200_000 })
  const digest = served('digest_app:app')
  const flow = served('flow_app:app')

  test('with a length and without, large and empty (asgi_39, asgi_40)', async () => {
    const events = async (headers, body) => JSON.parse((await exchange(site.session, { ':path': '/events', ...headers }, body)).body)
    assert.deepEqual(await events({}), [['http.request', 0, false]])
    assert.deepEqual(await events({}, ''), [['http.request', 0, false]])
    const known = await events({ 'content-length': 150_000 }, bytes(150_000))
    assert.equal(known.reduce((sum, [, length]) => sum + length, 0), 150_000)
    assert.ok(known.every(([, length, more], i) => length > 0 && more === i < known.length - 1), JSON.stringify(known))
    const unknown = await events({}, bytes(150_000))
    assert.equal(unknown.reduce((sum, [, length]) => sum + length, 0), 150_000)
    assert.equal(unknown.at(-1)[2], false)
  })

  test('8 MB up keep their digest', async () => {
    const body = bytes(8_000_000, 5)
    const result = JSON.parse((await exchange(digest.session, { ':path': '/digest' }, body)).body)
    assert.deepEqual([result.length, result.sha256], [body.length, sha256(body)])
  })

  test('RST_STREAM in the middle of the body is http.disconnect, and not its end (asgi_43)', async () => {
    // A client of node:http2 ends a body before it resets the stream, so the length has to tell; a session only ends.
    const ways = {
      reset: [{ 'content-length': 60_000 }, (stream) => stream.close(constants.NGHTTP2_CANCEL)],
      session: [{}, (_, session) => session.destroy()],
    }
    for (const [way, [headers, leave]] of Object.entries(ways)) {
      const session = connect(site.url)
      const stream = session.request({ ':path': `/events?id=h2-${way}`, ':method': 'POST', ...headers })
      stream.on('error', () => {})
      stream.write(bytes(30_000))
      const seen = () => callJson(site.handler, `/seen?id=h2-${way}`)
      await until(async () => (await seen()).events?.length > 0)
      leave(stream, session)
      const { events } = await until(async () => {
        const state = await seen()
        return state.ended.length > 0 && state
      })
      assert.deepEqual(events.at(-1), ['http.disconnect'], way)
      assert.ok(events.slice(0, -1).every(([, , more]) => more === true), `${way}: ${JSON.stringify(events)}`)
      session.destroy()
    }
  })

  test('RST_STREAM, or the end of the session, while the app waits (asgi_43)', async () => {
    const ways = { reset: (stream) => stream.close(constants.NGHTTP2_CANCEL), session: (_, session) => session.destroy() }
    for (const [way, leave] of Object.entries(ways)) {
      const session = connect(flow.url)
      const stream = session.request({ ':path': `/silent?id=h2-${way}` }).on('error', () => {})
      await until(async () => (await callJson(flow.handler, `/state?id=h2-${way}`)).started)
      leave(stream, session)
      await until(async () => (await callJson(flow.handler, `/state?id=h2-${way}`)).ended === 'disconnect')
      session.destroy()
    }
  })

  test('a body over maxBodySize is 413, told by its length or by its bytes (asgi_137)', async () => {
    const told = await exchange(site.session, { ':path': '/events?id=h2-told', 'content-length': 200_001 }, bytes(200_001))
    assert.equal(told.headers[':status'], 413)
    assert.deepEqual(await callJson(site.handler, '/seen?id=h2-told'), {})
    const counted = await exchange(site.session, { ':path': '/events?id=h2-counted' }, bytes(300_000))
    assert.equal(counted.headers[':status'], 413)
    const { events } = await until(async () => {
      const state = await callJson(site.handler, '/seen?id=h2-counted')
      return state.ended?.length > 0 && state
    })
    assert.deepEqual(events.at(-1), ['http.disconnect'])
  })

  test('an unread upload is not taken for ever, and the session goes on (asgi_48)', async () => {
    const early = await exchange(site.session, { ':path': '/status/200' }, bytes(100_000))
    assert.deepEqual([early.headers[':status'], early.body.toString()], [200, 'body'])
    const endless = digest.session.request({ ':path': '/bytes?count=5', ':method': 'POST' }).on('error', () => {})
    const feed = setInterval(() => endless.writable && endless.write(bytes(50_000)), 1)
    await new Promise((resolve) => endless.resume().on('close', resolve))
    clearInterval(feed)
    assert.equal(endless.rstCode, constants.NGHTTP2_NO_ERROR)
    assert.equal((await exchange(digest.session, { ':path': '/bytes?count=5' })).body.length, 5)
  })

  test('Expect: 100-continue is answered when the app receives (asgi_46)', async () => {
    const ask = async (path) => {
      const stream = site.session.request({ ':path': path, ':method': 'POST', expect: '100-continue' })
      let continued = 0
      stream.on('continue', () => {
        continued += 1
        stream.end('hello')
      })
      const chunks = []
      stream.on('data', (chunk) => chunks.push(chunk))
      stream.on('end', () => stream.end())
      await once(stream, 'close')
      return [continued, Buffer.concat(chunks).toString()]
    }
    const [continued, events] = await ask('/events')
    assert.deepEqual([continued, JSON.parse(events)[0].slice(0, 2)], [1, ['http.request', 5]])
    assert.deepEqual(await ask('/status/200'), [0, 'body'])
  })
})

describe('with encryption', limits, () => {
  test('allowHTTP1: both versions on one port (asgi_16, asgi_18, asgi_130)', async (t) => {
    const { server: own, ca } = certificates(t)
    const handler = makeHandler(t, 'scope_app:app')
    const server = createSecureServer({ ...own, allowHTTP1: true }, handler.listener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const url = `https://127.0.0.1:${server.address().port}`
    const session = connect(url, { ca })
    t.after(() => session.destroy())
    const modern = JSON.parse((await exchange(session, { ':path': '/' })).body).scope
    const [res] = await once(get(url, { ca, agent: false }), 'response')
    const old = JSON.parse(Buffer.concat(await res.toArray())).scope
    assert.deepEqual([modern.http_version, modern.scheme, old.http_version, old.scheme], ['2', 'https', '1.1', 'https'])
    for (const { extensions } of [modern, old]) assert.match(extensions.tls.server_cert, /^-----BEGIN CERTIFICATE-----\n/)
    assert.equal((modern.client.tuple ?? modern.client)[0], '127.0.0.1')
  })
})

test('sessions whose requests meet the end of the handler end with them', limits, async (t) => {
  const handler = makeHandler(t, 'bytes_app:app')
  const server = createServer(handler.listener).listen(0, '127.0.0.1')
  await Promise.all([handler.ready(), once(server, 'listening')])
  const open = () => {
    const session = connect(`http://127.0.0.1:${server.address().port}`)
    t.after(() => session.destroy())
    const told = { session, goaway: null, closed: new Promise((resolve) => session.on('close', resolve)) }
    session.on('goaway', (code, last) => (told.goaway = { code, last }))
    return told
  }
  const [begun, later] = [open(), open()]
  assert.equal((await exchange(later.session, { ':path': '/head' })).headers[':status'], 200)
  const events = begun.session.request({ ':path': '/events' })
  let received = ''
  events.setEncoding('utf8').on('data', (text) => (received += text))
  await until(() => received.includes('data: 0'))
  const closed = handler.close({ timeout: 5000 })
  await begun.closed
  assert.deepEqual([begun.goaway?.code, events.rstCode], [constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_NO_ERROR])
  await closed
  // Idle meanwhile: its next request is the last.
  assert.equal((await exchange(later.session, { ':path': '/head' })).headers[':status'], 503)
  await later.closed
  assert.equal(later.goaway?.code, constants.NGHTTP2_NO_ERROR)
  await new Promise((resolve) => server.close(resolve))
})
