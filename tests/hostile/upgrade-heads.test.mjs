// What an upgrade's head and body may be: the rules of plain HTTP hold wherever a scope is built, and a body never ends the
// process, whoever reads it (Node 26 and later do, for themselves).
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { Duplex } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { bytes, makeHandler, until } from '../node/support.mjs'
import { headersOf } from '../asgi/websockets.mjs'
import { get, raw } from './wire.mjs'

const limits = { timeout: 60_000 }
const LAST = get('/log', 'Connection: close\r\n')

const statuses = (received) => [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
const shake = (more = '', method = 'GET') => `${method} /echo HTTP/1.1\r\n${headersOf()}${more}\r\n`
const h2c = (more = '', body = '', path = '/upload') =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n${more}\r\n${body}`
const fields = (count) => Array.from({ length: count }, (_, i) => `x${i}: y\r\n`).join('')
const chunked = (pieces) => `${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')}0\r\n`

/** A handler with an upgrade listener behind a server, on which other listeners may listen, too. */
function serveUpgrades(foreign = false) {
  const handler = makeHandler({ after }, 'websocket_app:app', { websocket: { acceptTimeout: 500 }, upgrade: { match: '/echo' } })
  const server = createServer(handler.listener).on('upgrade', handler.upgrade)
  if (foreign) server.on('upgrade', () => {})
  const site = { server, raw: (data, how) => raw(server.address().port, data, { patience: 5000, ...how }) }
  before(async () => {
    await handler.ready()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(async () => {
    const ended = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await ended
  })
  return site
}

/** No connection is left. */
async function assertNothingLeft({ server }) {
  await until(() => new Promise((resolve) => server.getConnections((_, count) => resolve(count === 0))), 'the end of all connections')
}

for (const foreign of [false, true]) {
  describe(foreign ? 'beside a listener of others' : 'alone', limits, () => {
    const site = serveUpgrades(foreign)

    test('field_4 more header fields than the server keeps are 431 on every path', async () => {
      for (const many of [1100, 2000]) {
        assert.deepEqual(statuses(await site.raw(shake(fields(many)))), [431], `WebSocket, ${many}`)
        assert.deepEqual(statuses(await site.raw(h2c(fields(many)))), [431], `h2c, ${many}`)
        assert.deepEqual(statuses(await site.raw(get('/log', fields(many)))), [431], `HTTP, ${many}`)
      }
      await assertNothingLeft(site)
    })

    test('field_4 no field of an upgrade is lost', async () => {
      const received = await site.raw(h2c(`${fields(900)}Connection: close\r\n`))
      assert.match(received, /"fields": 902/)
    })

    test('field_4 two Host fields are 400 on every path', async () => {
      for (const value of ['x', 'y']) {
        assert.deepEqual(statuses(await site.raw(shake(`Host: ${value}\r\n`))), [400])
        assert.deepEqual(statuses(await site.raw(h2c(`Host: ${value}\r\n`))), [400])
      }
      await assertNothingLeft(site)
    })

    test('a WebSocket handshake with a body is 400, whenever that comes', async () => {
      for (const body of ['Content-Length: 4\r\n', 'Transfer-Encoding: chunked\r\n']) {
        for (const more of ['', 'abcd', 'x'.repeat(100_000)]) {
          assert.deepEqual(statuses(await site.raw([shake(body), more])), [400], body)
          assert.deepEqual(statuses(await site.raw(shake(body) + more)), [400], body)
        }
      }
      await assertNothingLeft(site)
    })

    const BODIES = {
      'of one packet': ['Content-Length: 4\r\n', ['body'], 'body'],
      'that comes later': ['Content-Length: 4\r\n', ['', 'bo', 'dy'], 'body'],
      'in chunks': ['Transfer-Encoding: chunked\r\n', [`${chunked(['bo', 'dy'])}\r\n`], 'body'],
      'in chunks that come later': ['Transfer-Encoding: chunked\r\n', ['', '2\r\nbo', '\r\n2\r\ndy\r\n0', '\r\n\r\n'], 'body'],
      'in chunks, with trailers': ['Transfer-Encoding: chunked\r\n', ['', chunked(['body']), 'x-sum: 1\r\n\r\n'], 'body'],
      'that is empty': ['Transfer-Encoding: chunked\r\n', ['0\r\n\r\n'], ''],
      'that is empty and comes later': ['Transfer-Encoding: chunked\r\n', ['', '0\r\n\r\n'], ''],
      'that is long': ['Content-Length: 3000000\r\n', ['', bytes(3_000_000).toString('latin1')], bytes(3_000_000).toString('latin1')],
    }
    for (const [name, [header, pieces, body]] of Object.entries(BODIES)) {
      test(`an upgrade that nobody can do is a request with its body, and the connection goes on: ${name}`, async () => {
        const [first, ...rest] = pieces
        const behind = [...rest]
        behind[behind.length - 1] = `${behind.at(-1) ?? ''}${LAST}`
        const data = rest.length === 0 ? [h2c(header, first) + LAST] : [h2c(header, first), ...behind]
        const received = await site.raw(data)
        assert.deepEqual(statuses(received), [200, 200], received)
        const sha256 = createHash('sha256').update(body, 'latin1').digest('hex')
        const facts = JSON.parse(/\{"size".*?\}/.exec(received)[0])
        assert.deepEqual({ ...facts, fields: 0 }, { size: body.length, sha256, client: '127.0.0.1', fields: 0 })
        await assertNothingLeft(site)
      })
    }

    test('a client that waits for "100 Continue" gets it', async () => {
      const enough = (text) => text.includes('100 Continue')
      const port = site.server.address().port
      const socket = connect(port, '127.0.0.1')
      let received = ''
      socket.on('data', (data) => (received += data.toString('latin1')))
      socket.write(h2c('Content-Length: 4\r\nExpect: 100-continue\r\n'))
      await until(() => enough(received), 'permission to send')
      socket.write(`body${LAST}`)
      await once(socket, 'end')
      assert.deepEqual(statuses(received), [100, 200, 200])
    })

    test('clients that leave in the middle of a body', async () => {
      for (const head of [h2c('Content-Length: 100\r\n', 'part'), h2c('Transfer-Encoding: chunked\r\n', '5\r\npa'), shake('Content-Length: 9\r\n')]) {
        for (const how of ['end', 'destroy', 'resetAndDestroy']) {
          const socket = connect(site.server.address().port, '127.0.0.1')
          socket.on('error', () => {})
          socket.write(head)
          await new Promise((resolve) => setTimeout(resolve, 30))
          socket[how]()
        }
      }
      await assertNothingLeft(site)
    })
  })
}

describe('a connection that is only a Duplex', limits, () => {
  const site = serveUpgrades()

  /** A connection as somebody may inject it: no method and no field of net.Socket. */
  function converse(data, wanted) {
    let received = ''
    return new Promise((resolve) => {
      const duplex = new Duplex({
        read() {},
        write(chunk, _, done) {
          received += chunk.toString('latin1')
          done()
          if (wanted.test(received)) resolve(received)
        },
      })
      duplex.on('close', () => resolve(received))
      site.server.emit('connection', duplex)
      for (let at = 0; at < data.length; at += 65_536) setImmediate(() => duplex.push(data.slice(at, at + 65_536), 'latin1'))
    })
  }

  test('WebSockets, refusals, h2c and uploads that nobody reads', async () => {
        assert.match(await converse(`${shake()}\x81\x82\0\0\0\0hi`, /\x81\x02hi/), /^HTTP\/1\.1 101 /)
        assert.deepEqual(statuses(await converse(shake('Host: y\r\n'), /Bad Request$/)), [400])
        assert.deepEqual(statuses(await converse(`GET /zz HTTP/1.1\r\n${headersOf()}\r\n`, /Not Found$/)), [404])
        assert.deepEqual(statuses(await converse(h2c('Content-Length: 4\r\n', `body${LAST}`, '/body'), /close\r\n[^]*\r\n0\r\n\r\n$/)), [200, 200])
    const long = `POST /log HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n${'x'.repeat(2_900_000)}`
        assert.deepEqual(statuses(await converse(long, /never/)), [200])
  })
})
