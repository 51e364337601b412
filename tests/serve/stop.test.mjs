// Signals, draining and exit codes, seen from outside.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import http2 from 'node:http2'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { certificates } from '../node/certificates.mjs'
import { openPolitely, temporaryFolder, until } from '../node/support.mjs'
import { request, run, start, startServer } from './support.mjs'

const notesIn = (folder) => {
  const path = join(folder, 'notes')
  return { env: { SERVE_APP_NOTES: path }, read: () => (existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []) }
}

describe('SIGTERM and SIGINT', () => {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    test(`${signal}: what is under way is finished, the lifespan ends, exit code 0`, async (t) => {
      const notes = notesIn(temporaryFolder(t))
      const server = await startServer(t, ['--health-path', '/healthz'], { env: notes.env })
      const idle = await openPolitely(t, server.port)
      idle.write('GET /facts HTTP/1.1\r\nHost: a\r\n\r\n')
      await until(() => idle.received.includes('"pid"'))
      const slow = request({ port: server.port, path: '/slow?seconds=0.7' })
      await until(async () => JSON.parse((await request({ port: server.port, path: '/healthz' })).text).inFlight === 1)
      server.child.kill(signal)
      const { status, headers } = await slow
      assert.deepEqual([status, headers.connection], [200, 'close'])
      assert.deepEqual(await server.exited, { code: 0, signal: null })
      assert.deepEqual(notes.read(), ['startup', 'slow is over', 'shutdown'])
      assert.match(server.stderr, /INFO: {5}Shutting down: waiting for requests to finish \(CTRL\+C to force quit\)\nINFO: {5}Finished process \d+\n$/)
    })

    test(`${signal} twice: at once, and the exit code says so`, async (t) => {
      const notes = notesIn(temporaryFolder(t))
      const server = await startServer(t, ['--health-path', '/healthz'], { env: notes.env })
      const slow = request({ port: server.port, path: '/slow?seconds=30' }).catch((error) => error.code)
      await until(async () => JSON.parse((await request({ port: server.port, path: '/healthz' })).text).inFlight === 1)
      server.child.kill(signal)
      await until(() => server.stderr.includes('Shutting down'))
      const from = performance.now()
      server.child.kill(signal)
      assert.deepEqual(await server.exited, { code: signal === 'SIGTERM' ? 143 : 130, signal: null })
      assert.ok(performance.now() - from < 4000, `${performance.now() - from} ms`)
      assert.equal(await slow, 'ECONNRESET')
      assert.deepEqual(notes.read(), ['startup', 'shutdown'])
    })
  }

  for (const workers of ['0', '1']) {
    test(`before the application has started (--workers ${workers}): its start is waited for, no longer than for requests, and a second time it is not`, async (t) => {
      const app = (start) => `import asyncio, time\nopen(__name__, "w").close()\n${start}\nasync def app(scope, receive, send):\n    await receive()\n    await asyncio.sleep(wait)\n    await send({"type": "lifespan.startup.complete"})\n    await receive()\n    print("shutdown", flush=True)\n    await send({"type": "lifespan.shutdown.complete"})\n`
      const folder = temporaryFolder(t, {
        'slow.py': app('wait = 1'),
        'stuck.py': app('wait = 60'),
        'blocked.py': app('time.sleep(60)'),
      })
      const stopped = async (name, signals, ...args) => {
        const running = start(t, [`${name}:app`, '--port', '0', '--workers', workers, '--log-level', 'debug', ...args], { cwd: folder })
        await until(() => existsSync(join(folder, name)), 'its import', 60_000)
        rmSync(join(folder, name))
        await sleep(300)
        const from = performance.now()
        running.child.kill('SIGTERM')
        await until(() => running.stderr.includes('INFO:     Shutting down: waiting for the application to start (CTRL+C to force quit)\n'), 'what it waits for')
        if (signals === 2) running.child.kill('SIGTERM')
        const { code } = await running.exited
        return { code, stdout: running.stdout, stderr: running.stderr, seconds: (performance.now() - from) / 1000 }
      }
      const slow = await stopped('slow', 1)
      assert.deepEqual([slow.code, slow.stdout], [0, 'shutdown\n'])
      const stuck = await stopped('stuck', 1, '--timeout-graceful-shutdown', '1')
      assert.equal(stuck.code, 3)
      assert.match(stuck.stderr, /ERROR: {4}LIFESPAN_STARTUP_FAILED: The application could not be shut down: it has not started in time\n/)
      const blocked = await stopped('blocked', 1, '--timeout-graceful-shutdown', '1.5')
      assert.equal(blocked.code, 3)
      assert.equal(blocked.stderr.match(/The application could not be shut down/g).length, 1, blocked.stderr)
      const twice = await stopped('blocked', 2)
      assert.equal(twice.code, 143)
      for (const { seconds } of [slow, stuck, blocked, twice]) assert.ok(seconds < 8, String(seconds))
    })
  }

  test('sessions of HTTP/2 get GOAWAY; their streams are finished, or cut when their time is over', async (t) => {
    const keys = certificates(t)
    const folder = temporaryFolder(t, { 'cert.pem': keys.server.cert, 'key.pem': keys.server.key })
    const server = await startServer(t, ['--http2', '--ssl-certfile', join(folder, 'cert.pem'), '--ssl-keyfile', join(folder, 'key.pem'), '--timeout-graceful-shutdown', '1.5'])
    const from = performance.now()
    /** A session, what became of its request, and when (in ms) it has heard of the end and ended. */
    const open = async (path) => {
      const session = http2.connect(server.url, { ca: keys.ca })
      t.after(() => session.destroy())
      const told = {}
      session.on('goaway', (code) => (told.goaway ??= [code, performance.now() - from])).on('error', () => {})
      told.ended = new Promise((resolve) => session.on('close', () => resolve(performance.now() - from)))
      const stream = session.request({ ':path': path })
      told.headers = new Promise((resolve, reject) => stream.on('response', resolve).on('error', reject))
      told.over = new Promise((resolve) => stream.on('close', () => resolve(stream.rstCode)))
      stream.resume()
      return told
    }
    const [idle, slow, endless] = await Promise.all(['/facts', '/slow?seconds=1', '/slow?seconds=30'].map(open))
    endless.headers.catch(() => {})
    await idle.over
    await sleep(300)
    const told = performance.now() - from
    server.child.kill('SIGTERM')
    assert.ok((await idle.ended) - told < 500, 'an idle session ends at once')
    assert.equal((await slow.headers)[':status'], 200)
    assert.equal(await slow.over, 0)
    await slow.ended
    assert.ok((await endless.ended) - told < 4000, 'within its time')
    for (const { goaway } of [idle, slow, endless]) assert.ok(goaway[0] === 0 && goaway[1] - told < 500, String(goaway))
    assert.deepEqual(await server.exited, { code: 0, signal: null })
  })

  test('a file and the response of another server that are under way are finished, too', async (t) => {
    const folder = temporaryFolder(t, { 'big.bin': 'x'.repeat(30_000_000) })
    const answers = []
    const other = createServer((_, res) => answers.push(res)).listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    t.after(() => (other.closeAllConnections(), other.close()))
    const server = await startServer(t, ['--static', `${folder}:/files`, '--proxy', `/other=http://127.0.0.1:${other.address().port}`])
    const proxied = request({ port: server.port, path: '/other/x' })
    await until(() => answers.length === 1)
    const file = await openPolitely(t, server.port)
    file.write('GET /files/big.bin HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => file.received.length > 0)
    file.socket.pause()
    server.child.kill('SIGTERM')
    // Longer than what the server waits for new requests.
    await sleep(800)
    file.socket.resume()
    answers[0].end('late')
    assert.equal((await proxied).text, 'late')
    await file.ended
    assert.ok(file.received.endsWith('x'.repeat(100)) && file.received.length > 30_000_000, `${file.received.length}`)
    assert.deepEqual(await server.exited, { code: 0, signal: null })
  })

  test('while the application starts: it is not served, and the exit code is 0', async (t) => {
    const folder = temporaryFolder(t, { 'late.py': 'import time\nprint("imports", flush=True)\ntime.sleep(1)\nasync def app(scope, receive, send):\n    raise ValueError\n' })
    const running = start(t, ['late:app', '--port', '0', '--lifespan', 'off'], { cwd: folder })
    await until(() => running.stdout.includes('imports'))
    running.child.kill('SIGTERM')
    assert.deepEqual(await running.exited, { code: 0, signal: null })
    assert.doesNotMatch(running.stderr, / serves /)
  })
})

test('SIGHUP without workers is said to do nothing, and does nothing', async (t) => {
  const server = await startServer(t, [])
  server.child.kill('SIGHUP')
  await until(() => server.stderr.includes('WARNING:  SIGHUP: '))
  assert.equal((await request({ port: server.port, path: '/facts' })).status, 200)
})

test('--timeout-graceful-shutdown: what takes longer is given up', async (t) => {
  const server = await startServer(t, ['--timeout-graceful-shutdown', '0.3'])
  const slow = request({ port: server.port, path: '/slow?seconds=30' })
  await sleep(200)
  const from = performance.now()
  server.child.kill('SIGTERM')
  assert.equal((await slow).status, 503)
  assert.equal((await server.exited).code, 0)
  assert.ok(performance.now() - from < 5000)
})

test('--drain-delay: readiness is false at once, requests are taken until the delay is over', async (t) => {
  const notes = notesIn(temporaryFolder(t))
  const server = await startServer(t, ['--drain-delay', '1', '--health-path', '/healthz'], { env: notes.env })
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/`)
  t.after(() => socket.terminate())
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
  const code = new Promise((resolve) => socket.on('close', resolve))
  const events = await openPolitely(t, server.port)
  events.write('GET /events HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => events.received.includes('data: 1'))

  const from = performance.now()
  server.child.kill('SIGTERM')
  await until(() => server.stderr.includes('Shutting down'))
  const [ready, live] = await Promise.all(['/healthz/ready', '/healthz/live'].map((path) => request({ port: server.port, path })))
  assert.deepEqual([ready.status, live.status, JSON.parse(ready.text).draining], [503, 200, true])
  const answers = []
  while (performance.now() - from < 800) answers.push(await request({ port: server.port, path: '/facts', agent: undefined }))
  assert.ok(answers.length > 0)
  assert.deepEqual([...new Set(answers.map(({ status, headers }) => `${status} ${headers.connection}`))], ['200 close'])
  assert.equal(socket.readyState, WebSocket.OPEN, 'WebSockets go on as long as requests are taken')
  assert.equal(await code, 1012)
  assert.deepEqual(await server.exited, { code: 0, signal: null })
  const took = performance.now() - from
  assert.ok(took > 900 && took < 6000, `${took} ms: streams do not hold it up`)
  assert.ok(events.received.endsWith('0\r\n\r\n'), 'the stream has an end')
  assert.ok(notes.read().includes('shutdown'))
})

test('a second signal ends the delay', async (t) => {
  const server = await startServer(t, ['--drain-delay', '60'])
  server.child.kill('SIGTERM')
  await until(() => server.stderr.includes('Shutting down'))
  server.child.kill('SIGTERM')
  assert.equal((await server.exited).code, 143)
})

test('as process 1 of a PID namespace, as in a container', async (t) => {
  const server = await startServer(t, [], { through: ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'] })
  const { pid } = await server.facts()
  assert.equal(pid, 1)
  // unshare waits for it and passes no signals on; its child is the process 1.
  const child = Number(readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8'))
  process.kill(child, 'SIGTERM')
  assert.deepEqual(await server.exited, { code: 0, signal: null })
  assert.match(server.stderr, /Finished process 1\n$/)
})

describe('an application that does not start', () => {
  test('its exception is the log, and the exit code is 3', async (t) => {
    const { code, stderr } = await run(t, ['serve_app:app', '--port', '0', '--lifespan', 'on'], { env: { SERVE_APP_FAILS: '1' } })
    assert.equal(code, 3)
    assert.match(stderr, /^ERROR: {4}LIFESPAN_STARTUP_FAILED: .*no database.*\nTraceback/)
  })

  test('a module that is not there is one line', async (t) => {
    const { code, stderr } = await run(t, ['serve_ap:app', '--port', '0'])
    assert.equal(code, 3)
    assert.match(stderr, /^ERROR: {4}APP_NOT_FOUND: there is no module 'serve_ap'.*\n$/)
  })

  test('a Python that cannot be used is exit code 1, and the doctor is named', async (t) => {
    const { code, stderr } = await run(t, ['serve_app:app', '--port', '0', '--python', '/bin/true'])
    assert.equal(code, 1)
    assert.match(stderr, /^ERROR: {4}PYTHON_NOT_FOUND: .*\nasgi-node: Python could not be started: asgi-node doctor says more\n$/s)
  })
})
