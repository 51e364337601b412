// `http.response.start` and `http.response.body` (asgi_51 to asgi_66): what an app sends, and the bytes that a client gets.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { call, openSocket, serveApp, text, until } from '../node/support.mjs'
import { answer, ask, b, body, keepAlive, logOf, newId, parse, play, request, start } from './wire.mjs'

const limits = { timeout: 20_000 }
const site = serveApp({ before, after }, 'asgi_script:app')

/** Plays a script over the wire, and by handleRequest. */
async function both(t, steps) {
  const wire = await ask(t, site, play(steps))
  const direct = await call(site.handler, play(steps))
  return { wire, direct }
}

/** Each of these events raises; then a correct response is sent, and arrives. */
async function refuses(t, events, before = [], rest = answer()) {
  for (const [name, [event, expected]] of Object.entries(events)) {
    const id = newId()
    const steps = [...before.map((send) => ({ send })), { try: event }, ...rest]
    const response = await ask(t, site, play(steps, id))
    assert.deepEqual([await logOf(site, id), response.status, response.body, response.complete], [[expected], 200, 'ok', true], name)
    assert.equal(text(await call(site.handler, play(steps))), 'ok', name)
  }
}

describe('the start', limits, () => {
  test('asgi_51 headers are optional', async (t) => {
    const { wire, direct } = await both(t, [{ send: { type: 'http.response.start', status: 201 } }, { send: body('made') }])
    assert.deepEqual([wire.status, wire.body, direct.status, text(direct)], [201, 'made', 201, 'made'])
  })

  test('asgi_51 headers are any iterable, once iterated or not, of lists or tuples', async (t) => {
    const pairs = [[b('x-a'), b('1')], { tuple: [b('x-b'), b('2')] }]
    for (const headers of [pairs, { tuple: pairs }, { generator: pairs }, [{ generator: pairs[0] }, pairs[1]]]) {
      const { wire, direct } = await both(t, [{ send: { ...start(), headers } }, { send: body() }])
      assert.deepEqual([wire.header('x-a'), wire.header('x-b')], ['1', '2'])
      assert.deepEqual([direct.headers.get('x-a'), direct.headers.get('x-b')], ['1', '2'])
    }
  })

  test('asgi_51 status is an int, and required', async (t) => {
    await refuses(t, {
      missing: [{ type: 'http.response.start' }, 'ValueError'],
      text: [start('200'), 'TypeError'],
      float: [start(200.5), 'TypeError'],
      null: [start(null), 'TypeError'],
    })
  })

  test('asgi_52 the start waits for the first piece of the body: one packet', async (t) => {
    const client = await openSocket(t, site.port)
    const packets = []
    client.socket.on('data', (data) => packets.push(data.toString('latin1')))
    client.write(request(play([{ send: start() }, { send: body('one', true) }, { sleep: 0.5 }, { send: body() }])))
    await until(() => packets.length > 0)
    assert.match(packets[0], /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n3\r\none\r\n$/)
  })

  test('asgi_52 the start leaves at the next turn of the loop when no body has come', async (t) => {
    const client = await openSocket(t, site.port)
    const started = performance.now()
    client.write(request(play([{ send: start(200, [['content-type', 'text/event-stream']]) }, { sleep: 4 }, { send: body() }])))
    await until(() => client.received.endsWith('\r\n\r\n'), 'the head')
    assert.ok(performance.now() - started < 3000)
    assert.match(client.received, /content-type: text\/event-stream/)
    const stream = await site.handler.handleStream({ url: play([{ send: start(202) }, { sleep: 0.3 }, { send: body('x') }]) })
    assert.equal(stream.status, 202)
    assert.equal(String(await stream.next()), 'x')
  })

  test('asgi_52 an exception while the start is held becomes a 500', async (t) => {
    const steps = [{ send: start(200, [['x-a', '1']]) }, { raise: 'ValueError' }]
    const response = await ask(t, site, play(steps))
    assert.deepEqual([response.status, response.body, response.header('x-a')], [500, 'Internal Server Error', undefined])
    await assert.rejects(call(site.handler, play(steps)), { code: 'APP_ERROR' })
    const late = await ask(t, site, play([{ send: start() }, { turns: 5 }, { raise: 'ValueError' }]))
    assert.deepEqual([late.status, late.complete], [200, false])
  })

  test('asgi_61 order and duplicates of headers are kept', async (t) => {
    const headers = [['x-b', '1'], ['set-cookie', 'a=1'], ['x-a', '2'], ['set-cookie', 'b=2; Path=/'], ['x-b', '3'], ['x-empty', '']]
    const { wire, direct } = await both(t, [{ send: start(200, headers) }, { send: body() }])
    assert.deepEqual(wire.headers.slice(0, headers.length), headers)
    assert.deepEqual(direct.headers.entries(), headers)
  })

  test('asgi_62 names of headers are lower-cased', async (t) => {
    const id = play([{ send: start(200, [['X-CaSe', 'Va'], ['Content-Length', '2']]) }, { send: body('ok') }])
    const received = await site.raw(t, request(id))
    assert.match(received, /\r\nx-case: Va\r\ncontent-length: 2\r\n/)
    assert.deepEqual((await call(site.handler, id)).headers.entries(), [['x-case', 'Va'], ['content-length', '2']])
  })

  test('asgi_63 what would break a line, or is no name, raises; nothing of it is written', async (t) => {
    const value = (text) => [start(200, [['x-good', '1'], ['x-a', text]]), 'ValueError']
    const name = (text) => [start(200, [[text, 'v']]), 'ValueError']
    await refuses(t, {
      crlf: value('a\r\nInjected: 1'),
      lf: value('a\nInjected: 1'),
      cr: value('a\rInjected: 1'),
      nul: value('a\0b'),
      control: value('a\x1bb'),
      'empty name': name(''),
      'name with a space': name('x a'),
      'name with a colon': name('x:'),
      'name with CRLF': name('x\r\nInjected'),
      'name outside ASCII': name('caf\xe9'),
    })
    const { wire } = await both(t, [{ send: start(200, [['x-latin', 'caf\xe9\x85']]) }, { send: body() }])
    assert.equal(wire.header('x-latin'), 'caf\xe9\x85')
  })

  test('asgi_64 str where bytes belong is a TypeError, and so is what is no pair', async (t) => {
    const headers = (...pairs) => [{ ...start(), headers: pairs }, 'TypeError']
    await refuses(t, {
      name: headers(['x-a', b('1')]),
      value: headers([b('x-a'), '1']),
      number: headers([b('x-a'), 1]),
      single: headers([b('x-a')]),
      triple: headers([b('x-a'), b('1'), b('2')]),
      'bytes as a pair': headers(b('ab')),
      'no iterable': [{ ...start(), headers: 5 }, 'TypeError'],
      null: [{ ...start(), headers: null }, 'TypeError'],
    })
  })

  test('asgi_65 a status outside 100 to 999 raises, and the app can still send another', async (t) => {
    const events = Object.fromEntries([0, 99, 1000, -200, 65_736, 2 ** 40].map((code) => [code, [start(code), 'ValueError']]))
    await refuses(t, events)
    for (const code of [200, 299, 418, 599, 600, 999]) {
      const { wire, direct } = await both(t, [{ send: start(code) }, { send: body('ok') }])
      assert.deepEqual([wire.status, wire.body, direct.status], [code, 'ok', code])
    }
  })
})

describe('the order of events', limits, () => {
  test('asgi_66 a body before its start, and a second start, raise; a correct response follows', async (t) => {
    await refuses(t, { 'body first': [body('early'), 'RuntimeError'] })
    const rest = [{ send: body('ok') }]
    await refuses(t, { 'second start': [start(500, [['x-second', '1']]), 'RuntimeError'] }, [start()], rest)
  })

  test('asgi_66 a second start after part of the body raises, and the body goes on', async (t) => {
    await refuses(t, { 'start in the body': [start(500), 'RuntimeError'] }, [start(), body('o', true)], [{ send: body('k') }])
  })

  test('asgi_66 anything after the end raises RuntimeError, and the response stays as it was', async (t) => {
    for (const event of [start(), body('more'), body(''), body('', true)]) {
      const id = newId()
      const steps = [...answer(), { try: event }]
      const connection = await keepAlive(t, site.port)
      assert.equal((await connection.ask(play(steps, id))).body, 'ok')
      assert.equal((await connection.ask(play(answer('next')))).body, 'next')
      assert.deepEqual(await logOf(site, id), ['RuntimeError'])
      assert.equal(text(await call(site.handler, play(steps))), 'ok')
    }
  })
})

describe('the body', limits, () => {
  test('asgi_53 body and more_body are optional', async (t) => {
    const { wire, direct } = await both(t, [{ send: start() }, { send: { type: 'http.response.body' } }])
    assert.deepEqual([wire.body, wire.complete, text(direct)], ['', true, ''])
    const last = await both(t, [{ send: start() }, { send: { type: 'http.response.body', body: b('all') } }])
    assert.deepEqual([last.wire.body, text(last.direct)], ['all', 'all'])
  })

  test('asgi_53 bytes, bytearray, memoryview (contiguous or not) and other buffers', async (t) => {
    for (const kind of ['bytes', 'bytearray', 'memoryview', 'strided', 'array']) {
      const event = { type: 'http.response.body', body: { [kind]: 'buffer \xe9\0 of bytes' } }
      const { wire, direct } = await both(t, [{ send: start() }, { send: event }])
      assert.deepEqual([wire.body, direct.body.toString('latin1')], ['buffer \xe9\0 of bytes', 'buffer \xe9\0 of bytes'], kind)
    }
  })

  test('asgi_53 str and None are TypeErrors, before and after the start', async (t) => {
    const wrong = (value) => [{ type: 'http.response.body', body: value }, 'TypeError']
    const events = { text: wrong('text'), null: wrong(null), number: wrong(5), list: wrong([b('a')]) }
    await refuses(t, events, [start()], [{ send: body('ok') }])
    await refuses(t, events, [start(), body('o', true)], [{ send: body('k') }])
  })

  test('asgi_54 each piece is on the wire before the next one is made', async (t) => {
    const client = await openSocket(t, site.port)
    const steps = [{ send: start() }, ...['one', 'two'].flatMap((piece) => [{ send: body(piece, true) }, { sleep: 0.2 }]), { send: body() }]
    client.write(request(play(steps)))
    await until(() => client.received.includes('one'))
    assert.equal(client.received.includes('two'), false)
    await until(() => client.received.endsWith('0\r\n\r\n'))
    assert.deepEqual(parse(client.received).chunks, ['one', 'two'])
  })

  test('asgi_10 concurrent sends keep their order', async (t) => {
    const pieces = Array.from({ length: 50 }, (_, number) => `${number} `)
    const steps = [{ send: start() }, { all: pieces.map((piece) => body(piece, true)) }, { send: body() }]
    const { wire, direct } = await both(t, steps)
    assert.deepEqual([wire.body, text(direct)], [pieces.join(''), pieces.join('')])
  })

  test('asgi_56 no length: chunked for HTTP/1.1, closed at the end for HTTP/1.0', async (t) => {
    const path = play([{ send: start() }, { send: body('one', true) }, { send: body('two') }])
    const modern = await ask(t, site, path)
    assert.deepEqual([modern.header('transfer-encoding'), modern.body, modern.complete], ['chunked', 'onetwo', true])
    for (const headers of ['', 'Connection: keep-alive\r\n']) {
      const old = await ask(t, site, path, { version: '1.0', headers })
      assert.deepEqual([old.all('transfer-encoding'), old.header('connection'), old.body], [[], 'close', 'onetwo'])
    }
  })

  test("asgi_57 the app's transfer-encoding is ignored: chunked once or not at all", async (t) => {
    const coded = (headers) => [{ send: start(200, [['transfer-encoding', 'chunked'], ...headers]) }, { send: body('5\r\nhello\r\n') }]
    const { wire, direct } = await both(t, coded([['Transfer-Encoding', 'gzip']]))
    assert.deepEqual([wire.all('transfer-encoding'), wire.body, wire.rest], [['chunked'], '5\r\nhello\r\n', ''])
    assert.equal(direct.headers.has('transfer-encoding'), false)
    const sized = await ask(t, site, play(coded([['content-length', '10']])))
    assert.deepEqual([sized.all('transfer-encoding'), sized.header('content-length'), sized.body], [[], '10', '5\r\nhello\r\n'])
    const old = await ask(t, site, play(coded([])), { version: '1.0' })
    assert.deepEqual([old.all('transfer-encoding'), old.body], [[], '5\r\nhello\r\n'])
  })
})

describe('content-length', limits, () => {
  const sized = (length) => start(200, [['content-length', String(length)]])

  test('asgi_58 a longer body raises, and no byte of it reaches the wire', async (t) => {
    await refuses(t, { longer: [body('abcdef'), 'RuntimeError'] }, [sized(2)], [{ send: body('ok') }])
    const id = newId()
    const steps = [{ send: sized(2) }, { send: body('o', true) }, { try: body('kabc', true) }, { send: body('k') }]
    const connection = await keepAlive(t, site.port)
    assert.equal((await connection.ask(play(steps, id))).body, 'ok')
    assert.equal((await connection.ask(play(answer('next')))).body, 'next')
    assert.deepEqual(await logOf(site, id), ['RuntimeError'])
  })

  test('asgi_58 a shorter body raises, and the rest can still be sent', async (t) => {
    await refuses(t, { shorter: [body('o'), 'RuntimeError'] }, [sized(2)], [{ send: body('ok') }])
  })

  test('asgi_58 a body that stays too short closes the connection', async (t) => {
    for (const steps of [[{ send: sized(5) }, { send: body('abc', true) }], [{ send: sized(5) }, { send: body('abc', true) }, { send: body() }]]) {
      const received = await site.raw(t, request(play(steps), { close: false }) + request(play(answer('next'))))
      const response = parse(received)
      assert.deepEqual([response.status, response.body, response.complete], [200, 'abc', false])
    }
  })

  test('asgi_58 a length is one number; twice the same is once', async (t) => {
    const lengths = (...values) => [start(200, values.map((value) => ['content-length', value])), 'ValueError']
    const wrong = ['', '-1', '+2', '2, 2', '0x2', 'two', '2.0', '1'.repeat(30)].map((value) => [`'${value}'`, lengths(value)])
    await refuses(t, { ...Object.fromEntries(wrong), 'two of them': lengths('2', '3') })
    const twice = await ask(t, site, play([{ send: lengths('2', '2')[0] }, { send: body('ok') }]))
    assert.deepEqual([twice.all('content-length'), twice.body], [['2'], 'ok'])
  })

  test('asgi_59 HEAD: the headers of GET, no body, the length kept, the connection usable', async (t) => {
    const connection = await keepAlive(t, site.port)
    for (const steps of [[{ send: sized(5) }, { send: body('hello') }], [{ send: sized(5) }, { send: body('', true) }, { send: body() }]]) {
      const head = await connection.ask(play(steps), { method: 'HEAD' })
      assert.deepEqual([head.status, head.header('content-length')], [200, '5'])
      assert.equal((await connection.ask(play(answer('next')))).body, 'next')
      const direct = await call(site.handler, play(steps), { method: 'HEAD' })
      assert.deepEqual([direct.headers.get('content-length'), direct.body.length], ['5', 0])
    }
  })

  test('asgi_60 1xx, 204 and 304: no body and no framing, whatever the app sends', async (t) => {
    for (const status of [204, 304]) {
      const connection = await keepAlive(t, site.port)
      for (const steps of [[{ send: start(status) }, { send: body('dropped') }], [{ send: start(status) }, { send: body('a', true) }, { send: body('b') }]]) {
        const response = await connection.ask(play(steps))
        assert.deepEqual([response.status, response.all('transfer-encoding'), response.all('content-length')], [status, [], []])
        assert.equal((await connection.ask(play(answer('next')))).body, 'next')
        assert.equal((await call(site.handler, play(steps))).body.length, 0)
      }
    }
    const kept = await ask(t, site, play([{ send: start(304, [['content-length', '5']]) }, { send: body() }]))
    assert.equal(kept.header('content-length'), '5')
    const none = await ask(t, site, play([{ send: start(204, [['content-length', '5']]) }, { send: body() }]))
    assert.deepEqual(none.all('content-length'), [])
    // A client goes on waiting after a 1xx: the connection ends with it.
    const received = await site.raw(t, request(play([{ send: start(150) }, { send: body('x') }]), { close: false }))
    assert.match(received, /^HTTP\/1\.1 150 [^]*\r\n\r\n$/)
    assert.doesNotMatch(received, /transfer-encoding/i)
  })
})
