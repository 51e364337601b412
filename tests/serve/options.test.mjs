// What each option changes, seen from outside. Servers are shared where that does not hide anything.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { freePort } from '../repository/documents.mjs'
import { apps, openPolitely, pythonExecutable, rawExchange, temporaryFolder, until } from '../node/support.mjs'
import { request, run, start, startServer, suiteScope } from './support.mjs'

/** A WebSocket that is open, with what it has received. */
async function connect(t, server, options = {}) {
  const { path = '/socket', ...rest } = options
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, rest)
  t.after(() => socket.terminate())
  const messages = []
  socket.on('message', (data) => messages.push(String(data)))
  const closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)))
  socket.on('error', () => {})
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
  return { socket, messages, closed }
}

describe('without options', () => {
  const scope = suiteScope(after)
  let server
  before(async () => (server = await startServer(scope, [], { env: { SERVE_APP_VARIABLE: 'of the shell' } })))

  test('the application runs on 127.0.0.1, with its lifespan, on uvloop', async () => {
    const facts = await server.facts()
    assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/)
    assert.deepEqual([facts.loop, facts.started, facts.cwd, facts.root_path, facts.scheme, facts.http_version], ['uvloop', true, apps.replace(/\/$/, ''), '', 'http', '1.1'])
    assert.equal(facts.pid, server.pid)
  })

  test('the start says what runs, and where', () => {
    const lines = server.stderr.trimEnd().split('\n')
    assert.match(lines[0], /^INFO: {5}Python 3\.\d+\.\d+\S* \(\/.*\), uvloop; Node\.js \d+\.\d+\.\d+; process \d+$/)
    assert.match(lines[1], /^INFO: {5}asgi-node \d+\.\d+\.\d+ serves serve_app:app on http:\/\/127\.0\.0\.1:\d+ \(Press CTRL\+C to quit\)$/)
    assert.equal(lines.length, 2, server.stderr)
  })

  test("a response has Server and Date, where the application does not say otherwise; Connection is Node's", async () => {
    const { headers } = await request({ port: server.port, path: '/facts' })
    assert.equal(headers.server, 'asgi-node')
    assert.match(headers.date, / GMT$/)
    const own = await request({ port: server.port, path: '/headers' })
    assert.deepEqual([own.headers.server, own.headers['x-own'], own.text], ['mine', '1', 'own'])
  })

  test('each request has a line in the access log, as uvicorn writes it', async () => {
    await request({ port: server.port, path: '/nothing?here' })
    await until(() => /^INFO: {5}127\.0\.0\.1:\d+ - "GET \/nothing\?here HTTP\/1\.1" 404 Not Found \d+\.\dms$/m.test(server.stdout), 'the line')
  })

  test('proxies on this machine are believed', async () => {
    const { client, scheme } = await server.facts({ headers: { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' } })
    assert.deepEqual([client, scheme], [['203.0.113.7', 0], 'https'])
  })

  test('WebSockets are served and compressed, and records of the application logged from INFO on', async (t) => {
    const { socket, messages } = await connect(t, server)
    assert.equal(socket.extensions.startsWith('permessage-deflate'), true)
    socket.send('hello')
    await until(() => messages.includes('echo hello'))
    await server.json('/log')
    await until(() => server.stderr.includes('INFO:     serve_app: said by the application\n'))
  })

  test('headers of more than 16 KiB are refused', async () => {
    assert.equal((await request({ port: server.port, path: '/facts', headers: { 'x-large': 'a'.repeat(17_000) } })).status, 431)
    assert.equal((await request({ port: server.port, path: '/facts', headers: { 'x-large': 'a'.repeat(15_000) } })).status, 200)
  })

  test('a port that is in use is said in one line, before the application is imported', async (t) => {
    const outcome = await run(t, ['no_such_module:app', '--port', String(server.port)])
    assert.deepEqual(outcome, { code: 1, signal: null, stdout: '', stderr: `asgi-node: Port ${server.port} of 127.0.0.1 is in use: stop the other server, or choose another --port\n` })
  })
})

describe('many options at once', () => {
  const scope = suiteScope(after)
  let server
  const args = [
    '--root-path', '/api', '--header', 'X-A: 1', '--header', 'x-a:2', '--header', 'X-B: b: c', '--no-server-header', '--no-date-header', '--no-proxy-headers',
    '--loop', 'asyncio', '--lifespan', 'off', '--ws-max-size', '100', '--ws-per-message-deflate', 'false', '--limit-concurrency', '2',
    '--h11-max-incomplete-event-size', '2000', '--health-path', '/healthz', '--no-access-log', '--log-level', 'warning', '--timeout-keep-alive', '0.3',
    '--factory', '--host', '0.0.0.0', '--ws-ping-interval', '0.1', '--ws-ping-timeout', '0.1', '--interface', 'asgi3', '--python', pythonExecutable(),
  ]
  before(async () => {
    // Its level says nothing of where it listens.
    const port = await freePort()
    const running = start(scope, ['serve_app:make', '--port', String(port), ...args])
    server = Object.assign(running, { port, url: `http://127.0.0.2:${port}` })
    await until(async () => (await fetch(`${server.url}/healthz`).catch(() => null))?.ok, 'the server', 60_000)
    server.facts = async () => (await fetch(`${server.url}/facts`)).json()
  })

  test('--factory, --root-path, --loop, --lifespan, --interface, --python', async () => {
    const facts = await server.facts()
    assert.deepEqual([facts.root_path, facts.path, facts.loop, facts.started], ['/api', '/api/facts', 'asyncio', false])
  })

  test('--header, --no-server-header, --no-date-header', async () => {
    const { headers, rawHeaders } = await request({ port: server.port, path: '/facts' })
    assert.deepEqual([headers['x-a'], headers['x-b'], headers.server, headers.date], ['1, 2', 'b: c', undefined, undefined])
    assert.equal(rawHeaders.filter((name) => name.toLowerCase() === 'x-a').length, 2)
  })

  test('--no-proxy-headers', async () => {
    const response = await fetch(`${server.url}/facts`, { headers: { 'x-forwarded-for': '203.0.113.7' } })
    assert.notEqual((await response.json()).client[0], '203.0.113.7')
  })

  test('--log-level warning and --no-access-log: nothing is said', async () => {
    await fetch(`${server.url}/log`)
    assert.deepEqual([server.stdout, server.stderr], ['', ''])
  })

  test('--h11-max-incomplete-event-size', async () => {
    assert.equal((await request({ port: server.port, path: '/facts', headers: { 'x-large': 'a'.repeat(2500) } })).status, 431)
  })

  test('--timeout-keep-alive: an idle connection ends', async (t) => {
    const client = await openPolitely(t, server.port)
    client.write('GET /facts HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => client.received.includes('200 OK'))
    const from = performance.now()
    await client.ended
    // Node 24.7 and later add a second, so that a request that is under way is not lost.
    assert.ok(performance.now() - from < 3000, `${performance.now() - from} ms`)
  })

  test('--limit-concurrency: one request more gets 503', async () => {
    const slow = [1, 2].map(() => request({ port: server.port, path: '/slow?seconds=0.5' }))
    await until(async () => JSON.parse((await request({ port: server.port, path: '/healthz' })).text).inFlight === 2, 'both')
    assert.equal((await request({ port: server.port, path: '/facts' })).status, 503)
    assert.deepEqual((await Promise.all(slow)).map(({ status }) => status), [200, 200])
  })

  test('--health-path: readiness and liveness', async () => {
    for (const path of ['/healthz', '/healthz/ready', '/healthz/live', '/healthz/ready?probe=1']) {
      const response = await fetch(server.url + path)
      assert.equal(response.status, 200)
      assert.equal(response.headers.get('cache-control'), 'no-store')
      assert.deepEqual(await response.json(), { ready: true, live: true, draining: false, inFlight: 0 })
    }
    assert.equal((await request({ port: server.port, path: '/healthz', method: 'HEAD' })).text, '')
    assert.equal((await fetch(`${server.url}/healthz/other`)).status, 404)
    assert.equal((await fetch(`${server.url}/healthz`, { method: 'POST' })).status, 404)
  })

  test('--ws-max-size, --ws-per-message-deflate', async (t) => {
    const { socket, closed } = await connect(t, { port: server.port })
    assert.equal(socket.extensions, '')
    socket.send('x'.repeat(101))
    assert.equal(await closed, 1009)
  })

  test('--ws-ping-interval and --ws-ping-timeout: a client that does not answer is left', async (t) => {
    const { socket, closed } = await connect(t, { port: server.port }, { autoPong: false })
    const pinged = new Promise((resolve) => socket.once('ping', resolve))
    await pinged
    assert.equal(await closed, 1011)
  })
})

test('--app-dir, --cwd, --env-file, --venv and --log-level reach Python', async (t) => {
  const folder = temporaryFolder(t, { '.env': '\uFEFFexport FROM_FILE="of the file"\nFROM_SHELL=of the file\n' })
  const venv = pythonExecutable().replace(/\/bin\/[^/]+$/, '')
  const server = await startServer(t, ['--app-dir', apps, '--cwd', folder, '--env-file', join(folder, '.env'), '--venv', venv, '--log-level', 'trace'], {
    env: { FROM_SHELL: 'of the shell', ASGI_NODE_PYTHON: undefined },
  })
  const [file, shell] = [await server.json('/facts?env=FROM_FILE'), await server.json('/facts?env=FROM_SHELL')]
  assert.deepEqual([file.env, shell.env, file.cwd, file.prefix], ['of the file', 'of the shell', folder, venv])
  // DEBUG of the application, below what is logged otherwise.
  await server.json('/slow?seconds=0')
  await until(() => server.stderr.includes('DEBUG:    serve_app: slow\n'))
})

describe('--forwarded-allow-ips', () => {
  test('* believes everybody, a list those in it, and uvicorn\'s variable counts', async (t) => {
    const everybody = await startServer(t, ['--forwarded-allow-ips', '*', '--access-log-format', 'json'])
    const nobody = await startServer(t, ['--access-log-format', 'combined', '--use-colors'], { env: { FORWARDED_ALLOW_IPS: '10.0.0.0/8' } })
    const init = { headers: { 'x-forwarded-for': '203.0.113.7, 203.0.113.8', 'user-agent': 'me' } }
    assert.equal((await everybody.facts(init)).client[0], '203.0.113.7')
    assert.equal((await nobody.facts(init)).client[0], '127.0.0.1')
    await until(() => everybody.stdout.includes('"url":"/facts"'), '--access-log-format json')
    assert.equal(JSON.parse(everybody.stdout.split('\n')[0]).clientAddress, '203.0.113.7')
    await until(() => /^127\.0\.0\.1 - - \[.*\] "GET \/facts HTTP\/1\.1" 200 \d+ "-" "me" \d\.\d{3}$/m.test(nobody.stdout), `--access-log-format combined: ${nobody.stdout}`)
    // --use-colors, in no terminal.
    assert.ok(nobody.stderr.startsWith('\u001B[32mINFO\u001B[39m:     Python'), nobody.stderr)
    assert.doesNotMatch(everybody.stderr, /\u001B/)
  })

  test('colours in the access log', async (t) => {
    const server = await startServer(t, ['--use-colors'])
    await request({ port: server.port, path: '/nothing' })
    await until(() => /^\u001B\[32mINFO\u001B\[39m: {5}127\.0\.0\.1:\d+ - \u001B\[1m"GET \/nothing HTTP\/1\.1"\u001B\[22m\u001B\[31m 404 Not Found .*\u001B\[39m$/m.test(server.stdout), server.stdout)
  })
})

test('--limit-max-requests ends the server, and the request is answered', async (t) => {
  const server = await startServer(t, ['--limit-max-requests', '3', '--limit-max-requests-jitter', '1'])
  const answers = []
  for (let i = 0; i < 6; i++) answers.push((await request({ port: server.port, path: '/facts' }).catch(() => ({}))).status)
  assert.deepEqual(await server.exited, { code: 0, signal: null })
  const served = answers.filter((status) => status === 200).length
  assert.ok(served === 3 || served === 4, String(answers))
})

test('--limit-max-requests-jitter: some more, at random', async (t) => {
  const server = await startServer(t, ['--limit-max-requests', '1', '--limit-max-requests-jitter', '1000000000'])
  for (let i = 0; i < 5; i++) assert.equal((await request({ port: server.port, path: '/facts' })).status, 200)
  assert.equal(server.child.exitCode, null)
})

test('--limit-max-requests counts what the application gets, and no probe', async (t) => {
  const server = await startServer(t, ['--limit-max-requests', '2', '--health-path', '/healthz'])
  for (let n = 0; n < 4; n += 1) assert.equal((await request({ port: server.port, path: '/healthz' })).status, 200)
  await server.facts()
  assert.equal(server.child.exitCode, null)
})

test('--ws-max-queue: a client that sends more than the application reads has to wait', async (t) => {
  const [few, usual] = await Promise.all([startServer(t, ['--ws-max-queue', '1', '--timeout-keep-alive', '0']), startServer(t, [])])
  const sockets = await Promise.all([few, usual].map(({ port }) => connect(t, { port }, { path: '/deaf', perMessageDeflate: false })))
  // A ping behind messages that had to wait is not read.
  const pongs = sockets.map(({ socket }) => new Promise((resolve) => socket.once('pong', () => resolve('pong'))))
  for (const { socket } of sockets) for (let i = 0; i < 10; i++) socket.send('hello')
  // Not in one packet with them.
  await sleep(200)
  for (const { socket } of sockets) socket.ping()
  assert.equal(await pongs[1], 'pong', 'ten are taken, of 32 that may wait')
  assert.equal(await Promise.race([pongs[0], sleep(300, 'none')]), 'none')
  // --timeout-keep-alive 0: a connection is for one request.
  const received = await rawExchange(t, few.port, 'GET /facts HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.match(received, /\r\nConnection: close\r\n/)
})

test('--interface: what the application is taken for', async (t) => {
  const folder = temporaryFolder(t, { 'double.py': 'def app(scope):\n    async def run(receive, send):\n        await send({"type": "http.response.start", "status": 204})\n        await send({"type": "http.response.body"})\n    return run\n' })
  const [right, wrong] = await Promise.all(['asgi2', 'asgi3'].map((name) => startServer(t, ['--interface', name, '--lifespan', 'off'], { cwd: folder, app: 'double:app' })))
  assert.equal((await request({ port: right.port, path: '/' })).status, 204)
  assert.equal((await request({ port: wrong.port, path: '/' })).status, 500)
})

describe('the environment and files', () => {
  test('the command line comes before the environment, this before files, and the configuration before pyproject.toml', async (t) => {
    const folder = temporaryFolder(t, {
      'asgi-node.config.json': JSON.stringify({ app: 'serve_app:app', appDir: apps, port: 0, header: ['x-a: file'], rootPath: '/file', accessLog: false, drain_delay: 0 }),
      'pyproject.toml': `[tool.asgi-node]\nhealth-path = "/toml"\nroot-path = "/toml"\nport = 1\nheader = "x-b: toml"\n`,
    })
    const server = await startServer(t, ['--root-path', '/line', '--port', '0'], { cwd: folder, app: '', env: { ASGI_NODE_HEADER: 'x-a: env\nx-c: env', ASGI_NODE_ROOT_PATH: '/env', ASGI_NODE_DATE_HEADER: 'off', ASGI_NODE_PORT: '2' } })
    const { headers, text } = await request({ port: server.port, path: '/facts' })
    assert.deepEqual([headers['x-a'], headers['x-b'], headers['x-c'], headers.date, JSON.parse(text).root_path], ['env', undefined, 'env', undefined, '/line'])
    assert.equal((await request({ port: server.port, path: '/toml/ready' })).status, 200)
    assert.equal(server.stdout, '')
  })

  test('--config names a module', async (t) => {
    const folder = temporaryFolder(t, { 'here.mjs': `export default { app: 'serve_app:app', appDir: ${JSON.stringify(apps)}, port: 0, header: ['x-a: ' + 1 + 1] }` })
    const server = await startServer(t, ['--config', 'here.mjs', '--port=0'], { cwd: folder, app: '' })
    assert.equal((await request({ port: server.port, path: '/facts' })).headers['x-a'], '11')
  })
})

test('--backlog is what listen() is told', async (t) => {
  const server = await startServer(t, ['--backlog', '7'])
  // Of a socket that listens, ss and /proc/net/tcp show it in the kernel's table only to ss: /proc has no column for it.
  const { execFileSync } = await import('node:child_process')
  const line = execFileSync('ss', ['-ltnH', `sport = :${server.port}`], { encoding: 'utf8' })
  assert.equal(line.trim().split(/\s+/)[2], '7')
  assert.ok(readFileSync('/proc/net/tcp', 'utf8').includes(server.port.toString(16).toUpperCase().padStart(4, '0')))
})
