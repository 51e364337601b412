// Upgrades at the wrong moment, and clients that leave in their middle: the process lives, each connection has its answers in
// their order or its end, and nothing is left of it.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { frame, headersOf } from '../asgi/websockets.mjs'
import { until } from '../node/support.mjs'
import { get, raw } from './wire.mjs'

const limits = { timeout: 60_000 }
const host = fileURLToPath(new URL('upgrade-host.mjs', import.meta.url))

const shake = (path, changes, method = 'GET') => `${method} ${path} HTTP/1.1\r\n${headersOf(changes)}\r\n`
const h2c = (path, more = '') => get(path, `Connection: Upgrade\r\nUpgrade: h2c\r\n${more}`)
/** The status lines that came, in their order. */
const statuses = (received) => [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))

function serveHost(kind) {
  const site = { port: 0, log: '', child: null }
  site.facts = async () => {
    site.child.send('facts')
    return (await once(site.child, 'message'))[0]
  }
  /** Nobody has died of it, and all that was held is given back. */
  site.unharmed = async () => {
    await until(async () => {
      assert.deepEqual([site.child.exitCode, site.child.signalCode], [null, null], site.log)
      const { connections, inFlight } = await site.facts()
      return connections === 0 && inFlight === 0
    }, `the end of all connections (${kind})`)
    assert.doesNotMatch(site.log, /Error:/)
  }
  site.raw = (data, how) => raw(site.port, data, { patience: 3000, ...how })
  before(async () => {
    site.child = fork(host, [kind], { silent: true })
    for (const stream of [site.child.stdout, site.child.stderr]) stream.on('data', (text) => (site.log += text))
    const early = once(site.child, 'exit').then(([code]) => assert.fail(`ended (${code}): ${site.log}`))
    early.catch(() => {})
    const [{ port }] = await Promise.race([once(site.child, 'message'), early])
    site.port = port
  })
  after(async () => {
    if (site.child.exitCode !== null || site.child.signalCode !== null) return
    site.child.disconnect()
    await once(site.child, 'exit')
  })
  return site
}

/** Says `data` and resets the connection: in the same turn, in the next one, or `wait` milliseconds later. */
async function reset(port, data, wait) {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(data, 'latin1')
  if (wait >= 0) await sleep(wait)
  socket.resetAndDestroy()
}

describe('pipelined behind requests that are not answered yet', limits, () => {
  const site = serveHost('alone')
  const BEFORE = {
    "the application's": [get('/log?after=0.2'), [200]],
    "the application's, at once": [get('/log'), [200]],
    "Node's": [get('/node?after=200'), [200]],
    'two of them': [get('/node?after=200') + get('/log?after=0.2'), [200, 200]],
  }
  const UPGRADES = {
    'a bad one': [shake('/echo', { 'Sec-WebSocket-Version': '8' }), 426],
    'one that the application refuses': [shake('/refuse'), 403],
    'one that it denies': [shake('/deny'), 418],
    'one that fails': [shake('/nothing'), 500],
    'one that is accepted': [shake('/returning'), 101],
    'h2c': [h2c('/log', 'Connection: close\r\n'), 200],
  }

  for (const [first, [requests, expected]] of Object.entries(BEFORE)) {
    for (const [second, [upgrade, status]] of Object.entries(UPGRADES)) {
      test(`asgi_73 an upgrade behind ${first}: ${second}`, async () => {
        const received = await site.raw(requests + upgrade + (status === 101 ? frame(8) : ''))
        assert.deepEqual(statuses(received), [...expected, status], received)
        // Nothing of a response behind the handshake.
        if (status === 101) assert.match(received, /\r\n\r\n\x81\x04last\x88(?:\x02\x03\xe8|\x00)$/)
        assert.doesNotMatch(received, /\((?:open|reset)\)$/)
      })
    }
  }

  test('a response that needs several rounds of the socket comes whole', async () => {
    const received = await site.raw(get('/log?pieces=40') + shake('/returning') + frame(8), { patience: 10_000 })
    const end = received.indexOf('\r\n0\r\n\r\n')
    assert.equal(received.slice(0, end).match(/p{1000,}/g).join('').length, 4_000_000)
    assert.match(received.slice(end), /^\r\n0\r\n\r\nHTTP\/1\.1 101 [^]*\x81\x04last\x88/)
  })

  test('asgi_73_111 a request behind h2c, and a second h2c', async () => {
    const received = await site.raw(get('/node?after=200') + h2c('/log?after=0.2') + h2c('/log') + get('/log', 'Connection: close\r\n'))
    assert.deepEqual(statuses(received), [200, 200, 200, 200])
  })

  const hasty = serveHost('hasty')
  test('a connection that goes on after h2c is not cut by a timer from before it', async () => {
    const enough = (text) => text.endsWith('node')
    // Some versions of Node add a second to the server's half.
    assert.deepEqual(statuses(await hasty.raw(get('/log') + h2c('/node?after=2500'), { patience: 9000, enough })), [200, 200])
  })

  test('a client that closes its side still gets the response to the first', async () => {
    for (const upgrade of [shake('/wait'), shake('/echo', { 'Sec-WebSocket-Version': '8' })]) {
      const received = await site.raw(get('/node?after=300') + upgrade, { end: true })
      assert.equal(statuses(received)[0], 200)
      assert.doesNotMatch(received, /\((?:open|reset)\)$/)
    }
  })

  test('a client that leaves meanwhile', async () => {
    for (const upgrade of Object.values(UPGRADES)) await reset(site.port, get('/node?after=200') + upgrade[0], 50)
    await sleep(300)
    await site.unharmed()
  })
})

describe('clients that leave', limits, () => {
  const CASES = {
    alone: [
      shake('/echo', { 'Sec-WebSocket-Version': '8' }),
      shake('/echo', { 'Sec-WebSocket-Key': 'x' }),
      shake('/echo', {}, 'POST'),
      shake('/refuse'), shake('/deny'), shake('/wait'), shake('/echo'), h2c('/log'),
    ],
    match: [shake('/zz'), h2c('/log')],
    two: [shake('/zz'), h2c('/log'), shake('/b/echo')],
    foreign: [shake('/zz'), h2c('/log'), shake('/js/slow'), shake('/js/tunnel')],
  }
  for (const [kind, upgrades] of Object.entries(CASES)) {
    const site = serveHost(kind)
    test(`by a reset: ${kind}`, async () => {
      for (const upgrade of upgrades) {
        for (const more of ['', 'q'.repeat(20_000)]) {
          for (const wait of [-1, 0, 1, 5, 20]) await Promise.all([1, 2, 3].map(() => reset(site.port, upgrade + more, wait)))
        }
      }
      await site.unharmed()
    })
  }
})

describe('refused sockets', limits, () => {
  const site = serveHost('alone')

  test('end although the client keeps its side open', async () => {
    for (const upgrade of [shake('/echo', { 'Sec-WebSocket-Version': '8' }), shake('/refuse'), shake('/deny')]) {
      const socket = connect({ port: site.port, host: '127.0.0.1', allowHalfOpen: true })
      socket.on('error', () => {}).resume()
      socket.write(upgrade)
      await once(socket, 'end')
      await site.unharmed()
      socket.destroy()
    }
  })
})

describe('before the application has answered, without a limit', limits, () => {
  const site = serveHost('alone')
  for (const how of ['end', 'destroy', 'resetAndDestroy']) {
    for (const [name, more] of Object.entries({ 'one byte': 'q', 'a frame and a close frame': frame(1, 'hi') + frame(8), 'some KiB': 'q'.repeat(5000) })) {
      test(`asgi_97 a client that has said ${name} leaves (${how})`, async () => {
        const socket = connect(site.port, '127.0.0.1')
        socket.on('error', () => {})
        socket.write(shake('/wait'))
        await until(async () => (await site.facts()).inFlight === 1)
        socket.write(more, 'latin1')
        await sleep(50)
        socket[how]()
        await site.unharmed()
      })
    }
  }

  test('asgi_110 what a client sends meanwhile takes bounded memory, and is not lost', async () => {
    const { mebibytes } = await site.facts()
    const COUNT = 300
    const SIZE = 60_000
    const message = Buffer.concat([Buffer.from([0x81, 0xfe, SIZE >> 8, SIZE & 255, 0, 0, 0, 0]), Buffer.alloc(SIZE, 'x')])
    const messages = [...Array(COUNT).fill(message), Buffer.from(frame(1, 'done'), 'latin1')]
    const clients = Array.from({ length: 5 }, () => {
      const client = { socket: connect(site.port, '127.0.0.1'), received: '' }
      client.socket.on('data', (data) => (client.received += data.toString('latin1')))
      client.socket.write(shake('/slow?before=full&wait=0'))
      for (const bytes of messages) client.socket.write(bytes)
      return client
    })
    await until(async () => (await site.facts()).inFlight === 5)
    await sleep(1000)
    const grown = (await site.facts()).mebibytes - mebibytes
    assert.ok(grown < 45, `${grown} MiB`)
    assert.match(await site.raw(get('/gate?gate=full', 'Connection: close\r\n')), /^HTTP\/1\.1 200 /)
    const answer = `${COUNT + 1} ${SIZE * COUNT + 4}`
    await until(() => clients.every(({ received }) => received.includes(answer)), 'all messages', 40_000)
    for (const { socket } of clients) socket.destroy()
    await site.unharmed()
  })
})

describe('nobody takes it', limits, () => {
  for (const kind of ['match', 'two', 'foreign']) {
    const site = serveHost(kind)
    test(kind, async () => {
      const started = performance.now()
      assert.deepEqual(statuses(await site.raw(h2c('/log', 'Connection: close\r\n'))), [200])
      assert.ok(performance.now() - started < 1000)
      assert.deepEqual(statuses(await site.raw(shake('/zz'))), [404])
      assert.equal(performance.now() - started > 1400, kind === 'foreign')
      assert.deepEqual(statuses(await site.raw(shake('/a/returning') + frame(8))), [101])
      if (kind === 'two') assert.deepEqual(statuses(await site.raw(shake('/b/returning') + frame(8))), [101])
      assert.deepEqual(statuses(await site.raw(get('/node?after=100') + shake('/zz'))), [200, 404])
      await site.unharmed()
    })
  }

  for (const kind of ['both, python first', 'both, ws first']) {
    const site = serveHost(kind)
    test(`two who take everything: one has it, and the log says so (${kind})`, async () => {
      for (const path of ['/echo', '/deny', '/refuse', '/wait']) {
        const received = await site.raw(shake(path) + frame(1, 'hi'), { patience: 500 })
        assert.match(received, /^HTTP\/1\.1 101 [^]*\r\n\r\n\x81\x06js: hi\(open\)$/, path)
      }
      assert.equal(site.log.match(/Another 'upgrade' listener/g).length, 1, site.log)
      await site.unharmed()
    })
  }

  const site = serveHost('foreign')
  test('what another listener takes is its own, also later', async () => {
    for (const path of ['/js', '/js/slow']) {
      const received = await site.raw(shake(path), { patience: 2500, enough: (text) => text.includes('\x88') })
      assert.match(received, /^HTTP\/1\.1 101 [^]*\r\n\r\n\x88\x02\x11\x5c$/, path)
    }
    assert.match(await site.raw(shake('/js/tunnel')), /^HTTP\/1\.1 101 Mine\r\n\r\n$/)
    assert.match(await site.raw(h2c('/js/tunnel')), /^HTTP\/1\.1 101 Mine\r\n\r\n$/)
    await site.unharmed()
  })
})
