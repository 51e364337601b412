// A worker that says what no worker says, on the real socket: it ends with a clear error, Node replaces it, and nothing else happens.
import assert from 'node:assert/strict'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { open } from '../asgi/websockets.mjs'
import { call, makeHandler, openPolitely, pythonExecutable, repository, run, serve, temporaryFolder, until } from '../node/support.mjs'
import { makeWorkers, pidOf, runs } from './support.mjs'

const facts = JSON.parse((await run(pythonExecutable(), ['-I', join(repository, 'python', 'asgi_node', 'probe', 'probe.py')])).stdout)

/** A handler whose first worker is one of tests/workers/fake_worker.py; those that follow are real. */
function makeFake(t, behaviour, options) {
  const folder = temporaryFolder(t, {})
  const python = join(folder, 'python')
  const fake = join(import.meta.dirname, 'fake_worker.py')
  writeFileSync(
    python,
    `#!/bin/sh
cd "$(dirname "$0")"
case "$*" in *probe.py*) cat facts.json; exit ;; esac
if mkdir first 2>/dev/null; then exec ${pythonExecutable()} -I ${fake} ${behaviour} "$@"; else exec ${pythonExecutable()} "$@"; fi
`
  )
  chmodSync(python, 0o755)
  writeFileSync(join(folder, 'facts.json'), JSON.stringify({ ...facts, executable: python }))
  // The fake one does not end when it is asked to.
  return makeWorkers(t, 1, { python, shutdownTimeout: 500, ...options })
}

const BEFORE_IT_IS_UP = {
  garbage: /malformed frame: a frame of \d+ bytes; the limit is 65536/,
  oversized: /malformed frame: a frame of 65537 bytes; the limit is 65536/,
  unknown: /malformed frame: kind 99 is unknown/,
}

for (const [behaviour, reason] of Object.entries(BEFORE_IT_IS_UP)) {
  test(`${behaviour}, before it is up: ready() says why`, async (t) => {
    const { handler } = makeFake(t, behaviour)
    await assert.rejects(handler.ready(), (error) => {
      assert.equal(error.code, 'WORKER_DIED')
      assert.match(error.message, /ended before its application was ready \(signal SIGKILL, after it broke the protocol: /)
      assert.match(error.message, reason)
      return true
    })
  })
}

const WITH_A_REQUEST = {
  truncated: /it has closed its socket in the middle of a message, and goes on/,
  closed: /it has closed its socket, and goes on/,
  reordered: /malformed frame: kind 6 in the middle of a message of kind 5/,
  early: /malformed frame: a piece of a body for a request that has not begun to answer/,
  twice: /malformed frame: the start of a response for a request that has begun to answer/,
  status: /malformed frame: 0 is no status of a response/,
  accept: /malformed frame: the acceptance of a WebSocket for a request that has not begun/,
  stranger: /malformed frame: there has been no request 1001/,
  misplaced: /malformed frame: kind 0 belongs to no request, and has the number 1/,
  no_file: /malformed frame: a file without a descriptor/,
  descriptors: /malformed frame: descriptors without frames/,
  beyond: /malformed frame: 65536 bytes for a full window: 65536 bytes of 65536 are under way/,
  large: /malformed frame: a piece of 65537 bytes for a window of 65536/,
  light_file: /malformed frame: a file that counts as 1 bytes, where it fills a window of 65536/,
  empty: /malformed frame: a piece without bytes for a request that has begun to answer/,
  hints: /malformed frame: early hints for a request that has not begun to answer, more than one response may have/,
  calls: /malformed frame: a call for the body for a request that has not begun to answer, for the second time/,
  credit: /malformed frame: credit for 1 bytes and 0 messages, where 0 and 0 are under way/,
}

/** Their request is streamed: what is collected has no window. */
const STREAMED = new Set(['beyond', 'large', 'light_file', 'empty'])

for (const [behaviour, reason] of Object.entries(WITH_A_REQUEST)) {
  test(`${behaviour}, with a request: it is lost, and the next one is answered by another worker`, async (t) => {
    const beside = makeWorkers(t)
    const { handler, logged } = makeFake(t, behaviour, { highWaterMark: 65536 })
    await handler.ready()
    const [{ pid }] = handler.health().workers
    const calm = await pidOf(beside.handler)
    const read = async () => {
      const response = await handler.handleStream({ url: '/' })
      await until(() => !runs(pid))
      for await (const _ of response);
    }
    await assert.rejects(STREAMED.has(behaviour) ? read() : call(handler), (error) => {
      assert.equal(error.code, 'WORKER_DIED')
      assert.match(error.message, reason)
      return true
    })
    assert.ok(!runs(pid))
    const next = await pidOf(handler)
    assert.notEqual(next, pid)
    assert.equal(await pidOf(beside.handler), calm)
    assert.equal(logged.filter(({ level }) => level === 'error').length, 1)
    await until(() => handler.health().inFlight === 0)
  })
}

test('one that does not listen: its request goes to another worker', async (t) => {
  const { handler, logged } = makeFake(t, 'deaf')
  await handler.ready()
  const [{ pid }] = handler.health().workers
  assert.notEqual(await pidOf(handler), pid)
  assert.ok(logged.some(({ message }) => /with 0 requests under way/.test(message)))
})

test('opened twice: the second time is too much', async (t) => {
  const { handler, logged } = makeFake(t, 'open_twice')
  await handler.ready()
  await until(() => logged.some(({ message }) => /kind 0 of no request, where none is expected/.test(message)))
  assert.ok((await pidOf(handler)) > 0)
})

test('a message of a WebSocket may be larger than the window, and so may the body of a refusal', async (t) => {
  const folder = temporaryFolder(t, {
    'large.py': `async def app(scope, receive, send):
    assert scope["type"] == "websocket"
    await receive()
    if scope["path"] == "/refused":
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"x" * 300_000, "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"x" * 300_000})
        return
    await send({"type": "websocket.accept"})
    for _ in range(2):
        await send({"type": "websocket.send", "bytes": b"x" * 300_000})
    await send({"type": "websocket.close", "code": 4000})
`,
  })
  const { handler } = makeWorkers(t, 1, { app: 'large:app', docroot: folder, highWaterMark: 65536 })
  const { server, port } = await serve(t, handler.listener)
  server.on('upgrade', handler.upgrade)
  const refused = await open(`ws://127.0.0.1:${port}/refused`)
  assert.equal((await refused.refused).body.length, 600_000)
  const accepted = await open(`ws://127.0.0.1:${port}/`)
  assert.equal((await accepted.closed).code, 4000)
  assert.deepEqual(accepted.messages.map(({ length }) => length), [300_000, 300_000])
})

test('a worker that never stops writing does not keep Node from the other workers', async (t) => {
  const beside = makeWorkers(t)
  const { handler } = makeFake(t, 'flood')
  await handler.ready()
  const [{ pid }] = handler.health().workers
  t.after(() => runs(pid) && process.kill(pid, 'SIGKILL'))
  assert.equal((await call(handler)).body.toString(), 'fine')
  for (let n = 0; n < 20; n += 1) await pidOf(beside.handler)
  process.kill(pid, 'SIGKILL')
  assert.notEqual(await pidOf(handler), pid)
})

test('a response that HTTP cannot carry fails its request, and the worker goes on', async (t) => {
  const { handler } = makeFake(t, 'headers')
  const { port } = await serve(t, handler.listener)
  const client = await openPolitely(t, port)
  client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  await client.ended
  assert.match(client.received, /^HTTP\/1\.1 500 /)
  assert.equal(handler.health().workers[0].restarts, 0)
})

test('log records that cannot be read are said, and the others come', async (t) => {
  const { handler, logged } = makeFake(t, 'records')
  assert.equal((await call(handler)).body.toString(), 'fine')
  await until(() => logged.some(({ message }) => message === 'good'))
  assert.equal(logged.filter(({ message }) => message === 'A log record of Python cannot be read').length, 6)
})

test('a request that is given up before its worker has read it makes room', async (t) => {
  const { handler } = makeWorkers(t)
  const pid = await pidOf(handler)
  await until(() => handler.health().inFlight === 0)
  process.kill(pid, 'SIGSTOP')
  t.after(() => runs(pid) && process.kill(pid, 'SIGCONT'))
  const body = Buffer.alloc(1_000_000)
  const requests = Array.from({ length: 20 }, () => {
    const abort = new AbortController()
    const done = handler.handleRequest({ url: '/echo', method: 'POST', body }, { signal: abort.signal })
    return { abort, gone: assert.rejects(done, { name: 'AbortError' }) }
  })
  await until(() => handler.health().inFlight === 20)
  for (const { abort } of requests) abort.abort()
  await Promise.all(requests.map(({ gone }) => gone))
  process.kill(pid, 'SIGCONT')
  await until(() => handler.health().inFlight === 0)
  assert.equal(await pidOf(handler), pid)
})

test('a worker that never comes up is replaced after startupTimeout', async (t) => {
  const started = join(temporaryFolder(t), 'started')
  const folder = temporaryFolder(t, {
    'main.py': `import os, time
if os.path.exists(${JSON.stringify(started)}):
    time.sleep(600)
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/exit":
        os._exit(1)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})
`,
  })
  const logged = []
  const logger = { debug() {}, info() {}, warn() {}, error: (_, message) => logged.push(message) }
  const handler = makeHandler(t, 'main:app', { docroot: folder, workers: 1, startupTimeout: 1000, logger })
  await handler.ready()
  writeFileSync(started, '')
  await assert.rejects(call(handler, '/exit'), { code: 'WORKER_DIED' })
  await until(() => logged.some((message) => /a new worker could not be started: The application has not started within 1000 ms \(option startupTimeout\)/.test(message)))
  rmSync(started)
  assert.equal((await call(handler)).body.toString(), 'fine')
})
