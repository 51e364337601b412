// A worker that dies takes only its own requests with it.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { call, makeHandler, openPolitely, serve, temporaryFolder, until } from '../node/support.mjs'
import { makeWorkers, pidOf, runs } from './support.mjs'

test('a request whose worker has died gets WORKER_DIED, and the next one another worker', async (t) => {
  const { handler, logged } = makeWorkers(t)
  const first = await pidOf(handler)
  await assert.rejects(call(handler, '/exit?code=3'), (error) => {
    assert.equal(error.code, 'WORKER_DIED')
    assert.match(error.message, new RegExp(`^worker ${first} has died \\(exit code 3\\) with 1 request under way`))
    return true
  })
  const second = await pidOf(handler)
  assert.notEqual(second, first)
  assert.equal(logged.filter(({ level, message }) => level === 'error' && /has died/.test(message)).length, 1)
  assert.equal(handler.health().workers[0].restarts, 1)
})

test('requests that are lost with a worker count as errors', async (t) => {
  const { handler } = makeWorkers(t)
  await handler.ready()
  const waiting = call(handler, '/wait?seconds=60')
  const lost = [waiting, call(handler, '/exit?code=1')]
  for (const { reason } of await Promise.allSettled(lost)) assert.equal(reason?.code, 'WORKER_DIED')
  assert.equal(handler.health().errorsTotal, 2)
  assert.deepEqual(handler.health().workers.filter(({ state }) => state === 'ready'), [])
  await call(handler)
  assert.equal(handler.health().errorsTotal, 2)
})

test('a crash in native code is a signal, with its last lines', async (t) => {
  const { handler } = makeWorkers(t)
  await assert.rejects(call(handler, '/crash'), { code: 'WORKER_DIED', message: /signal SIGSEGV[\s\S]*Fatal Python error: Segmentation fault[\s\S]*worker_process_app\.py/ })
})

test('a report of Python is told from its beginning, however long it is; other lines only from the end', async (t) => {
  const { handler } = makeWorkers(t)
  const write = (text) => call(handler, `/print?stream=stderr&text=${encodeURIComponent(text)}`)
  const lines = 'a line\n'.repeat(900)
  await write(`before\nFatal Python error: made up\n${lines}the end`)
  await assert.rejects(call(handler, '/exit?code=1'), { code: 'WORKER_DIED', message: /stderr:\nFatal Python error: made up\n(a line\n){900}the end$/ })
  await write(`before\n${lines}the end`)
  await assert.rejects(call(handler, '/exit?code=1'), { code: 'WORKER_DIED', message: /stderr:\n.{0,6}\n(a line\n){580,590}the end$/ })
})

test('over HTTP it is 502, or a visible cut where the response had begun', async (t) => {
  const { handler } = makeWorkers(t)
  const { url, port } = await serve(t, handler.listener)
  assert.equal((await fetch(`${url}/exit?code=1`)).status, 502)
  const client = await openPolitely(t, port)
  client.write('GET /begin-and-exit HTTP/1.1\r\nHost: x\r\n\r\n')
  await client.ended
  assert.match(client.received, /^HTTP\/1\.1 200 OK/)
  assert.doesNotMatch(client.received, /\r\n0\r\n\r\n$/)
})

test('the error of a body of fetch does not show what the worker wrote', async (t) => {
  const { handler } = makeWorkers(t)
  await call(handler, '/print?stream=stderr&text=password=hunter2')
  const response = await handler.fetch(new Request('http://x/begin-and-exit'))
  await assert.rejects(response.text(), (error) => {
    assert.equal(error.code, 'WORKER_DIED')
    assert.equal(error.message, 'The application failed after its response had started')
    assert.match(error.cause.message, /stderr:[^]*hunter2/)
    return true
  })
})

test('killBlockedAfter counts for a request that has waited for its worker, too', async (t) => {
  const { handler } = makeWorkers(t, { count: 1, killBlockedAfter: 300 })
  await assert.rejects(call(handler, '/exit?code=1'), { code: 'WORKER_DIED' })
  const began = performance.now()
  // No worker is ready: it waits for the next one, and nothing else happens after that one has got it.
  await assert.rejects(call(handler, '/block?seconds=600'), { code: 'WORKER_DIED', message: /SIGKILL/ })
  assert.ok(performance.now() - began < 20_000)
  assert.equal((await call(handler, '/')).status, 200)
})

test('a WebSocket gets 1012', async (t) => {
  const { handler } = makeWorkers(t)
  const { server, port } = await serve(t, handler.listener)
  server.on('upgrade', handler.upgrade)
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  const closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)))
  await new Promise((resolve) => socket.once('message', resolve))
  socket.send('exit')
  assert.equal(await closed, 1012)
})

test('requests that it had not begun go to another worker, whatever their method', async (t) => {
  const { handler } = makeWorkers(t)
  const pid = await pidOf(handler)
  const blocking = call(handler, '/block?seconds=60')
  blocking.catch(() => {})
  // What comes in one batch with it may have begun before it blocks.
  await sleep(200)
  const diary = Array.from({ length: 20 }, (_, n) => call(handler, '/echo', { method: 'POST', body: `body ${n}` }))
  await until(() => handler.health().queued >= 20)
  process.kill(pid, 'SIGKILL')
  await assert.rejects(blocking, { code: 'WORKER_DIED', message: /signal SIGKILL\) with 1 request / })
  const bodies = await Promise.all(diary.map(async (response) => (await response).body.toString()))
  assert.deepEqual(bodies, Array.from({ length: 20 }, (_, n) => `body ${n}`))
})

test('a worker that does not come up rejects ready() and requests with its own error', async (t) => {
  const folder = temporaryFolder(t, { 'broken.py': 'raise ValueError("no database")', 'ends.py': 'import os\nos.write(2, b"good bye\\n")\nos._exit(9)' })
  const broken = makeHandler(t, 'broken:app', { docroot: folder, workers: 2, logger: undefined })
  await assert.rejects(broken.ready(), { code: 'APP_IMPORT_FAILED', message: /no database/ })
  await assert.rejects(call(broken), { code: 'APP_IMPORT_FAILED' })
  const ends = makeHandler(t, 'ends:app', { docroot: folder, workers: 1 })
  await assert.rejects(ends.ready(), { code: 'WORKER_DIED', message: /ended before its application was ready \(exit code 9\)[\s\S]*good bye/ })
})

test('while no worker can start any more, ready() rejects and health() says so, until one starts', async (t) => {
  const source = `import os
if os.path.exists(__file__ + ".gone"): raise ValueError("no database")
async def app(scope, receive, send):
    if scope["type"] == "lifespan": raise RuntimeError
    if scope["path"] == "/exit": os._exit(1)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
`
  const folder = temporaryFolder(t, { 'fragile.py': source })
  const flag = join(folder, 'fragile.py.gone')
  const handler = makeHandler(t, 'fragile:app', { docroot: folder, workers: 1, logger: undefined })
  await handler.ready()
  const state = () => [handler.health().ready, handler.health().live]
  assert.deepEqual(state(), [true, true])
  writeFileSync(flag, '')
  await assert.rejects(call(handler, '/exit'), { code: 'WORKER_DIED' })
  assert.deepEqual(state(), [false, true])
  // It waits for the next worker, and none comes.
  await assert.rejects(handler.ready(), { code: 'APP_IMPORT_FAILED', message: /no database/ })
  assert.deepEqual(state(), [false, false])
  await assert.rejects(call(handler), { code: 'APP_IMPORT_FAILED' })
  await assert.rejects(handler.ready(), { code: 'APP_IMPORT_FAILED' })
  await assert.rejects(handler.reload(), { code: 'APP_IMPORT_FAILED' })
  rmSync(flag)
  await handler.reload()
  await handler.ready()
  assert.deepEqual(state(), [true, true])
  assert.equal((await call(handler)).body.toString(), 'ok')
})

test('an event loop that is blocked for too long is the end of its worker', async (t) => {
  const { handler } = makeWorkers(t, { count: 1, killBlockedAfter: 1000 })
  const pid = await pidOf(handler)
  await assert.rejects(call(handler, '/block?seconds=60'), { code: 'WORKER_DIED', message: /SIGKILL/ })
  assert.ok(!runs(pid))
  assert.notEqual(await pidOf(handler), pid)
})

test('it is the end of a worker that has left its process group, too', async (t) => {
  const { handler } = makeWorkers(t, { count: 1, killBlockedAfter: 700 })
  await call(handler, '/leave-group')
  const began = performance.now()
  await assert.rejects(call(handler, '/block?seconds=8'), { code: 'WORKER_DIED', message: /SIGKILL/ })
  assert.ok(performance.now() - began < 6000)
})

/** Blocks the event loop while no request is under way, asks for the health until shortly before its end, and waits for two seconds. */
async function blockBetweenRequests(handler) {
  await call(handler, '/block-later?seconds=2.5')
  const blocked = []
  for (let n = 0; n < 4; n += 1) {
    await sleep(500)
    blocked.push(handler.health().python.blockedMs)
  }
  assert.ok(blocked.some((ms) => ms >= 700), String(blocked))
  await sleep(2500)
}

test('an event loop that was blocked while no request was under way, and has gone on, ends nothing', async (t) => {
  const { handler } = makeWorkers(t, { count: 1, killBlockedAfter: 700 })
  const pid = await pidOf(handler)
  await blockBetweenRequests(handler)
  assert.equal(await pidOf(handler), pid)
})

test('health() says that an event loop has gone on, although nobody has asked since', async (t) => {
  const { handler } = makeWorkers(t)
  await blockBetweenRequests(handler)
  assert.equal(handler.health().python.blockedMs, 0)
})
