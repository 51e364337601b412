// Clients that speak HTTP wrongly, or too well. What Node refuses stays refused; the rest has one defined answer; nothing
// is read as a request that is not one, and a second request on the connection is seen exactly once.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../node/support.mjs'
import { CHUNKS, FRAMING, HEADS, REFUSED, SERVED, TOO_LARGE } from './vectors.mjs'
import { answered, assertUnharmed, get, replied, serveApart, wireJson } from './wire.mjs'

const limits = { timeout: 60_000 }
const site = serveApart({ before, after }, 'witness_app:app')
/** Node's own, which it sends and destroys the socket: a client that still sends may see a reset instead. */
const NODE = (status) => new RegExp(`^(HTTP/1\\.1 ${status} [A-Z][A-Za-z ]+\r\nConnection: close\r\n\r\n)?(\\(reset\\))?$`)
const LAST = get('/last', 'Connection: close\r\n')
const LAST_ANSWER = replied('GET /last 0', { close: true })

/** What the app has seen since it was last asked. */
const seen = () => wireJson(site, '/seen')

/** `expected` is a text or a pattern; `visible` what the app may have seen: all of it, in this order. */
async function check(name, bytes, expected, visible = []) {
  const received = await site.raw(bytes)
  if (expected instanceof RegExp) assert.match(received, expected, name)
  else assert.equal(received, expected, name)
  assert.deepEqual(await seen(), visible, name)
}

describe('refused by Node', limits, () => {
  test('framing that two readers would read differently', async () => {
    assert.ok(Object.keys(FRAMING).length > 25)
    for (const [name, bytes] of Object.entries(FRAMING)) {
      assert.match(await site.raw(bytes), NODE(400), name)
      // With an encoding that nobody knows the app may have begun, and learns that the body will never be complete.
      for (const line of await seen()) assert.match(line, /^POST \/a( disconnected)?$/, name)
    }
    assertUnharmed(site)
  })

  test('chunks that cannot be read', async () => {
    for (const [name, chunks] of Object.entries(CHUNKS)) {
      const bytes = `POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n${get('/smuggled')}`
      assert.match(await site.raw(bytes), NODE(400), name)
      for (const line of await seen()) assert.match(line, /^POST \/a( disconnected)?$/, name)
    }
    assertUnharmed(site)
  })

  test('heads that are no HTTP/1.1', async () => {
    for (const [name, bytes] of Object.entries(HEADS)) await check(name, bytes + get('/smuggled'), NODE(400))
    for (const [name, bytes] of Object.entries(TOO_LARGE)) await check(name, bytes, NODE(431))
    await check('CONNECT', 'CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n', '')
    await check('no Host', 'GET /a HTTP/1.1\r\n\r\n', /^HTTP\/1.1 400 Bad Request\r\nConnection: close\r\n/)
    assertUnharmed(site)
  })
})

describe('refused by us, with the end of the connection', limits, () => {
  for (const [name, [status, bytes]] of Object.entries(REFUSED)) {
    test(name, async () => {
      const text = status === 431 ? /^HTTP\/1.1 431 Request Header Fields Too Large\r\n/ : answered(400)
      const received = await site.raw(bytes + get('/smuggled'))
      if (status === 431) assert.match(received, text)
      // On a connection that ends anyhow Node says so itself.
      else assert.equal(received.toLowerCase(), text.toLowerCase())
      assert.deepEqual(await seen(), [])
    })
  }
})

describe('odd, and served', limits, () => {
  test('each has one answer, and the request behind it is seen once', async () => {
    for (const [name, [bytes, line, body = line]] of Object.entries(SERVED)) {
      const visible = [Buffer.from(line, 'latin1').toString().replace(/ \d+$/, ''), 'GET /last']
      await check(name, bytes + LAST, replied(body) + LAST_ANSWER, visible)
    }
    assertUnharmed(site)
  })

  test('the same byte by byte', async () => {
    const small = Object.entries(SERVED).filter(([, [bytes]]) => bytes.length < 120)
    assert.ok(small.length > 20)
    await Promise.all(
      small.map(async ([name, [bytes, line, body = line]]) => {
        const pieces = [...bytes, ...'GET /last HTTP/1.1\r\n', 'Host: x\r\nConnection: close\r\n\r\n']
        assert.equal(await site.raw(pieces), replied(body) + LAST_ANSWER, name)
      }),
    )
    assert.equal((await seen()).length, 2 * small.length)
  })

  test('HEAD: the length of what it stands for, and no body', async () => {
    const head = replied('HEAD /a 0').replace(/HEAD \/a 0$/, '')
    await check('HEAD', get('/a', '', 'HEAD') + LAST, head + LAST_ANSWER, ['HEAD /a', 'GET /last'])
  })

  test('HTTP/1.0: kept alive only if asked', async () => {
    const body = 'Content-Length: 3\r\n\r\nabc'
    await check('1.0', 'GET /a HTTP/1.0\r\n\r\n', replied('GET /a 0', { close: true }), ['GET /a'])
    await check('1.0 with a body', `POST /a HTTP/1.0\r\n${body}`, replied('POST /a 3', { close: true }), ['POST /a'])
    const kept = `POST /a HTTP/1.0\r\nConnection: keep-alive\r\n${body}`
    await check('1.0, kept', kept + LAST, replied('POST /a 3') + LAST_ANSWER, ['POST /a', 'GET /last'])
    await check('1.0 with Expect', `POST /a HTTP/1.0\r\nExpect: 100-continue\r\n${body}`, replied('POST /a 3', { close: true }), [
      'POST /a',
    ])
  })

  test('an upgrade that nobody takes is an ordinary request (asgi_111)', async () => {
    for (const upgrade of ['h2c', 'websocket', 'foo']) {
      const first = get('/a', `Connection: Upgrade, HTTP2-Settings\r\nUpgrade: ${upgrade}\r\nHTTP2-Settings: AAMAAABk\r\n`)
      const socket = connect({ port: site.port, host: '127.0.0.1' })
      let received = ''
      socket.on('data', (data) => (received += data.toString('latin1')))
      socket.write(first)
      await until(() => received.endsWith('GET /a 0'))
      socket.write(LAST)
      await until(() => received === replied('GET /a 0') + LAST_ANSWER)
      assert.deepEqual(await seen(), ['GET /a', 'GET /last'])
    }
  })
})

describe('Expect', limits, () => {
  const post = (expect, target = '/a') => `POST ${target} HTTP/1.1\r\nHost: x\r\nExpect: ${expect}\r\nContent-Length: 3\r\n\r\n`
  const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

  test('said to a client that waits, once; what follows its body is the next request', async () => {
    for (const expect of ['100-continue', '100-CONTINUE', '100-continue\r\nExpect: 100-continue']) {
      const received = await site.raw([post(expect), ...Array(10).fill(''), 'abc', LAST])
      assert.equal(received, CONTINUE + replied('POST /a 3') + LAST_ANSWER, expect)
      assert.deepEqual(await seen(), ['POST /a', 'GET /last'])
    }
  })

  test('a client that does not wait is served too', async () => {
    for (let round = 0; round < 10; round += 1) {
      const received = await site.raw(`${post('100-continue')}abc${LAST}`)
      // It may be asked for its body all the same.
      const asked = received.startsWith(CONTINUE) ? CONTINUE : ''
      assert.equal(received, asked + replied('POST /a 3') + LAST_ANSWER)
      assert.deepEqual(await seen(), ['POST /a', 'GET /last'])
    }
  })

  test('answered without its body, the connection ends: what follows might be either', async () => {
    const received = await site.raw([post('100-continue', '/a?unread'), ...Array(10).fill(''), get('/smuggled')])
    assert.equal(received, replied('POST /a', { close: true }))
    assert.deepEqual(await seen(), ['POST /a'])
  })

  test('anything else fails, in words of Node', async () => {
    assert.match(await site.raw(`${post('200-ok')}abc${LAST}`), /^HTTP\/1.1 417 Expectation Failed\r\n/)
    assert.deepEqual(await seen(), ['GET /last'])
  })
})

describe('many requests on one connection', limits, () => {
  const MANY = 300

  test('pipelined: each seen once, in order, whatever it costs', async () => {
    const requests = []
    const answers = []
    for (let number = 0; number < MANY; number += 1) {
      const body = 'b'.repeat(number)
      const target = `/${number}${['', '?wait', '?unread'][number % 3]}`
      requests.push(`POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      answers.push(replied(number % 3 === 2 ? `POST /${number}` : `POST /${number} ${number}`))
    }
    assert.equal(await site.raw(requests.join('') + LAST), answers.join('') + LAST_ANSWER)
    assert.deepEqual(await seen(), [...Array.from({ length: MANY }, (_, number) => `POST /${number}`), 'GET /last'])
    assertUnharmed(site)
  })

  test('a body too large to be thrown away ends the connection: none of it is read as a request', async () => {
    const line = get('/smuggled')
    const bytes = `POST /a?unread HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n${line.repeat(300_000).slice(0, 9_000_000)}${LAST}`
    assert.match(await site.raw(bytes), /^(HTTP\/1.1 200 OK\r\n[^]*POST \/a)?(\(reset\))?$/)
    assert.deepEqual(await seen(), ['POST /a'])
  })

  test('nothing behind a request that ends the connection is served', async () => {
    assert.match(await site.raw(LAST + get('/smuggled')), /^(HTTP\/1.1 200 OK\r\n[^]*GET \/last 0|HTTP\/1.1 400 [^]*)?(\(reset\))?$/)
    assert.deepEqual((await seen()).filter((line) => !line.startsWith('GET /last')), [])
  })
})

describe('clients that stop', limits, () => {
  test('at every byte of a request: nothing is answered that was not asked, and nothing is left', async () => {
    const bytes = 'POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
    const before = await site.holdings()
    for (const how of ['end', 'resetAndDestroy', 'destroy']) {
      await Promise.all(
        Array.from(bytes, async (_, at) => {
          const socket = connect({ port: site.port, host: '127.0.0.1', allowHalfOpen: true })
          let received = ''
          socket.on('data', (data) => (received += data.toString('latin1'))).on('error', () => {})
          await new Promise((resolve) => socket.write(bytes.slice(0, at), 'latin1', resolve))
          await sleep(5)
          socket[how]()
          if (how === 'end') await Promise.race([new Promise((resolve) => socket.once('close', resolve)), sleep(1000)])
          socket.destroy()
          assert.match(received, /^(HTTP\/1.1 400 Bad Request\r\nConnection: close\r\n\r\n)?$/, `${how} at ${at}`)
        }),
      )
    }
    for (const line of await seen()) assert.match(line, /^POST \/a( disconnected)?$/)
    await until(async () => (await site.holdings()).descriptors <= before.descriptors, 'the end of all connections')
    assert.deepEqual([(await site.raw(LAST)), await seen()], [LAST_ANSWER, ['GET /last']])
    assertUnharmed(site)
  })

  test('in the middle of a head, and stay: others are served', async () => {
    const sockets = Array.from({ length: 200 }, () => connect({ port: site.port, host: '127.0.0.1' }))
    for (const socket of sockets) socket.on('error', () => {}).write('GET /a HTTP/1.1\r\nHost: x\r\nX-A: ')
    await sleep(50)
    await check('another', LAST, LAST_ANSWER, ['GET /last'])
    for (const socket of sockets) socket.resetAndDestroy()
  })
})
