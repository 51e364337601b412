// The life of a handler: abort, close, the process's exit, the synchronous call, workers.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { after, describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { PythonError, PythonHandler, Request } from 'asgi-node'
import { apps, call, callJson, makeHandler, runNode, runNodeCleanly, text, until } from './support.mjs'

const limits = { timeout: 30_000 }
const file = { after }

describe('AbortSignal', limits, () => {
  const handler = makeHandler(file, 'flow_app:app')
  const state = (id) => callJson(handler, `/state?id=${id}`)

  test('an aborted signal rejects at once with its reason', async () => {
    const reason = new Error('changed my mind')
    const options = { signal: AbortSignal.abort(reason) }
    await assert.rejects(call(handler, '/silent?id=never', {}, options), (error) => error === reason)
    await assert.rejects(handler.handleStream(new Request({ url: '/wait?id=never' }), options), (e) => e === reason)
    assert.deepEqual(await state('never'), {})
  })

  test('aborting rejects, and the app receives http.disconnect but is not cancelled (asgi_43, asgi_71)', async () => {
    const controller = new AbortController()
    const pending = call(handler, '/silent?id=abort', {}, { signal: controller.signal })
    await until(async () => (await state('abort')).started, 'the start of the app')
    controller.abort()
    await assert.rejects(pending, { name: 'AbortError' })
    const ended = await until(async () => (await state('abort')).ended, 'the end of the app')
    assert.equal(ended, 'disconnect')
  })

  test('what is no AbortSignal is a TypeError that says so', async () => {
    for (const signal of [7, {}, new AbortController()]) {
      await assert.rejects(call(handler, '/silent?id=never', {}, { signal }), { name: 'TypeError', message: /^signal must be an AbortSignal, not / })
      await assert.rejects(handler.handleStream(new Request({ url: '/wait?id=never', websocket: true }), { signal }), { name: 'TypeError' })
    }
    await assert.rejects(call(handler, '/silent?id=never', {}, null), { name: 'TypeError', message: /^options must be an object, not null$/ })
    assert.deepEqual(await state('never'), {})
  })

  test('a time-out is a signal too', async () => {
    const signal = AbortSignal.timeout(30)
    await assert.rejects(call(handler, '/silent?id=timeout', {}, { signal }), { name: 'TimeoutError' })
  })

  test('aborting a stream ends its iteration; the disconnect repeats in the app (asgi_44)', async () => {
    const controller = new AbortController()
    const response = await handler.handleStream(new Request({ url: '/wait?id=stream' }), { signal: controller.signal })
    await assert.rejects(async () => {
      for await (const chunk of response) {
        assert.equal(chunk.toString(), 'waiting')
        controller.abort()
      }
    }, { name: 'AbortError' })
    const { events } = await until(async () => {
      const now = await state('stream')
      return now.ended && now
    }, 'the end of the app')
    assert.deepEqual(events, ['http.disconnect', 'http.disconnect'])
  })

  test('a signal that fires after the end changes nothing, and is let go', async () => {
    const controller = new AbortController()
    const hello = makeHandler(file)
    const response = await call(hello, '/', {}, { signal: controller.signal })
    assert.deepEqual(getEventListeners(controller.signal, 'abort'), [])
    controller.abort()
    assert.equal(text(response), 'Hello, world!')
  })
})

describe('close', limits, () => {
  test('after close every call is refused with HANDLER_CLOSED, and close may be repeated', async () => {
    const handler = new PythonHandler({ app: 'main:app', docroot: apps })
    assert.equal(text(await call(handler)), 'Hello, world!')
    assert.equal(await handler.close(), undefined)
    assert.equal(await handler.close(), undefined)
    const closed = { name: 'PythonError', code: 'HANDLER_CLOSED' }
    await assert.rejects(call(handler), closed)
    await assert.rejects(handler.handleStream(new Request({ url: '/' })), closed)
    assert.throws(() => handler.handleRequestSync(new Request({ url: '/' })), closed)
  })

  test('a new handler on the same app works after close', async (t) => {
    for (let round = 0; round < 3; round += 1) {
      const handler = new PythonHandler({ app: 'main:app', docroot: apps })
      assert.equal(text(await call(handler)), 'Hello, world!')
      await handler.close()
    }
    assert.equal(text(await call(makeHandler(t, 'main:app'))), 'Hello, world!')
  })

  test('option signal closes: what is under way is finished, what comes later is refused', async () => {
    const controller = new AbortController()
    const handler = new PythonHandler({ app: 'slow_app:app', docroot: apps, signal: controller.signal })
    await handler.ready()
    const pending = call(handler, '/await?seconds=0.1&number=1')
    controller.abort()
    await assert.rejects(call(handler), { code: 'HANDLER_CLOSED' })
    assert.equal(text(await pending), '1')
    await handler.close()
    const never = new PythonHandler({ app: 'no_such_module:app', docroot: apps, signal: AbortSignal.abort() })
    await assert.rejects(never.ready(), { code: 'HANDLER_CLOSED' })
    await never.close()
  })

  test('close({ delay }) is not ready at once, and takes requests until the delay is over', async (t) => {
    const handler = makeHandler(t)
    assert.equal((await call(handler)).status, 200)
    const from = performance.now()
    const closed = handler.close({ delay: 400 })
    const { ready, live, draining } = handler.health()
    assert.deepEqual({ ready, live, draining }, { ready: false, live: true, draining: true })
    await handler.ready()
    assert.equal((await call(handler)).status, 200)
    assert.equal(handler.handleRequestSync({ url: '/' }).status, 200)
    // A longer one does not put it off.
    assert.equal(handler.close({ delay: 60_000 }), closed)
    await closed
    assert.ok(performance.now() - from >= 395)
    await assert.rejects(call(handler), { code: 'HANDLER_CLOSED' })
  })

  test('close() ends the delay of an earlier one, and a handler that is not ready has none', async (t) => {
    const handler = makeHandler(t)
    await handler.ready()
    const closed = handler.close({ delay: 60_000 })
    const again = handler.close({ timeout: 1000 })
    assert.equal(again, closed)
    await closed
    const starting = makeHandler(t)
    await starting.close({ delay: 60_000 })
    await assert.rejects(starting.ready(), { code: 'HANDLER_CLOSED' })
  })

  for (const [options, outcome] of [[undefined, '1'], [{ timeout: 0 }, 'HANDLER_CLOSED']]) {
    test(`close(${options ? '{ timeout: 0 }' : ''}) ends a request in flight exactly once, before it resolves: ${outcome}`, async () => {
      const entries = []
      const handler = new PythonHandler({ app: 'slow_app:app', docroot: apps, accessLog: (entry) => void entries.push(entry) })
      await handler.ready()
      const settled = []
      call(handler, `/await?seconds=${options ? 30 : 0.2}&number=1`).then(
        (response) => settled.push(text(response)),
        (error) => settled.push(error.code),
      )
      await until(() => handler.health().inFlight === 1)
      await handler.close(options)
      assert.deepEqual(settled, [outcome])
      assert.equal(entries.length, 1)
    })
  }

  test('Symbol.asyncDispose closes; closing before the start is over is fine', async () => {
    const handler = new PythonHandler({ app: 'main:app', docroot: apps })
    await handler[Symbol.asyncDispose]()
    await assert.rejects(call(handler), { code: 'HANDLER_CLOSED' })
  })
})

describe('the process', limits, () => {
  test('an idle handler, ready and used but never closed, lets it exit', async () => {
    const outcome = await runNode(`
      const handler = new PythonHandler({ app: 'main:app', docroot: apps })
      const response = await handler.handleRequest(new Request({ url: '/' }))
      console.log(JSON.stringify(response.body.toString()))`)
    assert.deepEqual([outcome.code, outcome.signal, outcome.result], [0, null, 'Hello, world!'], outcome.stderr)
    assert.ok(outcome.milliseconds < 10_000, `${outcome.milliseconds} ms`)
  })

  test('a pending request keeps it alive', async () => {
    const result = await runNodeCleanly(`
      const handler = new PythonHandler({ app: 'slow_app:app', docroot: apps })
      handler.handleRequest(new Request({ url: '/await?seconds=0.5&number=9' }))
        .then((response) => console.log(JSON.stringify(response.body.toString())))`)
    assert.equal(result, '9')
  })

  test('so does a start that somebody waits for', async () => {
    const result = await runNodeCleanly(`
      new PythonHandler({ app: 'main:app', docroot: apps }).ready().then(() => console.log('"ready"'))`)
    assert.equal(result, 'ready')
  })

  test('process.exit() works while the app is busy, with the exit code that was asked for', async () => {
    const outcome = await runNode(`
      const handler = new PythonHandler({ app: 'slow_app:app', docroot: apps })
      await handler.ready()
      handler.handleRequest(new Request({ url: '/spin?seconds=30' })).catch(() => {})
      setTimeout(() => process.exit(7), 100)`)
    assert.deepEqual([outcome.code, outcome.signal, outcome.stderr], [7, null, ''])
    assert.ok(outcome.milliseconds < 15_000, `${outcome.milliseconds} ms`)
  })

  test('an idle handler uses no CPU', async (t) => {
    const result = await runNodeCleanly(`
      const handler = new PythonHandler({ app: 'main:app', docroot: apps })
      await handler.handleRequest(new Request({ url: '/' }))
      await new Promise((resolve) => setTimeout(resolve, 300))
      const before = process.cpuUsage()
      await new Promise((resolve) => setTimeout(resolve, 1000))
      const { user, system } = process.cpuUsage(before)
      console.log(JSON.stringify({ milliseconds: (user + system) / 1000 }))`)
    t.diagnostic(`CPU in one idle second: ${result.milliseconds.toFixed(1)} ms`)
    assert.ok(result.milliseconds < 20, `${result.milliseconds} ms`)
  })
})

describe('handleRequestSync', limits, () => {
  const handler = makeHandler(file, 'echo_app:app')

  test('answers before ready, and later, with the whole response', async () => {
    const early = new PythonHandler({ app: 'main:app', docroot: apps })
    assert.equal(text(early.handleRequestSync(new Request({ url: '/' }))), 'Hello, world!')
    await early.close()
    const request = new Request({ method: 'POST', url: '/x?y', headers: { 'x-a': '1' }, body: 'sync' })
    const response = handler.handleRequestSync(request)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-type'), 'application/json')
    const echoed = JSON.parse(text(response))
    assert.deepEqual([echoed.method, echoed.path, echoed.query_string, echoed.body], ['POST', '/x', 'y', 'sync'])
  })

  test('large bodies do not deadlock it', (t) => {
    const digest = makeHandler(t, 'digest_app:app')
    const body = Buffer.alloc(5_000_000, 'x')
    const response = digest.handleRequestSync(new Request({ method: 'POST', url: '/mirror', body }))
    assert.ok(response.body.equals(body))
  })

  test('throws what the asynchronous call would reject with', (t) => {
    const failing = makeHandler(t, 'error_app:app')
    assert.throws(() => failing.handleRequestSync(new Request({ url: '/error' })), (error) => {
      assert.ok(error instanceof PythonError)
      assert.equal(error.code, 'APP_ERROR')
      assert.match(error.traceback, /Test error/)
      return true
    })
    const missing = makeHandler(t, 'no_such_module:app')
    assert.throws(() => missing.handleRequestSync(new Request({ url: '/' })), { code: 'APP_NOT_FOUND' })
  })

  test('works while asynchronous requests are under way, and from their continuations', async (t) => {
    const slow = makeHandler(t, 'slow_app:app')
    await slow.ready()
    const pending = call(slow, '/await?seconds=0.1&number=1')
    assert.equal(text(slow.handleRequestSync(new Request({ url: '/await?seconds=0.02&number=2' }))), '2')
    const first = await pending
    assert.equal(text(first), '1')
    assert.equal(text(slow.handleRequestSync(new Request({ url: '/?number=3' }))), '3')
  })

  const inner = (on) => {
    try {
      return JSON.parse(text(on.handleRequestSync(new Request({ url: '/inner' })))).path
    } catch (error) {
      return error.code
    }
  }

  test('inside the source of a request body it answers', async () => {
    const outcomes = []
    async function* body() {
      yield 'a'
      outcomes.push(inner(handler))
      yield 'b'
    }
    const echoed = await callJson(handler, '/outer', { method: 'POST', body: body() })
    assert.equal(echoed.body, 'ab')
    assert.deepEqual(outcomes, ['/inner'])
  })

  test('inside what an event of Python calls it throws SYNC_REENTRANT, and the event goes on', async (t) => {
    const outcomes = []
    const stdio = (line) => void outcomes.push([line, inner(handler)])
    const speaking = makeHandler(t, 'speaking_app:app', { stdio })
    await call(speaking, '/lines')
    await until(() => outcomes.length > 0)
    assert.equal(outcomes[0][1], 'SYNC_REENTRANT')
    assert.deepEqual(new Set(outcomes.map(([, outcome]) => outcome)), new Set(['SYNC_REENTRANT']))
    assert.equal(inner(handler), '/inner')
  })
})

describe('workers', limits, () => {
  const start = (mode) => new Worker(new URL('./worker.mjs', import.meta.url), { workerData: { apps, mode } })
  const messageOf = (worker) =>
    new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  const exitOf = (worker) => new Promise((resolve) => worker.once('exit', resolve))

  test('several workers have a handler each, all in the one interpreter, and exit by themselves', async (t) => {
    const here = makeHandler(t, 'pid_app:app')
    const workers = ['ask', 'close', 'ask'].map(start)
    const exits = workers.map(exitOf)
    const messages = await Promise.all(workers.map(messageOf))
    const { pid, thread } = await callJson(here, '/')
    assert.equal(pid, process.pid)
    for (const { first, pids } of messages) assert.deepEqual([first, pids], [{ pid, thread }, [pid]])
    assert.deepEqual(await Promise.all(exits), [0, 0, 0])
    assert.equal((await callJson(here, '/')).pid, process.pid)
  })

  test('a worker that is terminated in the middle of its requests harms nobody', async (t) => {
    const here = makeHandler(t, 'slow_app:app')
    for (let round = 0; round < 5; round += 1) {
      const worker = start('busy')
      assert.equal(await messageOf(worker), 'busy')
      await worker.terminate()
      assert.equal(text(await call(here, '/?number=4')), '4')
    }
  })
})
