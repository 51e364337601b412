// Lifespan (asgi_113 to asgi_122) and closing in order (asgi_133, asgi_134).
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { call, callJson, makeHandler, openSocket, runNode, serveApp, temporaryFolder, text, until } from '../node/support.mjs'

const limits = { timeout: 20_000 }

/** What lifespans note from now on, read through an application of its own. */
async function lifespanLog(t) {
  const watcher = makeHandler(t, 'lifespan_app:returning')
  const all = async () => text(await call(watcher, '/log'))
  const { length } = await all()
  return async () => (await all()).slice(length)
}

describe('start-up', limits, () => {
  test('asgi_4 asgi_113 asgi_114 one call per handler, before the first request; shutdown after the last', async (t) => {
    const other = makeHandler(t, 'lifespan_app:returning')
    const begun = text(await call(other, '/log')).length
    const handler = makeHandler(t, 'lifespan_app:app')
    await handler.ready()
    const log = async () => text(await call(other, '/log')).slice(begun)
    const started = ["scope ['asgi', 'state', 'type'] 2.0 {}", 'lifespan.startup'].join(',')
    assert.equal((await log()).replace(/^,/, ''), started)
    await call(handler, '/log')
    await handler.close()
    assert.equal((await log()).replace(/^,/, ''), `${started},lifespan.shutdown`)
  })

  test('asgi_35 asgi_122 state: a shallow copy for each request; asgi_14 the context of start-up, not that of others', async (t) => {
    const handler = makeHandler(t, 'lifespan_app:app')
    assert.deepEqual(await callJson(handler, '/state'), { name: 'start', items: [], number: 7 })
    assert.deepEqual(await callJson(handler, '/state'), { name: 'start', items: [0], number: 7 })
  })

  for (const app of ['unsupported', 'returning']) {
    test(`asgi_116 asgi_118 auto goes on without lifespan, without noise: ${app}`, async () => {
      const outcome = await runNode(
        `const handler = new PythonHandler({ app: 'lifespan_app:${app}', docroot: apps })
        console.log((await handler.handleRequest(new Request({ url: '/log' }))).status)
        await handler.close()`,
      )
      assert.deepEqual([outcome.code, outcome.result, outcome.stderr], [0, 200, ''])
    })

    test(`asgi_116 on takes that for a failure: ${app}`, async (t) => {
      const handler = makeHandler(t, `lifespan_app:${app}`, { lifespan: 'on' })
      await assert.rejects(handler.ready(), { name: 'PythonError', code: 'LIFESPAN_STARTUP_FAILED', message: /lifespan is 'on'/ })
    })
  }

  test('asgi_116 off never calls', async (t) => {
    const handler = makeHandler(t, 'lifespan_app:failing', { lifespan: 'off' })
    await handler.ready()
  })

  test("asgi_115 startup.failed rejects with the app's own message, in auto too", async (t) => {
    const handler = makeHandler(t, 'lifespan_app:failing')
    const expected = { code: 'LIFESPAN_STARTUP_FAILED', message: 'the database is down' }
    await assert.rejects(handler.ready(), expected)
    await assert.rejects(call(handler, '/'), expected)
    assert.throws(() => handler.handleRequestSync({ url: '/' }), expected)
  })

  test("what Starlette's lifespan raises is told once: the message is what happened, and the traceback is there", async (t) => {
    const docroot = temporaryFolder(t, {
      'starlette_life.py': `
import contextlib
from starlette.applications import Starlette
def lifespan_of(start, stop):
    @contextlib.asynccontextmanager
    async def lifespan(app):
        if start: raise RuntimeError(start)
        yield
        if stop: raise RuntimeError(stop)
    return lifespan
starting = Starlette(lifespan=lifespan_of("the database \\udcff is down", None))
stopping = Starlette(lifespan=lifespan_of(None, "the cache is full"))
`,
    })
    const told = []
    const note = (_, message) => void told.push(message)
    const open = (app) => makeHandler(t, `starlette_life:${app}`, { docroot, logger: { debug: note, info: note, warn: note, error: note } })
    const starting = await open('starting').ready().catch((error) => error)
    assert.deepEqual([starting.code, starting.message], ['LIFESPAN_STARTUP_FAILED', 'RuntimeError: the database \\udcff is down'])
    assert.match(starting.traceback, /^Traceback [^]*starlette_life\.py", line 7[^]*RuntimeError: the database/)
    const handler = open('stopping')
    await handler.ready()
    const stopping = await handler.close().catch((error) => error)
    assert.deepEqual([stopping.code, stopping.message], ['LIFESPAN_SHUTDOWN_FAILED', 'RuntimeError: the cache is full'])
    assert.match(stopping.traceback, /starlette_life\.py", line 9/)
    assert.deepEqual(told, [])
  })

  test('asgi_123 a start-up that failed is not tried again, whatever asks for it', async (t) => {
    const failures = async () => (await call(makeHandler(t, 'lifespan_app:returning'), '/log')).body.toString().split('failing').length - 1
    const before = await failures()
    const handler = makeHandler(t, 'lifespan_app:failing')
    for (let i = 0; i < 5; i += 1) {
      await assert.rejects(handler.ready(), { code: 'LIFESPAN_STARTUP_FAILED' })
      await assert.rejects(call(handler, '/'), { code: 'LIFESPAN_STARTUP_FAILED' })
      assert.throws(() => handler.handleRequestSync({ url: '/' }), { code: 'LIFESPAN_STARTUP_FAILED' })
    }
    assert.equal(await failures(), before + 1)
  })

  test('asgi_121 start-up that takes too long names its option', async (t) => {
    const handler = makeHandler(t, 'lifespan_app:slow_start', { startupTimeout: 100 })
    await assert.rejects(handler.ready(), { code: 'LIFESPAN_STARTUP_FAILED', message: /0\.1 s \(option startupTimeout\)/ })
  })

  test('field_31 a start-up that takes too long is cancelled', async (t) => {
    const seen = await lifespanLog(t)
    const handler = makeHandler(t, 'lifespan_app:slow_start', { startupTimeout: 100 })
    await assert.rejects(handler.ready(), { code: 'LIFESPAN_STARTUP_FAILED' })
    await until(async () => (await seen()).includes('start-up cancelled'))
  })

  test('asgi_119 what comes at the wrong time raises in send, and start-up goes on', async (t) => {
    const handler = makeHandler(t, 'lifespan_app:disorderly', { lifespan: 'on' })
    const log = text(await call(handler, '/log'))
    for (const kind of ['lifespan.shutdown.complete', 'lifespan.nonsense', 'http.response.start', 'lifespan.startup.complete']) {
      assert.ok(log.includes(`refused ${kind}`), `${kind}: ${log}`)
    }
    await handler.close()
  })

  test('asgi_117 a lifespan that raises later is logged, and the app serves on', async () => {
    const outcome = await runNode(
      `const handler = new PythonHandler({ app: 'lifespan_app:raising_later', docroot: apps })
      console.log((await handler.handleRequest(new Request({ url: '/log' }))).status)
      await handler.close()`,
    )
    assert.deepEqual([outcome.code, outcome.result], [0, 200], outcome.stderr)
    assert.match(outcome.stderr, /Exception in the lifespan of the ASGI application[^]*RuntimeError: lifespan over/)
  })
})

describe('close', limits, () => {
  test('asgi_120 shutdown.failed rejects close() with its message, once and for all', async (t) => {
    const handler = makeHandler({ after() {} }, 'lifespan_app:failing_shutdown')
    await handler.ready()
    const expected = { code: 'LIFESPAN_SHUTDOWN_FAILED', message: 'the cache could not be written' }
    await assert.rejects(handler.close(), expected)
    await assert.rejects(handler.close(), expected)
    t.diagnostic('closed twice')
  })

  test('field_31 a shutdown that takes longer than shutdownTimeout rejects close(), and is cancelled', async (t) => {
    const seen = await lifespanLog(t)
    const handler = makeHandler({ after() {} }, 'lifespan_app:slow_shutdown', { shutdownTimeout: 100 })
    await handler.ready()
    const expected = { code: 'LIFESPAN_SHUTDOWN_FAILED', message: /0\.1 s \(option shutdownTimeout\)/ }
    await assert.rejects(handler.close(), expected)
    await until(async () => (await seen()).includes('shutdown cancelled'))
  })

  test('field_31 a lifespan that goes on after shutdown.complete is cancelled', async (t) => {
    const seen = await lifespanLog(t)
    const handler = makeHandler(t, 'lifespan_app:lingering')
    await handler.ready()
    await handler.close()
    await until(async () => (await seen()).includes('lifespan cancelled'))
  })

  test('asgi_133 what is under way is finished; what comes later is refused', async (t) => {
    const handler = makeHandler(t, 'lifespan_app:app')
    await handler.ready()
    const under = Array.from({ length: 100 }, () => call(handler, '/slow'))
    const closed = handler.close()
    await assert.rejects(call(handler, '/slow'), { code: 'HANDLER_CLOSED' })
    for (const response of await Promise.all(under)) assert.equal(text(response), 'slow but whole')
    await closed
  })

  test('asgi_133 what goes on after the timeout is cancelled', async (t) => {
    const handler = makeHandler(t, 'lifespan_app:app')
    await handler.ready()
    const stubborn = call(handler, '/stubborn')
    const started = performance.now()
    const [outcome] = await Promise.allSettled([stubborn, handler.close({ timeout: 200 })])
    assert.equal(outcome.reason?.code, 'HANDLER_CLOSED')
    assert.ok(performance.now() - started < 3000)
  })

  test('asgi_134 an event stream is told at once, and ends in order', async (t) => {
    const handler = makeHandler(t, 'lifespan_app:app')
    const response = await handler.handleStream({ url: '/events' })
    assert.equal(String(await response.next()), 'open\n')
    const closed = handler.close()
    assert.equal(String(await response.next()), 'closed in order\n')
    assert.equal(await response.next(), null)
    await closed
  })

  describe('behind a listener', () => {
    const site = serveApp({ before, after }, 'lifespan_app:app')

    test('asgi_133 the response under way closes its connection; a new request gets 503', async (t) => {
      const client = await openSocket(t, site.port)
      client.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n')
      await new Promise((resolve) => setTimeout(resolve, 100))
      const closed = site.handler.close()
      const late = await site.fetch('/log')
      assert.deepEqual([late.status, late.headers.get('connection')], [503, 'close'])
      await closed
      await until(() => client.received.includes('slow but whole'))
      assert.match(client.received, /^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n/i)
    })
  })

  test('SIGTERM with 1,000 requests in flight loses none', async () => {
    const outcome = await runNode(
      `const handler = new PythonHandler({ app: 'lifespan_app:app', docroot: apps })
      await handler.ready()
      const under = Array.from({ length: 1000 }, () => handler.handleRequest(new Request({ url: '/slow' })))
      process.once('SIGTERM', async () => {
        await handler.close()
        const bodies = await Promise.all(under)
        console.log(bodies.filter((response) => String(response.body) === 'slow but whole').length)
      })
      process.kill(process.pid, 'SIGTERM')`,
    )
    assert.deepEqual([outcome.code, outcome.result], [0, 1000], outcome.stderr)
  })

  test('a new handler on the same app works afterwards', async (t) => {
    const first = makeHandler(t, 'lifespan_app:app')
    await first.ready()
    await first.close()
    assert.equal((await call(makeHandler(t, 'lifespan_app:app'), '/log')).status, 200)
  })
})
