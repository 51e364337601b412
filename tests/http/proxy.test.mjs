// Proxies in front: whom trustProxy believes, and what of it reaches the scope (asgi_28, asgi_33, asgi_139).
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { forwardedPeer, trustOf } from '../../npm/asgi-node/lib/incoming/proxy.js'
import { makeHandler, serve, temporaryFolder } from '../node/support.mjs'

const limits = { timeout: 20_000 }

/** Client and scheme for a peer and what it says. */
function seen(trustProxy, address, ...headers) {
  const client = address ? `${address}\x0040000` : '\0'
  const connection = { address, scheme: 'http', client, server: 's\x0080', peer: `http\0${client}\0s\x0080`, judge: null, trusted: false }
  const trust = trustOf(trustProxy)
  const [scheme, host, port, server, serverPort] = forwardedPeer(trust, connection, headers).split('\0')
  assert.deepEqual([server, serverPort], ['s', '80'])
  return { scheme, client: host === '' ? null : [host, Number(port)] }
}

const clientOf = (...args) => seen(...args).client
const xff = (value) => ['X-Forwarded-For', value]
const proto = (value) => ['x-forwarded-proto', value]

describe('X-Forwarded-For', limits, () => {
  test('the right-most address that is not trusted is the client (asgi_139)', () => {
    const chain = xff('6.6.6.6, 5.5.5.5, 10.0.0.2, 127.0.0.9')
    assert.deepEqual(clientOf(['loopback', '10.0.0.0/8'], '127.0.0.1', ...chain), ['5.5.5.5', 0])
    assert.deepEqual(clientOf('loopback', '127.0.0.1', ...chain), ['10.0.0.2', 0])
    assert.deepEqual(clientOf('loopback', '::ffff:127.0.0.1', ...chain), ['10.0.0.2', 0])
    assert.deepEqual(clientOf(true, '9.9.9.9', ...chain), ['6.6.6.6', 0])
  })

  test('a peer that is not trusted is the client itself, whatever it says (asgi_139)', () => {
    assert.deepEqual(seen('loopback', '5.5.5.5', ...xff('1.1.1.1'), ...proto('https')), { scheme: 'http', client: ['5.5.5.5', 40000] })
    assert.deepEqual(clientOf('127.0.0.1', '127.0.0.2', ...xff('1.1.1.1')), ['127.0.0.2', 40000])
  })

  test('a number counts proxies (asgi_139)', () => {
    const chain = xff('6.6.6.6, 5.5.5.5, 4.4.4.4')
    assert.deepEqual(clientOf(1, '3.3.3.3', ...chain), ['4.4.4.4', 0])
    assert.deepEqual(clientOf(2, '3.3.3.3', ...chain), ['5.5.5.5', 0])
    assert.deepEqual(clientOf(9, '3.3.3.3', ...chain), ['6.6.6.6', 0])
    assert.deepEqual(clientOf(1, '', ...chain), ['4.4.4.4', 0])
  })

  test('several lines are one list, in their order', () => {
    assert.deepEqual(clientOf(2, '3.3.3.3', ...xff('6.6.6.6, 5.5.5.5'), 'X-Other', 'x', ...xff('4.4.4.4')), ['5.5.5.5', 0])
  })

  test('an entry that is no address stops the walk: the last good one counts', () => {
    assert.deepEqual(clientOf(true, '3.3.3.3', ...xff('6.6.6.6, unknown, 4.4.4.4')), ['4.4.4.4', 0])
    for (const bad of ['', 'unknown', '_hidden', '1.2.3', '1.2.3.4.5', '::1::', '[1.2.3.4]', '1.2.3.4:99999', '1.2.3.4:', '"4.4.4.4"', 'x'.repeat(5000), '4.4.4.4 5.5.5.5']) {
      assert.deepEqual(clientOf(true, '3.3.3.3', ...xff(`6.6.6.6, ${bad}`)), ['3.3.3.3', 40000], bad)
    }
  })

  test('with ports and brackets, and IPv6', () => {
    assert.deepEqual(clientOf(1, '3.3.3.3', ...xff('4.4.4.4:567')), ['4.4.4.4', 567])
    assert.deepEqual(clientOf(1, '3.3.3.3', ...xff('[2001:db8::1]:567')), ['2001:db8::1', 567])
    assert.deepEqual(clientOf(1, '3.3.3.3', ...xff('[2001:db8::1]')), ['2001:db8::1', 0])
    assert.deepEqual(clientOf(['2001:db8::/32'], '2001:db8::5', ...xff('2001:db9::1, 2001:db8::1')), ['2001:db9::1', 0])
  })

  test('named ranges, and no others', () => {
    const inside = {
      loopback: ['127.255.0.1', '::1'],
      linklocal: ['169.254.3.4', 'fe80::1', 'fe80::1%eth0'],
      uniquelocal: ['10.1.2.3', '172.31.0.1', '192.168.9.9', 'fd12::1', '::ffff:10.0.0.1'],
    }
    const all = Object.values(inside).flat()
    for (const [name, addresses] of Object.entries(inside)) {
      for (const address of all) assert.equal(trustOf(name).trusts(address, 0), addresses.includes(address), `${name} ${address}`)
      assert.equal(trustOf(name).trusts('8.8.8.8', 0), false)
      assert.equal(trustOf(name).trusts('', 0), false)
    }
    assert.equal(trustOf('172.16.0.0/12').trusts('172.32.0.1', 0), false)
    assert.equal(trustOf('0.0.0.0/0').trusts('8.8.8.8', 0), true)
    assert.equal(trustOf('0.0.0.0/0').trusts('2001:db8::1', 0), false)
  })

  test('the peer of a Unix socket is trusted by name', () => {
    assert.deepEqual(clientOf('unix', '', ...xff('4.4.4.4')), ['4.4.4.4', 0])
    assert.deepEqual(clientOf(true, '', ...xff('4.4.4.4')), ['4.4.4.4', 0])
    assert.equal(clientOf(['loopback', 'uniquelocal'], '', ...xff('4.4.4.4')), null)
    assert.equal(clientOf('unix', ''), null)
  })
})

describe('X-Forwarded-Proto', limits, () => {
  const schemeOf = (...args) => seen(...args).scheme

  test('http, https, and what WebSocket calls them (asgi_139)', () => {
    for (const [said, scheme] of Object.entries({ https: 'https', HTTPS: 'https', wss: 'https', http: 'http', ws: 'http', ftp: 'http', '': 'http', constructor: 'http' })) {
      assert.equal(schemeOf(true, '3.3.3.3', ...proto(said)), scheme, said)
    }
  })

  test('the word of the proxy that is nearest to the client, not of the client', () => {
    const chain = xff('6.6.6.6, 5.5.5.5')
    assert.equal(schemeOf(1, '3.3.3.3', ...chain, ...proto('https, http')), 'http')
    assert.equal(schemeOf(2, '3.3.3.3', ...chain, ...proto('https, http')), 'https')
    assert.equal(schemeOf(2, '3.3.3.3', ...chain, ...proto('http, https, http')), 'https')
    assert.equal(schemeOf(3, '3.3.3.3', ...chain, ...proto('https')), 'https')
    assert.equal(schemeOf(1, '3.3.3.3', ...proto('http'), ...proto('https')), 'https')
  })
})

describe('over a socket', limits, () => {
  /** The scope that a request becomes. */
  async function scopeOf(t, options, headers, listen = undefined) {
    const handler = makeHandler(t, 'scope_app:app', options)
    let target
    if (listen === undefined) {
      const { port } = await serve(t, handler.listener)
      target = { host: '127.0.0.1', port }
    } else {
      const server = createServer(handler.listener).listen(listen)
      await once(server, 'listening')
      t.after(() => server.close())
      target = { socketPath: listen }
    }
    const req = request({ ...target, path: '/p', headers, agent: false }).end()
    const [res] = await once(req, 'response')
    return JSON.parse(Buffer.concat(await res.toArray()).toString()).scope
  }

  test('off by default: the headers are there and mean nothing (asgi_139)', async (t) => {
    const scope = await scopeOf(t, {}, { 'x-forwarded-for': '6.6.6.6', 'x-forwarded-proto': 'https' })
    assert.equal(scope.scheme, 'http')
    assert.equal(scope.client.tuple?.[0] ?? scope.client[0], '127.0.0.1')
    assert.ok(scope.headers.some((pair) => (pair.tuple ?? pair)[0].bytes === 'x-forwarded-for'))
  })

  test('on, from a trusted peer (asgi_139)', async (t) => {
    const scope = await scopeOf(t, { trustProxy: 'loopback' }, { 'x-forwarded-for': '7.7.7.7, 6.6.6.6', 'x-forwarded-proto': 'https' })
    assert.equal(scope.scheme, 'https')
    assert.deepEqual(scope.client.tuple ?? scope.client, ['6.6.6.6', 0])
  })

  test('through a Unix socket (asgi_139)', async (t) => {
    const path = join(temporaryFolder(t), 's')
    const headers = { 'x-forwarded-for': '6.6.6.6' }
    const trusted = await scopeOf(t, { trustProxy: ['unix'] }, headers, path)
    assert.deepEqual(trusted.client.tuple ?? trusted.client, ['6.6.6.6', 0])
    assert.deepEqual(trusted.server.tuple ?? trusted.server, [path, null])
    const plain = await scopeOf(t, { trustProxy: 'loopback' }, headers, join(temporaryFolder(t), 's'))
    assert.equal(plain.client, null)
  })
})

describe('where the app is mounted', limits, () => {
  /** root_path, path, raw_path and query of a request, after `listener` has made of it what Express makes. */
  async function placed(t, options, target, change = () => {}) {
    const handler = makeHandler(t, 'echo_app:app', options)
    const { url } = await serve(t, (req, res) => {
      change(req)
      handler.listener(req, res)
    })
    const response = await fetch(url + target)
    assert.equal(response.status, 200)
    const { root_path: root, path, raw_path: raw, query_string: query } = await response.json()
    return [root, path, raw, query]
  }
  /** What Express does with a request for `app.use(base, listener)`. */
  const mount = (base) => (req) => {
    req.originalUrl = req.url
    req.baseUrl = base
    req.url = req.url.slice(base.length)
    if (req.url[0] !== '/') req.url = `/${req.url}`
  }

  test('rootPath is put in front, and its last slash is dropped (asgi_28)', async (t) => {
    assert.deepEqual(await placed(t, { rootPath: '/a b/' }, '/x%20y?q'), ['/a b', '/a b/x y', '/a%20b/x%20y', 'q'])
    assert.deepEqual(await placed(t, { rootPath: '/' }, '/x'), ['', '/x', '/x', ''])
  })

  test('rootPathStripped: it is there already (asgi_28)', async (t) => {
    assert.deepEqual(await placed(t, { rootPath: '/api', rootPathStripped: true }, '/api/x?q'), ['/api', '/api/x', '/api/x', 'q'])
  })

  test('OPTIONS * is under no root', async (t) => {
    const handler = makeHandler(t, 'echo_app:app', { rootPath: '/api' })
    const { port } = await serve(t, handler.listener)
    const req = request({ port, host: '127.0.0.1', method: 'OPTIONS', path: '*' }).end()
    const [res] = await once(req, 'response')
    const { root_path: root, path, raw_path: raw } = JSON.parse(Buffer.concat(await res.toArray()).toString())
    assert.deepEqual([root, path, raw], ['/api', '*', '*'])
  })

  test("Express's baseUrl is root path, and nothing is doubled (asgi_28)", async (t) => {
    assert.deepEqual(await placed(t, {}, '/api/x%2Fy?q', mount('/api')), ['/api', '/api/x/y', '/api/x%2Fy', 'q'])
    assert.deepEqual(await placed(t, {}, '/a%20b/x', mount('/a%20b')), ['/a b', '/a b/x', '/a%20b/x', ''])
    assert.deepEqual(await placed(t, {}, '/%E2%82%AC/x', mount('/%E2%82%AC')), ['/€', '/€/x', '/%E2%82%AC/x', ''])
    assert.deepEqual(await placed(t, {}, '/api?q', mount('/api')), ['/api', '/api', '/api', 'q'])
    assert.deepEqual(await placed(t, {}, '/api/?q', mount('/api')), ['/api', '/api/', '/api/', 'q'])
  })

  test('both: the outer one first', async (t) => {
    assert.deepEqual(await placed(t, { rootPath: '/out' }, '/in/x', mount('/in')), ['/out/in', '/out/in/x', '/out/in/x', ''])
    const stripped = { rootPath: '/out', rootPathStripped: true }
    assert.deepEqual(await placed(t, stripped, '/out/in/x', mount('/out/in')), ['/out/in', '/out/in/x', '/out/in/x', ''])
  })

  test('a url that somebody has rewritten below the mount is taken as it is now', async (t) => {
    const rewrite = (req) => {
      mount('/api')(req)
      req.url = `/v2${req.url}`
    }
    assert.deepEqual(await placed(t, {}, '/api/x?q', rewrite), ['/api', '/api/v2/x', '/api/v2/x', 'q'])
  })

  test('a mount that cannot be sent is 400', async (t) => {
    const handler = makeHandler(t, 'echo_app:app')
    for (const base of ['/a\0b', '/a%00b', '/a b', '/\u20ac']) {
      const { url } = await serve(t, (req, res) => handler.listener(Object.assign(req, { baseUrl: base, originalUrl: req.url }), res))
      assert.equal((await fetch(url)).status, 400, JSON.stringify(base))
    }
  })
})
