// How a request ends (asgi_55, asgi_67 to asgi_78): apps that fail, clients that leave or do not read, and connections.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { get } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { serveApart } from '../hostile/wire.mjs'
import { call, callJson, openSocket, residentMiB, serve, serveApp, text, until, withWorkers } from '../node/support.mjs'
import { answer, ask, body, keepAlive, parse, play, request, start } from './wire.mjs'

const limits = { timeout: 30_000 }

describe('an app that fails', limits, () => {
  // In a process of its own, whose log can be read.
  const site = serveApart({ before, after }, 'asgi_script:app')
  const direct = serveApp({ before, after }, 'asgi_script:app')

  /** What the log says meanwhile, once it has said something. */
  async function logDuring(work, pattern) {
    const from = site.log.length
    await work()
    await until(() => pattern.test(site.log.slice(from)), `${pattern} in ${site.log.slice(from)}`)
    await sleep(20)
    return site.log.slice(from)
  }
  const count = (log, pattern) => [...log.matchAll(pattern)].length

  for (const exception of ['ValueError', 'SystemExit', 'KeyboardInterrupt', 'GeneratorExit', ['ValueError', 'KeyError']]) {
    test(`asgi_67 ${exception} before the start: 500 that says nothing, and one traceback in the log`, async (t) => {
      const path = play([{ raise: exception }])
      const log = await logDuring(async () => {
        const connection = await keepAlive(t, site.port)
        const response = await connection.ask(path)
        assert.deepEqual([response.status, response.body], [500, 'Internal Server Error'])
        assert.equal((await connection.ask(play(answer('next')))).body, 'next')
      }, /Traceback/)
      assert.equal(count(log, /Exception in ASGI application: GET \//g), 1)
      assert.match(log, /secret of the app/)
      await assert.rejects(call(direct.handler, path), { code: 'APP_ERROR', traceback: /secret of the app/ })
    })
  }

  test('asgi_67 after the start: no second status line, and no last chunk', async () => {
    const path = play([{ send: start() }, { send: body('part', true) }, { raise: 'ValueError' }])
    const log = await logDuring(async () => {
      const received = await site.raw(request(path, { close: false }))
      const { body: got, complete } = parse(received)
      assert.deepEqual([got, complete, received.split('HTTP/1.1 ').length], ['part', false, 2])
    }, /Traceback/)
    assert.equal(count(log, /Exception in ASGI application/g), 1)
    const response = await direct.handler.handleStream({ url: path })
    assert.equal(String(await response.next()), 'part')
    await assert.rejects(response.next(), { code: 'APP_ERROR' })
  })

  test('asgi_67 in the middle of a body that ends with the connection (HTTP/1.0): a reset tells', async () => {
    // Apart from the bytes: libuv takes a reset that comes with them for a plain end.
    const steps = [{ send: start() }, { send: body('part', true) }, { sleep: 0.1 }, { raise: 'ValueError' }]
    const received = await site.raw(request(play(steps), { version: '1.0' }))
    assert.match(received, /part\(reset\)$/)
  })

  test('asgi_68 returning without a start: 500; in the middle of the body: cut. Both are logged', async (t) => {
    const nothing = await logDuring(async () => {
      const response = parse(await site.raw(request(play([]))))
      assert.deepEqual([response.status, response.body], [500, 'Internal Server Error'])
    }, /APP_NO_RESPONSE.*without sending http\.response\.start/)
    assert.equal(count(nothing, /\n/g), 1)
    const partial = await logDuring(async () => {
      const response = parse(await site.raw(request(play([{ send: start() }, { send: body('part', true) }]), { close: false })))
      assert.deepEqual([response.status, response.body, response.complete], [200, 'part', false])
    }, /APP_NO_RESPONSE.*before its response was complete/)
    assert.equal(count(partial, /\n/g), 1)
    await assert.rejects(call(direct.handler, play([])), { code: 'APP_NO_RESPONSE' })
    t.diagnostic(partial.slice(0, 80))
  })

  test('asgi_69 raising after a complete response: the response stands, the connection stays, the log says it once', async (t) => {
    const path = play([...answer(), { raise: 'ValueError' }])
    const log = await logDuring(async () => {
      const connection = await keepAlive(t, site.port)
      assert.equal((await connection.ask(path)).body, 'ok')
      assert.equal((await connection.ask(play(answer('next')))).body, 'next')
    }, /Traceback/)
    assert.equal(count(log, /Exception in ASGI application: GET \//g), 1)
    assert.equal(text(await call(direct.handler, path)), 'ok')
  })

  test('asgi_60 a body that is dropped is worth one warning', async () => {
    const dropped = request(play([{ send: start(204) }, { send: body('dropped') }]))
    const log = await logDuring(async () => [await site.raw(dropped), await site.raw(dropped)], /\n/)
    assert.match(log, /^asgi_node: the application sent a body with a status that has none[^\n]*\n$/)
  })
})

describe('a client that leaves or does not read', limits, () => {
  const site = serveApart({ before, after }, 'asgi_server:app')
  const near = serveApp({ before, after }, 'asgi_server:app')
  const exact = serveApp({ before, after }, 'asgi_server:app', { highWaterMark: 65_536 })
  const json = async (path) => JSON.parse(parse(await site.raw(request(path))).body)
  const stateOf = (id) => json(`/state?id=${id}`)

  for (const path of ['/flood', '/grouped']) {
    test(`asgi_70 send raises our OSError when the client has gone, and nothing is logged when it escapes: ${path}`, async (t) => {
      const from = site.log.length
      for (const [way, leave] of Object.entries({ fin: (socket) => socket.destroy(), rst: (socket) => socket.resetAndDestroy() })) {
        const id = `${path.slice(1)}-${way}`
        const client = await openSocket(t, site.port)
        client.write(request(`${path}?id=${id}&size=1000`, { close: false }))
        await until(() => client.received.length > 10_000)
        leave(client.socket)
        const { ended } = await until(async () => (await stateOf(id)).ended && stateOf(id), `the end of ${id}`)
        assert.deepEqual(ended, [true, true])
      }
      await sleep(50)
      assert.equal(site.log.slice(from), '')
    })
  }

  test('asgi_70 in a group with another exception it is logged, once', async (t) => {
    const from = site.log.length
    const client = await openSocket(t, site.port)
    client.write(request('/mixed?id=mixed&size=1000', { close: false }))
    await until(() => client.received.length > 10_000)
    client.socket.destroy()
    await until(() => site.log.slice(from).includes('secret of the app'))
    await sleep(50)
    assert.equal(site.log.slice(from).split('Exception in ASGI application').length, 2)
  })

  for (const size of [1024, 65_536, 1_000_000]) {
    test(`asgi_55 with a client that does not read, send waits: pieces of ${size} bytes`, async (t) => {
      const { server, port } = await serve(t, near.handler.listener)
      let socket
      server.on('connection', (accepted) => (socket = accepted))
      const client = await openSocket(t, port)
      client.socket.pause()
      client.write(request(`/flood?id=slow-${size}&size=${size}`, { close: false }))
      const sentBy = async () => (await callJson(near.handler, `/state?id=slow-${size}`)).sent ?? 0
      let sent = -1
      await until(async () => {
        const before = sent
        sent = await sentBy()
        await sleep(100)
        return sent > 0 && sent === before
      }, 'send to wait', 10_000)
      // What the kernel took of a client that stalls is the kernel's: 2.5 to 4 MB with its defaults. Ours is the rest.
      const kernel = socket.bytesWritten - socket.writableLength
      // A large piece is lent to Node as it is, without a copy, and is the app's until it has been written.
      const most = size > 300_000 ? size + 1000 : withWorkers > 0 ? 600_000 : 300_000
      assert.ok(sent - kernel < most && socket.writableLength < most, `${sent} sent, ${kernel} taken by the kernel, ${socket.writableLength} wait`)
      assert.ok(sent < 8_000_000, `${sent}`)
      t.diagnostic(`${sent} bytes sent, ${kernel} taken by the kernel, ${socket.writableLength} wait in Node`)
      client.socket.resume()
      await until(async () => (await sentBy()) > sent + 1_000_000, 'send to go on')
    })
  }

  for (const [what, site, most] of [['has grown', near, 4_000_000], ['that is given has not', exact, 300_000]]) {
    test(`asgi_55 a client that stops to read in the middle is sent no more than a window, which ${what}`, async (t) => {
      const { server, port } = await serve(t, site.handler.listener)
      let socket
      server.on('connection', (accepted) => (socket = accepted))
      const client = connect(port, '127.0.0.1')
      t.after(() => client.destroy())
      let read = 0
      client.on('data', (data) => {
        read += data.length
        if (read > 60_000_000) client.pause()
      })
      client.write(request(`/flood?id=stops-${most}&size=65536`, { close: false }))
      const sentBy = async () => (await callJson(site.handler, `/state?id=stops-${most}`)).sent ?? 0
      let sent = -1
      await until(async () => {
        const before = sent
        sent = await sentBy()
        await sleep(100)
        return read > 60_000_000 && sent === before
      }, 'send to wait', 20_000)
      const kernel = socket.bytesWritten - socket.writableLength
      t.diagnostic(`${sent - kernel} bytes are ours, ${socket.writableLength} of them wait in Node`)
      assert.ok(sent - kernel < most && socket.writableLength < most, `${sent} sent, ${kernel} taken by the kernel`)
    })
  }

  test('asgi_77 tasks that an app leaves behind, in receive or in a refused send, do not disturb the loop', async () => {
    const from = site.log.length
    assert.match(await site.raw(request('/left-alone?id=alone')), /ok$/)
    const state = await until(async () => (await stateOf('alone')).refused && stateOf('alone'))
    assert.deepEqual(state, { read: 'http.disconnect', refused: 'RuntimeError' })
    await json('/garbage?what=settle')
    await json('/garbage?what=collect')
    assert.equal(site.log.slice(from), '')
  })
})

describe('connections', limits, () => {
  const site = serveApp({ before, after }, 'asgi_server:app')
  const script = serveApp({ before, after }, 'asgi_script:app')

  test('asgi_72 work goes on behind a complete response, while the connection serves the next request', async (t) => {
    const connection = await keepAlive(t, site.port)
    assert.equal((await connection.ask('/background?id=wire')).body, 'answered')
    assert.equal((await connection.ask('/')).body, 'hello')
    assert.deepEqual(JSON.parse((await connection.ask('/state?id=wire')).body), { done: false })
    assert.equal(text(await call(site.handler, '/background?id=direct')), 'answered')
    for (const id of ['wire', 'direct']) await until(async () => (await callJson(site.handler, `/state?id=${id}`)).done)
  })

  test('asgi_73 pipelined requests are answered in their order, however long each takes', async (t) => {
    const seconds = ['0.2', '0', '0.1', '0']
    let received = await site.raw(t, seconds.map((value, index) => request(`/sleeping?seconds=${value}`, { close: index === 3 })).join(''))
    for (const value of seconds) {
      const { body: got, rest } = parse(received)
      assert.equal(got, `seconds=${value}`)
      received = rest
    }
    assert.equal(received, '')
  })

  test('asgi_74 the connection ends where client or app say so, and stays otherwise', async (t) => {
    const closing = play([{ send: start(200, [['connection', 'close']]) }, { send: body('bye') }])
    const byApp = parse(await script.raw(t, request(closing, { close: false })))
    assert.deepEqual([byApp.all('connection'), byApp.body], [['close'], 'bye'])
    const byClient = await ask(t, script, play(answer()))
    assert.deepEqual([byClient.all('connection'), byClient.body], [['close'], 'ok'])
    const keeping = play([{ send: start(200, [['connection', 'keep-alive'], ['content-length', '2']]) }, { send: body('ok') }])
    assert.deepEqual((await ask(t, script, keeping)).all('connection'), ['close'])
    const connection = await keepAlive(t, script.port)
    for (let round = 0; round < 3; round += 1) assert.equal((await connection.ask(play(answer()))).body, 'ok')
  })

  test('asgi_74 HTTP/1.0 is kept alive only if it asks', async (t) => {
    const sized = play([{ send: start(200, [['content-length', '2']]) }, { send: body('ok') }])
    assert.deepEqual((await ask(t, script, sized, { version: '1.0' })).all('connection'), ['close'])
    const connection = await keepAlive(t, script.port)
    for (let round = 0; round < 2; round += 1) {
      const { body: got, header } = await connection.ask(sized, { version: '1.0', headers: 'Connection: keep-alive\r\n' })
      assert.deepEqual([got, header('connection').toLowerCase()], ['ok', 'keep-alive'])
    }
  })

  test('asgi_75 Date as Node sends it, no Server; what the app sends of them is sent once', async (t) => {
    const plain = await ask(t, script, play(answer()))
    assert.ok(Math.abs(Date.parse(plain.header('date')) - Date.now()) < 5000)
    assert.deepEqual([plain.all('date').length, plain.all('server')], [1, []])
    const own = [['date', 'Tue, 15 Nov 1994 08:12:31 GMT'], ['server', 'mine']]
    const response = await ask(t, script, play([{ send: start(200, own) }, { send: body() }]))
    assert.deepEqual([response.all('date'), response.all('server')], [[own[0][1]], ['mine']])
  })

  for (const [name, megabytes, pieces] of [['one event', 100, 1], ['10,000 events', 40, 10_000]]) {
    test(`asgi_78 ${megabytes} MB in ${name}: in order, without copies of the whole`, async (t) => {
      const before = residentMiB()
      let most = before
      const digest = createHash('sha256')
      const [response] = await once(get(`${site.url}/large?count=${megabytes * 1e6}&pieces=${pieces}`, { agent: false }), 'response')
      for await (const chunk of response) {
        digest.update(chunk)
        most = Math.max(most, residentMiB())
      }
      assert.equal(digest.digest('hex'), response.headers['x-sha256'])
      // The app's own bytes are in there.
      assert.ok(most - before < megabytes + 120, `${Math.round(most - before)} MiB`)
      t.diagnostic(`${Math.round(most - before)} MiB more at the most`)
    })
  }
})
