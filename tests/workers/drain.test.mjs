// The end of a worker's requests: a client that leaves, a worker that is replaced, a handler that closes.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { call, openSocket, serve, temporaryFolder, until } from '../node/support.mjs'
import { makeDiary, makeWorkers } from './support.mjs'

describe('a client that leaves while it gets a file', () => {
  for (const way of ['pathsend', 'zerocopysend']) {
    test(`ends ${way} with an error, and the request`, async (t) => {
      const file = join(temporaryFolder(t), 'file')
      writeFileSync(file, Buffer.alloc(64 << 20))
      const diary = makeDiary(t)
      const { handler } = makeWorkers(t, 1, { extensions: { pathsend: true, zerocopysend: true } })
      const { port } = await serve(t, handler.listener)
      const client = await openSocket(t, port)
      client.socket.once('data', () => client.socket.pause())
      client.write(`GET /${way}?file=${file} HTTP/1.1\r\nHost: x\r\n\r\n`)
      await until(() => client.socket.isPaused(), 'the first bytes')
      client.socket.destroy()
      await until(() => handler.health().inFlight === 0, 'the end of the request', 3000)
      assert.match(diary.lines().at(-1), /^(ClientDisconnected|BrokenPipeError|OSError) \d+$/)
    })
  }
})

describe('a worker that is replaced', () => {
  test('finishes what ends within drainTimeout; what does not fails with an error that says so', async (t) => {
    const diary = makeDiary(t)
    const { handler } = makeWorkers(t, { count: 1, drainTimeout: 800 })
    const { url } = await serve(t, handler.listener)
    await handler.ready()
    const short = call(handler, '/wait?seconds=0.3')
    const long = call(handler, '/wait?seconds=60')
    const client = fetch(`${url}/wait?seconds=60`)
    const rejected = assert.rejects(long, { code: 'WORKER_DIED', message: /was replaced, and the request did not end within 800 ms \(option workers\.drainTimeout\)/ })
    await until(() => diary.lines().filter((line) => line.startsWith('waiting')).length === 3, 'three requests')
    await handler.reload()
    assert.equal((await short).status, 200)
    await rejected
    assert.equal((await client).status, 502)
    assert.equal((await call(handler, '/')).status, 200)
  })

  test('is given less time when the handler closes', async (t) => {
    const { handler } = makeWorkers(t)
    await handler.ready()
    const rejected = assert.rejects(call(handler, '/wait?seconds=60'), { code: 'HANDLER_CLOSED' })
    await until(() => handler.health().workers[0]?.inFlight === 1, 'the request')
    await handler.reload()
    assert.equal(handler.health().workers.find(({ state }) => state === 'draining')?.inFlight, 1)
    const began = performance.now()
    await handler.close({ timeout: 200 })
    await rejected
    const took = performance.now() - began
    assert.ok(took < 10_000, `${took} ms`)
  })
})

describe('close()', () => {
  const shutDown = (t, env) => {
    Object.assign(process.env, env)
    t.after(() => Object.keys(env).forEach((name) => delete process.env[name]))
    return makeDiary(t)
  }

  test('lets a shutdown that blocks come to its end, however short its own timeout is', async (t) => {
    const diary = shutDown(t, { WORKER_SHUTDOWN_BLOCKS: '3.5' })
    const { handler } = makeWorkers(t)
    await handler.ready()
    await handler.close({ timeout: 100 })
    assert.match(diary.lines().at(-1), /^flushed /)
  })

  test('rejects when such a shutdown takes longer than shutdownTimeout', async (t) => {
    const diary = shutDown(t, { WORKER_SHUTDOWN_BLOCKS: '60' })
    const { handler } = makeWorkers(t, 1, { shutdownTimeout: 1000 })
    await handler.ready()
    await assert.rejects(handler.close({ timeout: 100 }), { code: 'EVENT_LOOP_BLOCKED' })
    assert.match(diary.lines().at(-1), /^shutdown /)
  })

  test('rejects when a worker has ended in the middle of its shutdown', async (t) => {
    shutDown(t, { WORKER_SHUTDOWN_EXIT: '9' })
    const { handler } = makeWorkers(t)
    await handler.ready()
    await assert.rejects(handler.close(), { code: 'LIFESPAN_SHUTDOWN_FAILED', message: /^The application was not shut down: worker \d+ has died \(exit code 9\) with 0 requests under way/ })
  })
})
