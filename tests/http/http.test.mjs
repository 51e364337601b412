// The listener's half of node:http: heads, bodies with credit, and every event on a real socket, against a native side
// that the test plays itself. Needs no Python.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { EVENT, FLAG } from '../../npm/asgi-node/lib/native/protocol.js'
import { Exchanges } from '../../npm/asgi-node/lib/native/exchanges.js'
import { serve } from '../../npm/asgi-node/lib/http/exchange.js'

const limits = { timeout: 10_000 }

/** A server whose app is `answer(request, deliver)`, called for each request as it is submitted. */
async function setUp(t, answer = () => {}, listener = undefined) {
  const requests = []
  const exchanges = new Exchanges({ onFailure: ({ error }) => console.error(error) })
  const native = {
    room: true,
    refusal: null,
    submit(id, head, body, flags) {
      const fields = head.split('\0')
      const request = { id, fields, headers: fields.slice(10), body: body ? [Buffer.from(body)] : [], flags, pushes: [], ended: !(flags & FLAG.BODY_FOLLOWS), gone: false, drained: 0 }
      request.text = () => Buffer.concat(request.body).toString()
      request.deliver = (kind, status = 0, text = '', data = undefined) =>
        exchanges.deliver(id, kind, status, text, data === undefined ? undefined : Buffer.from(data))
      if (native.refusal) return native.refusal
      requests.push(request)
      queueMicrotask(() => answer(request, request.deliver))
      return null
    },
    pushAll(id, chunks, last) {
      const request = requests.findLast((one) => one.id === id)
      request.pushes.push(chunks.length)
      request.body.push(...chunks.map((chunk) => Buffer.from(chunk)))
      request.ended = last
      return this.room
    },
    drained: (id) => void (requests.findLast((one) => one.id === id).drained += 1),
    halfClose: (id) => void (requests.findLast((one) => one.id === id).halfClosed = true),
    disconnect: (id) => void (requests.findLast((one) => one.id === id).gone = true),
    keepAlive() {},
    wake() {},
  }
  exchanges.native = native
  const server = createServer((req, res) => (listener ? listener(req, res, exchanges) : serve(exchanges, req, res)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address()
  const open = async () => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const client = { socket, received: '', closed: false, reset: false, write: (text) => socket.write(text, 'latin1') }
    socket.setEncoding('latin1').on('data', (text) => (client.received += text))
    socket.on('close', () => (client.closed = true)).on('error', (error) => (client.reset = error.code === 'ECONNRESET'))
    t.after(() => socket.destroy())
    return client
  }
  const raw = async (text) => {
    const client = await open()
    client.write(text)
    await until(() => client.closed)
    return client
  }
  return { server, port, exchanges, native: exchanges.native, requests, open, raw }
}

async function until(condition) {
  for (let round = 0; round < 500; round += 1) {
    if (condition()) return
    await sleep(5)
  }
  assert.fail(`never: ${condition}`)
}

const hello = (request, deliver) => deliver(EVENT.COMPLETE, 200, 'x-a\0one', 'hello')
const GET = 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'
const chunked = 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n'

describe('heads', limits, () => {
  test('raw target, raw headers, both ends of the connection', async (t) => {
    const { raw, requests, port } = await setUp(t, hello)
    await raw('GET //p/../q?x#f HTTP/1.1\r\nHost: h\r\nX-B: caf\xe9\r\nx-b: 2\r\nConnection: close\r\n\r\n')
    const [method, target, version, scheme, client, clientPort, host, hostPort, root, extensions] = requests[0].fields
    assert.deepEqual([method, target, version, scheme], ['GET', '//p/../q?x#f', '1.1', 'http'])
    assert.deepEqual([client, host, hostPort, root, extensions], ['127.0.0.1', '127.0.0.1', String(port), '', '15'])
    assert.ok(Number(clientPort) > 0)
    assert.deepEqual(requests[0].headers, ['Host', 'h', 'X-B', 'caf\xe9', 'x-b', '2', 'Connection', 'close'])
    await raw('GET / HTTP/1.0\r\n\r\n')
    assert.deepEqual([requests[1].fields[2], requests[1].fields[9], requests[1].headers], ['1.0', '12', []])
  })

  test('what middleware left in req.url and cannot be sent is 400', async (t) => {
    const { raw, requests } = await setUp(t, hello, (req, res, exchanges) => {
      req.url = decodeURIComponent(req.url)
      serve(exchanges, req, res)
    })
    for (const target of ['/%E2%82%AC', '/%00', '/%20']) {
      const { received } = await raw(`GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`)
      assert.match(received, /^HTTP\/1\.1 400 /, target)
    }
    assert.equal(requests.length, 0)
  })

  test('a refusal is 503, and the connection ends', async (t) => {
    const { raw, native } = await setUp(t, hello)
    native.refusal = { code: 'OVERLOADED', message: 'full', traceback: '' }
    const { received } = await raw('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello')
    assert.match(received, /^HTTP\/1\.1 503 Service Unavailable\r\n[^]*connection: close[^]*\r\n\r\nService Unavailable$/)
    native.refusal = { code: 'INVALID_REQUEST', message: 'no', traceback: '' }
    assert.match((await raw(GET)).received, /^HTTP\/1\.1 400 /)
  })
})

describe('request bodies', limits, () => {
  const echo = (request, deliver) => {
    const timer = setInterval(() => {
      if (!request.ended) return
      clearInterval(timer)
      deliver(EVENT.COMPLETE, 200, '', request.text())
    }, 2)
  }

  test('none: at once; small: with its head; empty: none', async (t) => {
    const { open, raw, requests } = await setUp(t, echo)
    await raw(GET)
    await raw('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello')
    const chunks = await open()
    chunks.write(`${chunked}3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: 1\r\n\r\n`)
    // While one is under way, the next does not wake Python at once.
    await until(() => chunks.received.includes('hello'))
    await raw('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    assert.deepEqual(requests.map(({ flags }) => flags & ~FLAG.QUIET), [0, 0, FLAG.BODY_FOLLOWS, 0])
    assert.deepEqual(requests.map((request) => request.text()), ['', 'hello', 'hello', ''])
  })

  test('in several packets, the end in one of its own', async (t) => {
    const { open, requests } = await setUp(t, echo)
    const client = await open()
    client.write(chunked)
    await until(() => requests.length === 1)
    assert.equal(requests[0].flags, FLAG.BODY_FOLLOWS)
    for (const part of ['1\r\na\r\n', '1\r\nb\r\n', '0\r\n\r\n']) {
      client.write(part)
      await sleep(20)
    }
    await until(() => client.received.includes('ab'))
    client.write('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyz')
    await until(() => client.received.includes('xyz'))
  })

  test('what has come together goes to the app together', async (t) => {
    const { open, requests } = await setUp(t, echo)
    const client = await open()
    client.write(chunked)
    await until(() => requests.length === 1)
    client.write('1\r\na\r\n1\r\nb\r\n1\r\nc\r\n')
    await until(() => requests[0].body.length === 3)
    client.write('1\r\nd\r\n1\r\ne\r\n0\r\n\r\n')
    await until(() => client.received.includes('abcde'))
    assert.deepEqual(requests[0].pushes, [3, 2])
  })

  test('whatever else listens to the request: the app gets all of its body', async (t) => {
    const heard = []
    const others = {
      pauses: (req) => req.pause(),
      'waits for readable': (req) => req.on('readable', () => {}),
      reads: (req) => req.on('readable', () => req.read()),
      'counts what comes': (req) => req.on('data', (chunk) => heard.push(chunk)),
    }
    const length = 300_000
    for (const [what, listen] of Object.entries(others)) {
      const { open, requests, native } = await setUp(t, echo, (req, res, exchanges) => {
        listen(req)
        serve(exchanges, req, res)
      })
      native.room = false
      const client = await open()
      client.write(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`)
      await until(() => requests.length === 1)
      client.socket.write(Buffer.alloc(length, 'a'))
      await until(() => requests[0].body.length > 0)
      native.room = true
      requests[0].deliver(EVENT.RESUME)
      await until(() => requests[0].ended)
      assert.equal(requests[0].text(), 'a'.repeat(length), what)
    }
    assert.equal(Buffer.concat(heard).length, length)
  })

  test('without room nothing more is read, then all of it arrives', async (t) => {
    const { open, requests, native } = await setUp(t, echo)
    native.room = false
    const size = 8 << 20
    const client = await open()
    client.write(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`)
    client.socket.write(Buffer.alloc(size, 'a'))
    await until(() => requests.length === 1)
    await sleep(100)
    const held = requests[0].text().length
    assert.ok(held < 128 * 1024, `${held} bytes were read ahead`)
    native.room = true
    requests[0].deliver(EVENT.RESUME)
    await until(() => requests[0].ended)
    assert.equal(requests[0].text().length, size)
  })

  test('a body that is left unread: the next request on the connection is served', async (t) => {
    for (const size of [10, 300_000]) {
      const { open, requests, native } = await setUp(t, hello)
      native.room = false
      const client = await open()
      for (let round = 1; round <= 3; round += 1) {
        client.write(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n${'GET /x HTTP/1.1\r\n'.repeat(size).slice(0, size)}`)
        await until(() => client.received.split('hello').length === round + 1)
      }
      assert.equal(requests.length, 3)
      assert.equal(client.received.split('HTTP/1.1 200').length, 4)
    }
  })

  test('too much of it: the response, then the end of the connection', async (t) => {
    const { open, native } = await setUp(t, hello)
    native.room = false
    const client = await open()
    client.write('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n')
    await until(() => client.received.includes('hello'))
    const feed = setInterval(() => client.socket.write(Buffer.alloc(100_000)), 1)
    t.after(() => clearInterval(feed))
    await until(() => client.closed)
  })

  test('Expect: 100-continue is answered when the app asks, else never (asgi_46)', async (t) => {
    const { server, exchanges, open, requests } = await setUp(t)
    server.on('checkContinue', (req, res) => serve(exchanges, req, res))
    const head = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n'
    const asked = await open()
    asked.write(head)
    await until(() => requests.length === 1)
    assert.equal(requests[0].flags, FLAG.BODY_FOLLOWS | FLAG.EXPECT_CONTINUE)
    await sleep(20)
    assert.equal(asked.received, '')
    requests[0].deliver(EVENT.CONTINUE)
    await until(() => asked.received === 'HTTP/1.1 100 Continue\r\n\r\n')
    asked.write('ok')
    await until(() => requests[0].ended)
    hello(requests[0], requests[0].deliver)
    await until(() => asked.received.includes('hello'))
    assert.match(asked.received, /Connection: keep-alive/i)
    const refused = await open()
    refused.write(head)
    await until(() => requests.length === 2)
    hello(requests[1], requests[1].deliver)
    await until(() => refused.closed)
    assert.doesNotMatch(refused.received, /100 Continue/)
    assert.match(refused.received, /Connection: close/i)
  })

  test('without that listener Node has answered already', async (t) => {
    const { open, requests } = await setUp(t, hello)
    const client = await open()
    client.write('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n')
    await until(() => requests.length === 1)
    assert.equal(requests[0].flags, FLAG.BODY_FOLLOWS)
    client.write('ok')
    await until(() => client.received.includes('hello'))
    assert.equal(client.received.split('100 Continue').length, 2)
  })
})

describe('responses', limits, () => {
  test('complete: status, order and duplicates; chunked on 1.1, closed on 1.0', async (t) => {
    const headers = ['x-b', '1', 'set-cookie', 'a', 'x-latin', 'caf\xe9', 'set-cookie', 'b', 'x-empty', ''].join('\0')
    const { raw } = await setUp(t, (request, deliver) => deliver(EVENT.COMPLETE, 207, headers, 'hello'))
    const { received } = await raw(GET)
    assert.match(received, /^HTTP\/1\.1 207 Multi-Status\r\nx-b: 1\r\nset-cookie: a\r\nx-latin: caf\xe9\r\nset-cookie: b\r\nx-empty: \r\n/)
    assert.match(received, /transfer-encoding: chunked[^]*\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/i)
    assert.match((await raw('GET / HTTP/1.0\r\n\r\n')).received, /\r\n\r\nhello$/)
  })

  test('headers that Express has set go with those of the app', async (t) => {
    const { raw } = await setUp(t, (request, deliver) => deliver(EVENT.COMPLETE, 200, 'set-cookie\0a\0set-cookie\0b', ''), (req, res, exchanges) => {
      res.setHeader('X-Powered-By', 'Express')
      serve(exchanges, req, res)
    })
    const { received } = await raw(GET)
    assert.match(received, /X-Powered-By: Express/i)
    assert.match(received, /set-cookie: a\r\nset-cookie: b/)
  })

  test('in parts, each as it comes; head alone; trailers; early hints', async (t) => {
    const { open, requests } = await setUp(t)
    const client = await open()
    client.write('GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n')
    await until(() => requests.length === 1)
    const { deliver } = requests[0]
    deliver(EVENT.EARLY_HINT, 0, '</a.css>; rel=preload; as=style\0</b.js>; rel=preload; as=script')
    deliver(EVENT.EARLY_HINT, 0, 'not a link')
    await until(() => client.received.includes('b.js'))
    assert.match(client.received, /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>/)
    deliver(EVENT.START, 200, 'trailer\0x-sum')
    await until(() => client.received.includes('200 OK'))
    assert.equal(deliver(EVENT.BODY, 0, '', 'one'), undefined)
    await until(() => client.received.includes('one'))
    deliver(EVENT.END, 0, 'x-sum\0three', 'two')
    await until(() => client.received.endsWith('3\r\ntwo\r\n0\r\nx-sum: three\r\n\r\n'))
  })

  test('above its mark it holds, and lets go when the client reads', async (t) => {
    const { open, requests } = await setUp(t)
    const client = await open()
    client.socket.pause()
    client.write(GET)
    await until(() => requests.length === 1)
    const { deliver } = requests[0]
    let taken = deliver(EVENT.START, 200, '', Buffer.alloc(65536))
    for (let round = 0; round < 200 && taken !== false; round += 1) taken = deliver(EVENT.BODY, 0, '', Buffer.alloc(65536))
    assert.equal(taken, false)
    client.socket.resume()
    await until(() => requests[0].drained === 1)
    deliver(EVENT.END)
    await until(() => client.closed)
    assert.ok(client.received.endsWith('0\r\n\r\n'))
  })

  test('pipelined requests are answered in order (asgi_73)', async (t) => {
    const { open, requests } = await setUp(t)
    const client = await open()
    client.write(`${GET.replace('Connection: close\r\n', '').replace('/ ', '/1 ')}${GET.replace('/ ', '/2 ')}`)
    await until(() => requests.length === 2)
    requests[1].deliver(EVENT.COMPLETE, 200, '', 'second')
    requests[0].deliver(EVENT.START, 200, '', 'first')
    requests[0].deliver(EVENT.END)
    await until(() => client.closed)
    assert.ok(client.received.indexOf('first') < client.received.indexOf('second'))
    assert.ok(client.received.includes('second'))
  })
})

describe('failures', limits, () => {
  const failure = 'APP_ERROR\0ValueError: secret\0Traceback'

  test('before start: 500 with a fixed body; the connection goes on (asgi_67)', async (t) => {
    const { open } = await setUp(t, (request, deliver) => deliver(EVENT.FAILED, 0, failure))
    const client = await open()
    for (let round = 1; round <= 2; round += 1) {
      client.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
      await until(() => client.received.split('Internal Server Error').length === 2 * round + 1)
    }
    assert.match(client.received, /^HTTP\/1\.1 500 Internal Server Error\r\ncontent-type: text\/plain[^]*content-length: 21\r\n/)
    assert.doesNotMatch(client.received, /secret|Traceback/)
  })

  test('in the middle: what was sent arrives, the end does not (asgi_67)', async (t) => {
    const cut = async ({ fields }, deliver) => {
      deliver(EVENT.START, 200, '', 'one')
      deliver(EVENT.BODY, 0, '', 'two')
      // libuv, in the client, reports data and a reset that it finds together as data and a normal end.
      if (fields[2] === '1.0') await sleep(50)
      deliver(EVENT.FAILED, 1, failure)
    }
    const { raw } = await setUp(t, cut)
    const modern = await raw('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    assert.match(modern.received, /^HTTP\/1\.1 200 OK[^]*one[^]*two\r\n$/)
    const old = await raw('GET / HTTP/1.0\r\n\r\n')
    assert.match(old.received, /onetwo$/)
    assert.equal(old.reset, true)
  })

  test('a client that leaves disconnects its request, once', async (t) => {
    for (const leave of ['destroy', 'resetAndDestroy']) {
      const { open, requests, exchanges } = await setUp(t)
      const client = await open()
      client.write(chunked)
      await until(() => requests.length === 1)
      if (leave === 'destroy') requests[0].deliver(EVENT.START, 200, '', 'x')
      client.socket[leave]()
      await until(() => requests[0].gone)
      assert.equal(exchanges.size, 0)
      assert.equal(requests[0].deliver(EVENT.BODY, 0, '', 'late'), undefined)
    }
  })

  test('a response that somebody else has ended is left alone', async (t) => {
    const { raw, requests } = await setUp(t, undefined, (req, res, exchanges) => {
      serve(exchanges, req, res)
      setTimeout(() => res.writeHead(504).end('too slow'), 20)
      setTimeout(() => requests[0].deliver(EVENT.START, 200, '', 'late'), 21)
      res.on('finish', () => requests[0].deliver(EVENT.START, 200, '', 'late'))
    })
    assert.match((await raw(GET)).received, /^HTTP\/1\.1 504 [^]*too slow/)
    await until(() => requests[0].gone)
  })

  test('field_31 a head that Node refuses leaves nothing behind: neither its reason nor the lack of a body', async (t) => {
    t.mock.method(console, 'error', () => {})
    const { raw } = await setUp(t, ({ fields }, deliver) => {
      const status = Number(fields[1].slice(1))
      // Node does not write trailers behind a length.
      deliver(EVENT.COMPLETE, status, 'trailer\0x-sum\0content-length\x002', 'hi')
    })
    const of = async (status) => (await raw(`GET /${status} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).received
    for (const status of [200, 201, 404]) {
      assert.match(await of(status), /^HTTP\/1\.1 500 Internal Server Error\r\n[^]*\r\n\r\nInternal Server Error$/, status)
    }
    for (const status of [204, 304]) assert.equal(await of(status), '')
  })

  test('a writeHead that throws is a 500, not a crash', async (t) => {
    t.mock.method(console, 'error', () => {})
    const { raw, requests } = await setUp(t, hello, (req, res, exchanges) => {
      const { writeHead } = res
      res.writeHead = (status, ...rest) => {
        if (status === 200) throw new Error('patched')
        return writeHead.call(res, status, ...rest)
      }
      serve(exchanges, req, res)
    })
    assert.match((await raw(GET)).received, /^HTTP\/1\.1 500 /)
    assert.equal(console.error.mock.callCount(), 1)
    assert.equal(requests.length, 1)
  })
})
