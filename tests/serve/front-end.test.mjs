// --static and --proxy: a front end and its Python under one origin.
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { openPolitely, rawExchange, temporaryFolder, until } from '../node/support.mjs'
import { request, startServer, suiteScope } from './support.mjs'

describe('--static', () => {
  const scope = suiteScope(after)
  const folder = temporaryFolder(scope, { 'index.html': '<p>home</p>', 'secret.txt': 'not served' })
  let server
  before(async () => {
    for (const name of ['assets', 'assets/deep']) mkdirSync(join(folder, name))
    writeFileSync(join(folder, 'assets', 'app.js'), 'let a = 1\n')
    writeFileSync(join(folder, 'assets', 'deep', 'index.html'), 'deep')
    mkdirSync(join(folder, 'assets', 'deep', 'deeper'))
    // No user, not even root, can look into it: it leads to itself.
    symlinkSync('locked', join(folder, 'assets', 'locked'))
    server = await startServer(scope, ['--static', `${join(folder, 'assets')}:/assets`, '--static', `${join(folder, 'assets', 'deep')}:/`, '--header', 'x-a: 1', '--health-path', '/healthz'])
  })

  test('files come before the application, with type, validators and ranges', async () => {
    const file = await request({ port: server.port, path: '/assets/app.js' })
    assert.deepEqual([file.status, file.text, file.headers['x-a'], file.headers.server], [200, 'let a = 1\n', '1', 'asgi-node'])
    assert.match(file.headers['content-type'], /^text\/javascript/)
    const again = await request({ port: server.port, path: '/assets/app.js', headers: { 'if-none-match': file.headers.etag } })
    assert.deepEqual([again.status, again.text], [304, ''])
    const end = await request({ port: server.port, path: '/assets/app.js', headers: { range: 'bytes=-2' } })
    assert.deepEqual([end.status, end.text], [206, '1\n'])
    const head = await request({ port: server.port, path: '/assets/app.js', method: 'HEAD' })
    assert.deepEqual([head.status, head.headers['content-length'], head.text], [200, '10', ''])
    assert.equal((await request({ port: server.port, path: '/' })).text, 'deep', 'the page of the second folder')
    assert.equal((await request({ port: server.port, path: '/assets/deep' })).headers.location, '/assets/deep/')
  })

  test('a part or a version that is not there is refused with its own status, and says nothing of the file', async () => {
    for (const [headers, status] of [[{ range: 'bytes=99-' }, 416], [{ 'if-match': '"other"' }, 412], [{ 'if-unmodified-since': 'Sun, 01 Jan 2017 00:00:00 GMT' }, 412]]) {
      const refused = await request({ port: server.port, path: '/assets/app.js', headers })
      assert.deepEqual([refused.status, refused.headers.etag, refused.headers['cache-control']], [status, undefined, undefined])
      assert.equal(refused.headers['content-range'], status === 416 ? 'bytes */10' : undefined)
    }
  })

  test('what is not there, and what is no GET, is the application\'s, with its path', async () => {
    assert.equal((await request({ port: server.port, path: '/assets/none.js' })).text, 'not here')
    assert.equal((await request({ port: server.port, path: '/assets/app.js', method: 'POST' })).text, 'not here')
    const facts = await server.facts()
    assert.deepEqual([facts.path, facts.root_path], ['/facts', ''])
    assert.equal((await request({ port: server.port, path: '/assetsfacts' })).status, 404)
  })

  test('nothing outside of the folder is served', async (t) => {
    for (const path of ['/assets/../secret.txt', '/assets/%2e%2e/secret.txt', '/assets/..%2fsecret.txt', '/assets//../../secret.txt', '/assets/%00']) {
      const client = await openPolitely(t, server.port)
      client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      await client.ended
      assert.match(client.received, /^HTTP\/1\.1 4\d\d /, path)
      assert.ok(!client.received.includes('not served'), path)
    }
  })

  test('files, redirects and refusals are in the access log once, with their whole path', async () => {
    await request({ port: server.port, path: '/assets/app.js?v=2' })
    await request({ port: server.port, path: '/assets/deep?v=3' })
    await request({ port: server.port, path: '/assets' })
    await request({ port: server.port, path: '/assets/app.js?v=4', headers: { range: 'bytes=99-' } })
    await request({ port: server.port, path: '/assets/locked/file' })
    const told = () => [...server.stdout.matchAll(/"GET (.*) HTTP\/1\.1" (\d+)/g)].map(([, path, status]) => `${path} ${status}`)
    await until(() => told().includes('/assets/locked/file 500'))
    const from = told().indexOf('/assets/app.js?v=2 200')
    assert.deepEqual(told().slice(from), ['/assets/app.js?v=2 200', '/assets/deep?v=3 301', '/assets 301', '/assets/app.js?v=4 416', '/assets/locked/file 500'])
  })

  test('a folder without a slash is redirected to this server, with its query', async (t) => {
    for (const [path, location] of [
      ['/assets/deep?a=b', '/assets/deep/?a=b'],
      ['/assets', '/assets/'],
      // Two slashes, or a backslash, would be the name of another server.
      ['//deeper', '/deeper/'],
      ['/\\deeper', undefined],
    ]) {
      const received = await rawExchange(t, server.port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      assert.equal(/\r\nlocation: (.*)\r\n/i.exec(received)?.[1], location, path)
    }
  })

  test('a target with a scheme and a host is understood, as every server has to', async (t) => {
    const get = (target) => rawExchange(t, server.port, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    assert.match(await get('http://a/assets/app.js?x'), /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nlet a = 1\n$/)
    assert.match(await get('HTTP://a:8000'), /deep$/)
    assert.match(await get('http://a/facts'), /"path":\s*"\/facts"/)
    assert.match(await get('http://a/healthz/ready'), /"ready":true/)
  })
})

describe('--proxy', () => {
  const scope = suiteScope(after)
  let server
  let dev
  before(async () => {
    dev = createServer((req, res) => res.setHeader('x-dev', 'yes').end(`dev ${req.method} ${req.url} ${req.headers['x-forwarded-host'] ?? ''}`)).listen(0, '127.0.0.1')
    const sockets = new WebSocketServer({ server: dev, handleProtocols: (names) => [...names][0], verifyClient: ({ req }, done) => done(req.url !== '/dev/refused', 403) })
    sockets.on('connection', (socket, req) =>
      socket.on('message', (data) => {
        if (String(data) === 'leave') req.socket.resetAndDestroy()
        else socket.send(`dev ${req.url} ${data}`)
      }),
    )
    await new Promise((resolve) => dev.once('listening', resolve))
    const target = `http://127.0.0.1:${dev.address().port}`
    server = await startServer(scope, ['--proxy', `/=${target}`, '--proxy', `/dev=${target}`, '--proxy', '/dev/gone=http://127.0.0.1:1', '--health-path', '/healthz'])
    scope.after(() => {
      sockets.close()
      dev.closeAllConnections()
      dev.close()
    })
  })

  test('a prefix is another server\'s, whatever the method', async () => {
    const { status, text, headers } = await request({ port: server.port, path: '/dev/x?y=1', method: 'POST', headers: { 'content-length': 2 } }, 'ab')
    assert.deepEqual([status, text, headers['x-dev']], [200, `dev POST /dev/x?y=1 127.0.0.1:${server.port}`, 'yes'])
    assert.equal((await request({ port: server.port, path: '/devils', method: 'POST' })).text, 'not here', 'it is a path, not a beginning')
    await until(() => /"POST \/dev\/x\?y=1 HTTP\/1\.1" 200 OK/.test(server.stdout), 'its line in the access log')
  })

  test('"/" is what the application answers with 404', async () => {
    assert.equal((await server.facts()).path, '/facts')
    assert.match((await request({ port: server.port, path: '/page' })).text, /^dev GET \/page /)
    assert.equal((await request({ port: server.port, path: '/page', method: 'POST' })).text, 'not here')
    assert.equal(JSON.parse((await request({ port: server.port, path: '/healthz' })).text).ready, true)
  })

  test('a server that does not answer is 502, and said', async () => {
    const { status, text } = await request({ port: server.port, path: '/dev/gone/x' })
    assert.deepEqual([status, text], [502, 'Bad Gateway'])
    await until(() => server.stderr.includes('WARNING:  The server of --proxy /dev/gone=http://127.0.0.1:1 does not answer: ECONNREFUSED\n'), server.stderr)
  })

  test('WebSockets: those of the prefix and of vite go there, others to the application', async (t) => {
    const say = async (path, protocol) => {
      const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, protocol)
      t.after(() => socket.terminate())
      await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
      const answer = new Promise((resolve) => socket.once('message', (data) => resolve(String(data))))
      socket.send('hello')
      return answer
    }
    assert.equal(await say('/dev/hmr'), 'dev /dev/hmr hello')
    assert.equal(await say('/', 'vite-hmr'), 'dev / hello')
    assert.equal(await say('/'), 'echo hello')
  })

  test('an upgrade to anything but a WebSocket is a plain request', async () => {
    const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQCAAAAAAIAAAAA' }
    const { status, text } = await request({ port: server.port, path: '/dev/x', headers })
    assert.deepEqual([status, text], [200, `dev GET /dev/x 127.0.0.1:${server.port}`])
  })

  test('a target with a scheme and a host goes there, with its path', async (t) => {
    const received = await rawExchange(t, server.port, 'GET http://a/dev/x?y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    assert.match(received, /\r\n\r\n(?:.*\r\n)?dev GET \/dev\/x\?y a/)
    const upgrade = await rawExchange(t, server.port, 'GET http://a/dev/gone/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n')
    assert.match(upgrade, /^HTTP\/1\.1 502 Bad Gateway\r\n/)
  })

  test('a WebSocket to a server that does not answer gets 502, and one that it refuses gets its answer', async (t) => {
    const refusal = (path) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`)
        t.after(() => socket.terminate())
        socket.on('unexpected-response', (_, res) => resolve(res.statusCode)).on('error', reject)
      })
    assert.equal(await refusal('/dev/gone/ws'), 502)
    assert.equal(await refusal('/dev/refused'), 403)
    assert.ok(server.stderr.includes('/dev/gone=http://127.0.0.1:1 does not answer: ECONNREFUSED'))
    await until(() => /"WebSocket \/dev\/gone\/ws" 502 /.test(server.stdout) && /"WebSocket \/dev\/refused" 403 /.test(server.stdout), server.stdout)
  })

  test('a client that leaves, and a server that goes while it is connected, are no failures of the proxy', async (t) => {
    const { stderr } = server
    const open = async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${server.port}/dev/left`)
      t.after(() => socket.terminate())
      socket.on('error', () => {})
      await new Promise((resolve) => socket.on('open', resolve))
      return socket
    }
    const first = await open()
    first.terminate()
    const second = await open()
    const closed = new Promise((resolve) => second.on('close', resolve))
    second.send('leave')
    assert.equal(await closed, 1006)
    await until(() => server.stdout.match(/"WebSocket \/dev\/left" \[accepted\] - /g)?.length === 2, server.stdout)
    assert.equal(server.stderr, stderr)
  })

  test('a WebSocket to a server that does not answer ends, and the command ends with its sockets open', async (t) => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/dev/gone`)
    t.after(() => socket.terminate())
    await new Promise((resolve) => socket.on('error', resolve))
    const open = new WebSocket(`ws://127.0.0.1:${server.port}/dev/hmr`)
    t.after(() => open.terminate())
    await new Promise((resolve, reject) => open.on('open', resolve).on('error', reject))
    const from = performance.now()
    server.child.kill('SIGTERM')
    assert.deepEqual(await server.exited, { code: 0, signal: null })
    assert.ok(performance.now() - from < 5000)
  })
})
