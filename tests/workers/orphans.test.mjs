// Workers end with Node, whatever ends it and whatever they do.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { call, runNode, temporaryFolder, until } from '../node/support.mjs'
import { makeDiary, makeWorkers, pidOf, runs } from './support.mjs'

/** A grace of 900 ms, and what a busy machine adds. */
const SOON = 1200

/** Runs a program that prints numbers of processes and kills itself; gives them, and how long they lived on. */
async function orphans(source) {
  const { stdout, stderr, signal } = await runNode(`${prelude}\n${source}\nprocess.kill(process.pid, 'SIGKILL')`, { timeout: 60_000 })
  const from = performance.now()
  assert.equal(signal, 'SIGKILL', stderr)
  const pids = stdout.trim().split(' ').map(Number)
  assert.ok(pids.every((pid) => pid > 0), stdout)
  await until(() => !pids.some(runs), `the end of ${pids}`, 10_000)
  return { pids, lived: performance.now() - from }
}

const prelude = `
  import { readFileSync, existsSync } from 'node:fs'
  const workers = (handler) => handler.health().workers.map(({ pid }) => pid)
  const seen = (word, count) => existsSync(process.env.WORKER_DIARY) && readFileSync(process.env.WORKER_DIARY, 'utf8').split(word).length > count
  const written = async (word, count = 1) => {
    while (!seen(word, count)) await new Promise((resolve) => setTimeout(resolve, 20))
  }`

test('after their shutdown, where Python lets them', async (t) => {
  const diary = makeDiary(t)
  const { pids, lived } = await orphans(`
    const handler = new PythonHandler({ app: 'worker_process_app:app', docroot: apps, workers: 4 })
    await handler.ready()
    for (let n = 0; n < 8; n += 1) handler.handleRequest({ url: '/wait?seconds=30' })
    await written('waiting', 8)
    console.log(workers(handler).join(' '))`)
  assert.equal(pids.length, 4)
  assert.ok(lived < SOON, `${lived} ms`)
  for (const pid of pids) assert.ok(diary.lines().includes(`shutdown ${pid}`), diary.lines().join('\n'))
})

test('while C functions keep the GIL', async (t) => {
  makeDiary(t)
  const { lived } = await orphans(`
    const handler = new PythonHandler({ app: 'worker_process_app:app', docroot: apps, workers: 2 })
    await handler.ready()
    handler.handleRequest({ url: '/hold-gil?seconds=600' })
    handler.handleRequest({ url: '/match' })
    await Promise.all([written('holding'), written('matching')])
    console.log(workers(handler).join(' '))`)
  assert.ok(lived < SOON, `${lived} ms`)
})

test('while the application is imported', async (t) => {
  const diary = makeDiary(t)
  const folder = temporaryFolder(t, { 'main.py': `import ctypes\nopen(${JSON.stringify(diary.path)}, "w").write("importing")\nctypes.PyDLL(None).sleep(600)` })
  const { lived } = await orphans(`
    const handler = new PythonHandler({ app: 'main:app', docroot: ${JSON.stringify(folder)}, workers: 1 })
    await written('importing')
    console.log(workers(handler).join(' '))`)
  assert.ok(lived < SOON, `${lived} ms`)
})

test('while a process that Python has forked inside of Node keeps the socket open', async (t) => {
  const diary = makeDiary(t)
  const folder = temporaryFolder(t, {
    'forking.py': `import os, time
async def app(scope, receive, send):
    assert scope["type"] == "http"
    child = os.fork()
    if child == 0:
        # Else Node's stdout would not end.
        os.closerange(0, 3)
        time.sleep(30)
        os._exit(0)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % child})
`,
  })
  const forked = []
  t.after(() => forked.filter(runs).forEach((pid) => process.kill(pid, 'SIGKILL')))
  const { stdout, signal, stderr } = await runNode(`${prelude}
    const handler = new PythonHandler({ app: 'worker_process_app:app', docroot: apps, workers: 1 })
    await handler.ready()
    const inside = new PythonHandler({ app: 'forking:app', docroot: ${JSON.stringify(folder)}, lifespan: 'off' })
    const { body } = await inside.handleRequest({ url: '/' })
    console.log(workers(handler)[0], body.toString())
    process.kill(process.pid, 'SIGKILL')`, { timeout: 60_000 })
  const from = performance.now()
  assert.equal(signal, 'SIGKILL', stderr)
  const [worker, child] = stdout.trim().split(' ').map(Number)
  forked.push(child)
  await until(() => !runs(worker), 'the end of the worker', 10_000)
  assert.ok(performance.now() - from < SOON)
  assert.ok(runs(child), 'it holds the socket')
  assert.ok(diary.lines().includes(`shutdown ${worker}`))
})

for (const [what, busy, shutsDown] of [
  ['idle', '', true],
  ['busy', "handler.handleRequest({ url: '/wait?seconds=30' }); await written('waiting')", true],
  ['blocked', "handler.handleRequest({ url: '/hold-gil?seconds=600' }); await written('holding')", false],
]) {
  test(`with the processes that they have started, when they are ${what}`, async (t) => {
    const diary = makeDiary(t)
    const { pids, lived } = await orphans(`
      const handler = new PythonHandler({ app: 'worker_process_app:app', docroot: apps, workers: 1 })
      const { body } = await handler.handleRequest({ url: '/popen' })
      ${busy}
      console.log(workers(handler).join(' '), body.toString())`)
    assert.equal(pids.length, 2)
    assert.ok(lived < SOON, `${lived} ms`)
    assert.equal(diary.lines().includes(`shutdown ${pids[0]}`), shutsDown, diary.lines().join('\n'))
  })
}

test('while a response is written to Node', async (t) => {
  const diary = makeDiary(t)
  const { pids, lived } = await orphans(`
    const handler = new PythonHandler({ app: 'worker_process_app:app', docroot: apps, workers: 1 })
    await handler.ready()
    const response = await handler.handleStream({ url: '/endless' })
    const [pid] = workers(handler)
    let bytes = 0
    for await (const piece of response) {
      bytes += piece.length
      if (bytes > 5_000_000) break
    }
    console.log(pid)`)
  assert.ok(lived < SOON, `${lived} ms`)
  assert.ok(diary.lines().includes(`shutdown ${pids[0]}`), diary.lines().join('\n'))
})

test('a worker that is killed because it is blocked takes them along, too', async (t) => {
  const { handler } = makeWorkers(t, { count: 1, killBlockedAfter: 500 })
  const worker = await pidOf(handler)
  const child = Number((await call(handler, '/child')).body.toString())
  assert.ok(runs(child))
  await assert.rejects(call(handler, '/hold-gil?seconds=600'), { code: 'WORKER_DIED', message: /SIGKILL/ })
  assert.ok(!runs(worker))
  await until(() => !runs(child), 'the end of its child', 2000)
})

test('a worker does nothing for it while it is idle', async (t) => {
  const { handler } = makeWorkers(t, 1)
  const pid = await pidOf(handler)
  await sleep(200)
  const switches = () => {
    const tasks = readdirSync(`/proc/${pid}/task`).map((task) => readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8'))
    const orphan = tasks.find((status) => status.startsWith('Name:\tasgi-node-orpha'))
    return Number(/^voluntary_ctxt_switches:\t(\d+)$/m.exec(orphan)[1])
  }
  const before = switches()
  for (let n = 0; n < 20; n += 1) await pidOf(handler)
  assert.equal(switches(), before)
})
