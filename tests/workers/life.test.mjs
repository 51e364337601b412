// A worker is a process of its own, and everything that a handler does works with it.
import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { test } from 'node:test'
import { PythonHandler, Request } from 'asgi-node'
import { WebSocket } from 'ws'
import { bytes, call, callJson, collect, runNode, serve, sha256, until } from '../node/support.mjs'
import { makeDiary, makeWorkers, pidOf, runs } from './support.mjs'

test('the application runs in another process, on its main thread, and Node starts no Python', async (t) => {
  const { handler } = makeWorkers(t)
  const facts = await callJson(handler, '/facts')
  assert.notEqual(facts.pid, process.pid)
  assert.equal(facts.parent, process.pid)
  assert.equal(facts.main, true)
  assert.deepEqual([facts.signals, facts.child, facts.cwd, facts.stdin], [1, 0, process.cwd(), '/dev/null'])
  assert.equal(facts.stdout, readlinkSync('/proc/self/fd/1'))
  assert.equal(PythonHandler.python, null)
})

test('what it writes comes out of Node, in order, and its standard input is empty', async () => {
  const { stdout, stderr, code } = await runNode(`
    const handler = new PythonHandler({ app: 'worker_process_app:app', docroot: apps, workers: 1 })
    await handler.handleRequest({ url: '/print?text=to%20stdout' })
    await handler.handleRequest({ url: '/print?text=to%20stderr&stream=stderr' })
    await handler.close()`)
  assert.deepEqual([stdout, stderr, code], ['to stdout\n', 'to stderr\n', 0])
})

test('a worker has no descriptor of Node', async (t) => {
  const file = openSync(import.meta.filename)
  t.after(() => closeSync(file))
  const { handler } = makeWorkers(t, 2)
  await serve(t, handler.listener)
  const { descriptors } = await callJson(handler, '/facts')
  assert.ok(!descriptors.includes(import.meta.filename), descriptors.join(' '))
  // The one to Node has two descriptors: the link's, and that of the thread that waits for Node's end. The event loop wakes itself
  // by the others.
  const sockets = [...new Set(descriptors.filter((name) => name.startsWith('socket:')))]
  assert.ok(sockets.length <= 4, descriptors.join(' '))
})

test('the threads that carry messages wait for their turn (SCHED_BATCH) while many requests are under way', async (t) => {
  const { handler } = makeWorkers(t)
  const pid = await pidOf(handler)
  const [usual, batch] = [0, 3]
  // Of proc_pid_stat(5), field 41; the name, in parentheses, may have spaces.
  const policies = (process) => Object.fromEntries(readdirSync(`/proc/${process}/task`).map((task) => {
    const [, name, rest] = /\((.*)\) (.*)/.exec(readFileSync(`/proc/${process}/task/${task}/stat`, 'utf8'))
    return [name, Number(rest.split(' ')[41 - 3])]
  }))
  const carriers = () => [policies(process.pid)['asgi-node-work'], policies(pid)['asgi-node-link']]
  const others = () => Object.entries({ ...policies(process.pid), ...policies(pid) }).filter(([name]) => !/^asgi-node-(?:work|link)$/.test(name))
  assert.deepEqual(carriers(), [usual, usual])
  const waiting = Array.from({ length: 32 }, () => call(handler, '/wait?seconds=1'))
  await until(() => carriers().every((policy) => policy === batch))
  assert.ok(others().length > 3, JSON.stringify(others()))
  assert.deepEqual(others().filter(([, policy]) => policy !== usual), [])
  // What they start does not inherit it.
  await handler.reload()
  const next = await pidOf(handler)
  assert.notEqual(next, pid)
  assert.deepEqual(Object.entries(policies(next)).filter(([, policy]) => policy !== usual), [])
  await Promise.all(waiting)
  await until(() => policies(process.pid)['asgi-node-work'] === usual)
})

test('requests from JavaScript: whole, streamed in both directions, synchronous, fetch', async (t) => {
  const { handler } = makeWorkers(t)
  const data = bytes(3_000_000)
  const whole = await call(handler, '/echo', { method: 'POST', body: data })
  assert.equal(sha256(whole.body), sha256(data))
  async function* source() {
    for (let at = 0; at < data.length; at += 100_000) yield data.subarray(at, at + 100_000)
  }
  const streamed = await handler.handleStream(new Request({ url: '/echo', method: 'POST', body: source() }))
  assert.equal(sha256(await collect(streamed)), sha256(data))
  assert.match(handler.handleRequestSync({ url: '/' }).body.toString(), /^\d+$/)
  const fetched = await handler.fetch(new globalThis.Request('http://x/echo', { method: 'POST', body: data }))
  assert.equal(sha256(Buffer.from(await fetched.arrayBuffer())), sha256(data))
})

test('requests over HTTP, with back-pressure in both directions', async (t) => {
  const { handler } = makeWorkers(t)
  const { url } = await serve(t, handler.listener)
  const data = bytes(5_000_000)
  const response = await fetch(`${url}/echo`, { method: 'POST', body: data })
  assert.equal(sha256(Buffer.from(await response.arrayBuffer())), sha256(data))
})

test('websockets stay with their worker, and are closed with 1012', async (t) => {
  const { handler } = makeWorkers(t, 2)
  const { server, port } = await serve(t, handler.listener)
  server.on('upgrade', handler.upgrade)
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  const received = []
  socket.on('message', (data) => received.push(data.toString()))
  const closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)))
  await until(() => received.length === 1)
  for (let n = 0; n < 100; n += 1) socket.send(`m${n}`)
  await until(() => received.length === 101)
  assert.deepEqual(received.slice(1), Array.from({ length: 100 }, (_, n) => `m${n}`))
  await handler.close()
  assert.equal(await closed, 1012)
})

test('requests go to the worker that has the fewest', async (t) => {
  const { handler } = makeWorkers(t, 2)
  await handler.ready()
  const slow = call(handler, '/wait?seconds=0.5')
  const pids = new Set()
  // A response may be whole before its application has returned: until then it is under way.
  const underWay = () => handler.health().workers.reduce((sum, { inFlight }) => sum + inFlight, 0)
  for (let n = 0; n < 10; n += 1) {
    await until(() => underWay() === 1)
    pids.add(await pidOf(handler))
  }
  assert.equal(pids.size, 1)
  pids.add(Number((await slow).body.toString()))
  assert.equal(pids.size, 2)
})

test('of idle workers the one gets a request that has had none for the longest time', async (t) => {
  const { handler } = makeWorkers(t, 3)
  await handler.ready()
  const pids = []
  for (let n = 0; n < 12; n += 1) {
    pids.push(await pidOf(handler))
    await until(() => handler.health().workers.every(({ inFlight }) => inFlight === 0))
  }
  assert.equal(new Set(pids.slice(0, 3)).size, 3)
  assert.deepEqual(pids.slice(3), pids.slice(0, 9))
})

test('health() knows at once which workers there are, what they do, and how much they have done', async (t) => {
  const { handler } = makeWorkers(t, 2)
  await handler.ready()
  const { workers } = handler.health()
  assert.deepEqual(workers.map(({ state, inFlight, requestsTotal }) => [state, inFlight, requestsTotal]), [['ready', 0, 0], ['ready', 0, 0]])
  assert.ok(workers.every(({ pid, rss }) => runs(pid) && rss > 1e6), JSON.stringify(workers))
  const waiting = call(handler, '/wait?seconds=1')
  await Promise.all([pidOf(handler), waiting])
  assert.deepEqual(handler.health().workers.map(({ requestsTotal }) => requestsTotal), [1, 1])
  const closed = handler.close()
  await until(() => handler.health().workers.every(({ state }) => state === 'draining'))
  await closed
  assert.deepEqual(handler.health().workers, [])
})

test('each worker has a lifespan, health says how they are, and close() ends them', async (t) => {
  const diary = makeDiary(t)
  const { handler, logged } = makeWorkers(t, 2)
  await handler.ready()
  const { workers } = handler.health()
  assert.deepEqual(workers.map(({ state, restarts }) => [state, restarts]), [['ready', 0], ['ready', 0]])
  const pids = workers.map(({ pid }) => pid)
  assert.ok(pids.every(runs))
  assert.equal(logged.filter(({ message }) => /^worker \d+ is ready/.test(message)).length, 2)
  await call(handler, '/')
  await until(() => handler.health().workers.some(({ requestsTotal, rss }) => requestsTotal === 1 && rss > 1e6))
  await handler.close()
  assert.ok(!pids.some(runs))
  const lines = diary.lines()
  for (const pid of pids) assert.deepEqual(lines.filter((line) => line.endsWith(` ${pid}`)), [`startup ${pid}`, `shutdown ${pid}`])
})

test('a worker has the environment of the moment at which its handler was created', async (t) => {
  process.env.W_BEFORE = '1'
  t.after(() => (delete process.env.W_BEFORE, delete process.env.W_AFTER))
  const { handler } = makeWorkers(t)
  process.env.W_AFTER = '1'
  delete process.env.W_BEFORE
  assert.deepEqual(await callJson(handler, '/environment?name=W_BEFORE&name=W_AFTER'), { W_BEFORE: '1', W_AFTER: null })
})

test('the log numbers requests as the handler does, whichever worker serves them', async (t) => {
  const { handler, logged } = makeWorkers(t, 2)
  await handler.ready()
  for (let n = 1; n <= 5; n += 1) await call(handler, '/late-error')
  const { url } = await serve(t, handler.listener)
  assert.equal((await fetch(`${url}/early-error`)).status, 500)
  await call(handler, '/late-error')
  assert.throws(() => handler.handleRequestSync({ url: '/early-error' }), { code: 'APP_ERROR' })
  await call(handler, '/late-error')
  const failures = () => logged.filter(({ path }) => path !== undefined)
  await until(() => failures().length === 8, 'all records', 5000)
  const ids = (path) => failures().filter((record) => record.path === path).map(({ id }) => id)
  assert.deepEqual(ids('/late-error').toSorted((a, b) => a - b), [1, 2, 3, 4, 5, 7, 9])
  assert.deepEqual(ids('/early-error'), [6])
})
