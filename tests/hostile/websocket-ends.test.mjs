// Very many open WebSockets when their server ends: each client gets a close frame, nothing hangs, nothing crashes.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { frame, handshake, open, serveWebSockets } from '../asgi/websockets.mjs'
import { allHoldings, assertReturnsTo, makeHandler, repeats, until } from '../node/support.mjs'

const SOCKETS = repeats(200, 1000)
const limits = { timeout: 90_000 }
const host = fileURLToPath(new URL('websocket-host.mjs', import.meta.url))

/** Opens so many, a hundred at a time, and has each of them echo something. */
async function openMany(url, count = SOCKETS) {
  const clients = []
  while (clients.length < count) {
    clients.push(...(await Promise.all(Array.from({ length: Math.min(100, count - clients.length) }, () => open(url)))))
  }
  for (const { ws } of clients) ws.send('here')
  await until(() => clients.every(({ messages }) => messages.length === 1), 'the echoes', 30_000)
  return clients
}

/** The close codes that the clients have seen, and how often. */
async function codesOf(clients) {
  const counts = {}
  for (const { code } of await Promise.all(clients.map(({ closed }) => closed))) counts[code] = (counts[code] ?? 0) + 1
  return counts
}

describe('in this process', limits, () => {
  const site = serveWebSockets({ before, after })
  const watcher = makeHandler({ after }, 'facts_app:app')

  test(`asgi_141 ${SOCKETS} that come and go leave no task, descriptor or handle behind`, async () => {
    await watcher.ready()
    for (const { ws } of await openMany(`${site.url}/echo`, 100)) ws.close()
    const held = await allHoldings(watcher)
    const clients = await openMany(`${site.url}/echo`)
    // Some say goodbye, some do not.
    for (const [index, { ws }] of clients.entries()) if (index % 2) ws.close()
      else ws.terminate()
    await Promise.all(clients.map(({ closed }) => closed))
    await assertReturnsTo(held, { watcher })
  })

  test('asgi_108 close(): 1012 for every client and every call of the application', async () => {
    const key = site.key()
    const clients = await openMany(`${site.url}/echo?log=${key}`)
    const started = performance.now()
    await site.handler.close()
    assert.deepEqual(await codesOf(clients), { 1012: SOCKETS })
    assert.ok(performance.now() - started < 20_000)
  })
})

describe('in a process of its own', limits, () => {
  /** @param {string} how it ends */
  async function endProcess(t, how) {
    const child = fork(host, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    t.after(() => child.kill('SIGKILL'))
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text) => (errors += text))
    const [{ port }] = await once(child, 'message')
    const clients = await openMany(`ws://127.0.0.1:${port}/echo`)
    const ended = once(child, 'close')
    child.send(how)
    const codes = await codesOf(clients)
    const [code, signal] = await ended
    return { codes, code, signal, errors }
  }

  test('close(), after which it ends by itself', async (t) => {
    assert.deepEqual(await endProcess(t, 'close'), { codes: { 1012: SOCKETS }, code: 0, signal: null, errors: '' })
  })

  // A close frame is not answered by a program that hangs, nor by one that does not know how.
  for (const [how, least, most] of [['close', 4000, 15_000], ['closeSoon', 300, 4000]]) {
    test(`${how}: clients that do not answer keep it for a short time only`, async (t) => {
      const child = fork(host, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
      t.after(() => child.kill('SIGKILL'))
      const [{ port }] = await once(child, 'message')
      const silent = await handshake(t, port)
      const sending = await handshake(t, port)
      await Promise.all([silent.head(), sending.head()])
      sending.socket.on('error', () => {})
      const noise = setInterval(() => sending.write(frame(1, 'still here')), 50)
      t.after(() => clearInterval(noise))
      const ended = once(child, 'close')
      const started = performance.now()
      child.send(how)
      await until(() => silent.received.endsWith('\x88\x02\x03\xf4'), 'the close frame')
      assert.deepEqual(await ended, [0, null])
      const took = performance.now() - started
      assert.ok(took > least && took < most, `it took ${took} ms`)
    })
  }

  test('process.exit()', async (t) => {
    assert.deepEqual(await endProcess(t, 'exit'), { codes: { 1012: SOCKETS }, code: 7, signal: null, errors: '' })
  })

  test('an exception that nobody catches', async (t) => {
    const { errors, ...end } = await endProcess(t, 'throw')
    assert.deepEqual(end, { codes: { 1012: SOCKETS }, code: 1, signal: null })
    assert.match(errors, /the end that the test asked for/)
  })
})

describe('in a worker', limits, () => {
  /** @param {(worker: Worker) => void} end */
  async function endWorker(end) {
    const worker = new Worker(host)
    const [{ port }] = await once(worker, 'message')
    const clients = await openMany(`ws://127.0.0.1:${port}/echo`)
    const ended = once(worker, 'exit')
    end(worker)
    return { codes: await codesOf(clients), code: (await ended)[0] }
  }

  test('close(), after which it ends by itself', async () => {
    assert.deepEqual(await endWorker((worker) => worker.postMessage('close')), { codes: { 1012: SOCKETS }, code: 0 })
  })

  test('process.exit() in it', async () => {
    assert.deepEqual(await endWorker((worker) => worker.postMessage('exit')), { codes: { 1012: SOCKETS }, code: 7 })
  })

  test('terminate(): no code of the worker runs any more, so the connections just end', async () => {
    assert.deepEqual(await endWorker((worker) => worker.terminate()), { codes: { 1006: SOCKETS }, code: 1 })
  })
})
