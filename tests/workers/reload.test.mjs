// New code without a failed request, and workers that are replaced by rule.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { apps, call, makeHandler, repeats, serve, temporaryFolder, until } from '../node/support.mjs'
import { makeWorkers, pidOf, runs } from './support.mjs'

/** What workers say is not wanted. */
const silent = { debug() {}, info() {}, warn() {}, error() {} }

const version = (text) => `async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"${text}"})
`

test('reload() brings new code, and a version that does not start leaves the old one serving', async (t) => {
  const folder = temporaryFolder(t, { 'versioned.py': version('one') })
  const handler = makeHandler(t, 'versioned:app', { docroot: folder, workers: 2 })
  const text = async () => (await call(handler)).body.toString()
  assert.equal(await text(), 'one')
  const write = (content) => writeFileSync(join(folder, 'versioned.py'), content)
  write(version('second'))
  await handler.reload()
  assert.deepEqual(await Promise.all([text(), text()]), ['second', 'second'])
  write('syntax error')
  await assert.rejects(handler.reload(), { code: 'APP_IMPORT_FAILED', message: /SyntaxError|invalid syntax/ })
  assert.equal(await text(), 'second')
  write(version('the third'))
  await handler.reload()
  assert.equal(await text(), 'the third')
})

test('a worker that dies while new code does not start is replaced all the same', async (t) => {
  const folder = temporaryFolder(t, { 'versioned.py': version('one') })
  const handler = makeHandler(t, 'versioned:app', { docroot: folder, workers: 1, logger: silent })
  await handler.ready()
  writeFileSync(join(folder, 'versioned.py'), 'import time\ntime.sleep(1)\nraise ValueError("not yet")')
  const reloading = assert.rejects(handler.reload(), { code: 'APP_IMPORT_FAILED' })
  await until(() => handler.health().workers.length === 2)
  process.kill(handler.health().workers.find(({ state }) => state === 'ready').pid, 'SIGKILL')
  await reloading
  writeFileSync(join(folder, 'versioned.py'), version('second'))
  assert.equal((await call(handler)).body.toString(), 'second')
})

test('reload() waits for the worker that replaces one that has died meanwhile', async (t) => {
  const folder = temporaryFolder(t, { 'versioned.py': `import time\ntime.sleep(1)\n${version('one')}` })
  const handler = makeHandler(t, 'versioned:app', { docroot: folder, workers: 2, logger: silent })
  await handler.ready()
  const states = () => handler.health().workers.map(({ state }) => state)
  const { pid } = handler.health().workers[1]
  const reloading = handler.reload()
  await until(() => states().includes('starting'))
  await sleep(600)
  // Its successor runs new code, and has not started when the first place has its new worker.
  process.kill(pid, 'SIGKILL')
  await reloading
  assert.deepEqual(states().filter((state) => state !== 'draining'), ['ready', 'ready'])
})

test('a reload while a worker is replaced by rule leaves one worker in each place', async (t) => {
  const folder = temporaryFolder(t, { 'versioned.py': `import time\ntime.sleep(0.5)\n${version('one')}` })
  const handler = makeHandler(t, 'versioned:app', { docroot: folder, workers: { count: 1, maxRequests: 5 }, logger: silent })
  for (let n = 0; n < 5; n += 1) await call(handler)
  await until(() => handler.health().workers.some(({ state }) => state === 'starting'))
  await handler.reload()
  await until(() => handler.health().workers.every(({ state }) => state === 'ready'))
  assert.equal(handler.health().workers.length, 1)
})

test('no request fails while workers are reloaded under load', async (t) => {
  const { handler } = makeWorkers(t, 2)
  const { url } = await serve(t, handler.listener)
  await handler.ready()
  let [over, count] = [false, 0]
  const client = async () => {
    while (!over) {
      const response = await fetch(count % 3 === 0 ? `${url}/wait?seconds=0.01` : url)
      assert.equal(response.status, 200)
      assert.match(await response.text(), /^\d+$/)
      count += 1
    }
  }
  const clients = Array.from({ length: 8 }, client)
  for (let n = 0; n < repeats(3, 100); n += 1) await handler.reload()
  over = true
  await Promise.all(clients)
  assert.ok(count > 20, `${count} requests`)
})

test('a reload closes WebSockets with 1012, and only those of a worker whose successor is ready', async (t) => {
  const folder = temporaryFolder(t, { 'slowly.py': 'import sys, time\nsys.path.insert(0, APPS)\ntime.sleep(0.5)\nfrom worker_process_app import app'.replace('APPS', JSON.stringify(apps)) })
  const { handler, logged } = makeWorkers(t, 2, { app: 'slowly:app', docroot: folder })
  const { server, port } = await serve(t, handler.listener)
  server.on('upgrade', handler.upgrade)
  await handler.ready()
  const open = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
    const received = []
    socket.on('message', (data) => received.push(data.toString()))
    const closed = new Promise((resolve) => socket.on('close', (code) => resolve({ code, ready: said(/is ready/).length })))
    await until(() => received.length === 1)
    return { socket, received, closed, pid: Number(received.shift()) }
  }
  const said = (pattern) => logged.filter(({ message }) => pattern.test(message))
  const sockets = await Promise.all([open(), open(), open(), open()])
  assert.equal(new Set(sockets.map(({ pid }) => pid)).size, 2)
  const order = handler.health().workers.map(({ pid }) => pid)
  let sent = 0
  const talking = setInterval(() => {
    if (said(/is ready/).length > 2) return clearInterval(talking)
    for (const { socket } of sockets) socket.send(`m${sent}`)
    sent += 1
  }, 20)
  t.after(() => clearInterval(talking))
  await handler.reload()
  for (const { closed, pid, received } of sockets) {
    const { code, ready } = await closed
    assert.equal(code, 1012)
    // Two lines are those of the first workers.
    assert.ok(ready >= 3 + order.indexOf(pid), `worker ${order.indexOf(pid)} has closed it when ${ready} had been ready`)
    assert.ok(received.length > 5, `${received.length} of ${sent} messages have come back`)
  }
  const after = await open()
  assert.ok(!order.includes(after.pid))
  after.socket.close()
  assert.deepEqual(said(/has died/), [])
})

test('workers that are replaced end in order, whatever else the machine does', async (t) => {
  const { handler, logged } = makeWorkers(t, 2)
  await handler.ready()
  for (let n = 0; n < repeats(4, 100); n += 1) await handler.reload()
  const said = (pattern) => logged.filter(({ message }) => pattern.test(message)).length
  await until(() => said(/^worker \d+ (has ended$|has died)/) === repeats(8, 200))
  assert.deepEqual(logged.filter(({ level }) => level !== 'info'), [])
})

test('workers are replaced after maxRequests, also the only one, and no request fails', async (t) => {
  const { handler, logged } = makeWorkers(t, { count: 1, maxRequests: 10 })
  const pids = new Set()
  for (let n = 0; n < 200 && pids.size < 3; n += 1) {
    pids.add(await pidOf(handler))
    await sleep(10)
  }
  assert.ok(pids.size >= 3)
  assert.ok(logged.some(({ message }) => /is replaced after \d+ requests \(maxRequests\)/.test(message)))
  const [first] = pids
  await until(() => !runs(first))
})

test('workers are replaced after maxAge', async (t) => {
  const { handler } = makeWorkers(t, { count: 1, maxAge: 500 })
  const first = await pidOf(handler)
  await until(async () => (await pidOf(handler)) !== first)
  await until(() => !runs(first))
})

test('workers are replaced when they hold too much memory', async (t) => {
  const { handler, logged } = makeWorkers(t, { count: 1, maxMemory: 1_000_000 })
  const first = await pidOf(handler)
  await call(handler, '/wait?seconds=1.5')
  await until(async () => (await pidOf(handler)) !== first)
  assert.ok(logged.some(({ message }) => /bytes of memory \(maxMemory\)/.test(message)))
})

test('new workers that use too much memory at once are not replaced again and again without a pause', async (t) => {
  const { handler, logged } = makeWorkers(t, { count: 1, maxMemory: 1_000_000 })
  const replaced = () => logged.filter(({ message }) => /bytes of memory \(maxMemory\)/.test(message)).length
  const isWarned = () => logged.some(({ level, message }) => level === 'warn' && /each new worker soon uses more memory than maxMemory/.test(message))
  await until(async () => (await call(handler, '/wait?seconds=0.2')) && isWarned(), 'the warning')
  const before = replaced()
  const began = performance.now()
  while (performance.now() - began < 3000) await call(handler, '/wait?seconds=0.2')
  assert.ok(replaced() - before <= 2, `${replaced() - before} in 3 s`)
})

test('reload() without workers says what it needs', async (t) => {
  const handler = makeHandler(t)
  await assert.rejects(handler.reload(), { name: 'TypeError', message: /option `workers`/ })
})
