// Applications that want a process of their own: multiprocessing, signals, WSGI, limits of memory; and handlers in threads and clusters.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { call, callJson, makeHandler, runNodeCleanly, temporaryFolder, until } from '../node/support.mjs'
import { makeWorkers, pidOf } from './support.mjs'

test('multiprocessing works inside a worker, by each of its ways', async (t) => {
  const { handler } = makeWorkers(t)
  const { results, pids } = await callJson(handler, '/multiprocessing')
  assert.deepEqual(results, { fork: 49, forkserver: 49, spawn: 49 })
  assert.ok(!pids.includes(await pidOf(handler)))
})

test('signal.signal works inside a worker, also while it is idle', async (t) => {
  const folder = temporaryFolder(t, {
    'signals.py': `import asyncio, signal
seen = []
signal.signal(signal.SIGUSR1, lambda number, frame: (seen.append(signal.Signals(number).name), open(__file__ + ".seen", "w").close()))
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/loop":
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, seen.append, "SIGUSR2")
        signal.signal(signal.SIGALRM, lambda *_: seen.append("SIGALRM"))
        signal.setitimer(signal.ITIMER_REAL, 0.02)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": " ".join(seen).encode()})
`,
  })
  const { handler } = makeWorkers(t, 1, { app: 'signals:app', docroot: folder })
  await handler.ready()
  const [{ pid }] = handler.health().workers
  process.kill(pid, 'SIGUSR1')
  await until(() => existsSync(join(folder, 'signals.py.seen')))
  await call(handler, '/loop')
  process.kill(pid, 'SIGUSR2')
  await until(async () => {
    const seen = (await call(handler)).body.toString().split(' ')
    return seen.length === 3 && seen.includes('SIGUSR1') && seen.includes('SIGUSR2') && seen.includes('SIGALRM')
  })
  assert.equal(handler.health().workers[0].pid, pid)
})

test('a WSGI application', async (t) => {
  const handler = makeHandler(t, 'flask_app:app', { workers: 2 })
  const headers = { 'content-type': 'application/json' }
  const responses = await Promise.all(Array.from({ length: 10 }, () => call(handler, '/items', { method: 'POST', headers, body: '{"name": "tea", "price": 2}' })))
  assert.deepEqual(new Set(responses.map(({ status }) => status)), new Set([200]))
})

test('two applications with modules of one name are apart', async (t) => {
  const answer = async (text) => {
    const source = `from settings import TEXT\nasync def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": TEXT})`
    const docroot = temporaryFolder(t, { 'same.py': source, 'settings.py': `TEXT = b"${text}"` })
    return (await call(makeHandler(t, 'same:app', { docroot, workers: 1 }))).body.toString()
  }
  assert.deepEqual(await Promise.all([answer('first'), answer('second')]), ['first', 'second'])
})

test('above resourceLimits.memory Python raises MemoryError, and the worker goes on', async (t) => {
  const { handler } = makeWorkers(t, { count: 1, resourceLimits: { memory: 4 * 2 ** 30 } })
  const pid = await pidOf(handler)
  await assert.rejects(call(handler, '/allocate?bytes=8000000000'), { code: 'APP_ERROR', message: /MemoryError/ })
  assert.equal(await pidOf(handler), pid)
})

test('a worker thread has workers of its own, and they end with it', async () => {
  const { pids, left } = await runNodeCleanly(`
    const { Worker } = await import('node:worker_threads')
    const { existsSync } = await import('node:fs')
    const source = \`
      import('asgi-node').then(async ({ PythonHandler }) => {
        const { parentPort } = await import('node:worker_threads')
        const handler = new PythonHandler({ app: 'worker_process_app:app', docroot: \${JSON.stringify(apps)}, workers: 2 })
        await handler.ready()
        parentPort.postMessage(handler.health().workers.map(({ pid }) => pid))
        handler.handleRequest({ url: '/wait?seconds=60' }).catch(() => {})
      })\`
    const thread = new Worker(source, { eval: true })
    const pids = await new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject))
    await thread.terminate()
    const end = Date.now() + 10_000
    while (Date.now() < end && pids.some((pid) => existsSync('/proc/' + pid))) await new Promise((resolve) => setTimeout(resolve, 20))
    console.log(JSON.stringify({ pids, left: pids.filter((pid) => existsSync('/proc/' + pid)) }))`, { timeout: 60_000 })
  assert.equal(pids.length, 2)
  assert.deepEqual(left, [])
})

for (const workers of [0, 2]) {
  test(`the processes of node:cluster serve one port, each with ${workers} workers of its own`, async () => {
    const { pids } = await runNodeCleanly(`
    const { default: cluster } = await import('node:cluster')
    const { writeFileSync, mkdtempSync, rmSync } = await import('node:fs')
    const { join } = await import('node:path')
    const { tmpdir } = await import('node:os')
    const folder = mkdtempSync(join(tmpdir(), 'asgi-node-cluster-'))
    const exec = join(folder, 'member.mjs')
    writeFileSync(exec, \`
      import { createServer } from 'node:http'
      import { PythonHandler } from \${JSON.stringify(import.meta.resolve('asgi-node'))}
      const handler = new PythonHandler({ app: 'pid_app:app', docroot: \${JSON.stringify(apps)}, workers: ${workers} })
      await handler.ready()
      const server = createServer(handler.listener).listen(0, '127.0.0.1', () => process.send(server.address().port))
      process.once('message', async () => {
        server.close()
        await handler.close()
        process.disconnect()
      })\`)
    cluster.setupPrimary({ exec, execArgv: [] })
    const members = [cluster.fork(), cluster.fork()]
    const ports = await Promise.all(members.map((member) => new Promise((resolve) => member.once('message', resolve))))
    const pids = new Set()
    for (let n = 0; n < 20; n += 1) {
      const response = await fetch('http://127.0.0.1:' + ports[n % 2], { headers: { connection: 'close' } })
      pids.add(await response.text())
    }
    const gone = members.map((member) => new Promise((resolve) => member.once('exit', resolve)))
    for (const member of members) member.send('close')
    const codes = await Promise.all(gone)
    rmSync(folder, { recursive: true })
    console.log(JSON.stringify({ pids: [...pids, ...codes.filter((code) => code !== 0)] }))`, { timeout: 60_000 })
    assert.equal(pids.length, workers === 0 ? 2 : 4)
  })
}
