// handler.health(), and the watch over the event loop.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PythonHandler } from 'asgi-node'
import { WebSocket } from 'ws'
import { healthOf } from '../../npm/asgi-node/lib/log/health.js'
import { apps, call, makeHandler, runNode, temporaryFolder, until } from './support.mjs'

const limits = { timeout: 110_000 }

/** A handler, and what its logger is told. */
function watched(scope, options = {}, app = 'blocking_app:app') {
  const told = []
  const note = (level) => (object, message) => void told.push({ level, message, ...object })
  const logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
  return { told, handler: makeHandler(scope, app, { logger, ...options }) }
}

describe('health', limits, () => {
  test('blockedMs and `live` never contradict each other around unhealthyAfter', () => {
    const known = { inFlight: 0, abandoned: 0, queued: 0, requests: 0, errors: 0, lag: 0, failed: false, loop: null }
    const at = (blocked) => {
      const { live, ready, python } = healthOf('ready', false, { ...known, blocked }, 0, 1000, null)
      return [python.blockedMs, live, ready]
    }
    assert.deepEqual(at(999.7), [999, true, true])
    assert.deepEqual(at(1000.2), [1000, false, false])
  })

  test('before, while and after it serves', async (t) => {
    const handler = new PythonHandler({ app: 'blocking_app:app', docroot: apps })
    t.after(() => handler.close())
    const { python, ...first } = handler.health()
    assert.deepEqual(first, {
      ready: false, live: true, draining: false, inFlight: 0, abandoned: 0, queued: 0, loopLagMs: 0, sockets: 0, requestsTotal: 0, errorsTotal: 0,
    })
    assert.equal(python.blockedMs, 0)
    await handler.ready()
    const { version, executable, loop } = PythonHandler.python
    assert.deepEqual(handler.health().python, { running: true, version, executable, loop, blockedMs: 0 })
    assert.deepEqual([handler.health().ready, handler.health().live], [true, true])

    const waiting = Array.from({ length: 3 }, () => call(handler, '/await?seconds=0.2'))
    assert.equal(handler.health().inFlight, 3)
    await Promise.all(waiting)
    for (const path of ['/fail', '/no-response']) await assert.rejects(call(handler, path))
    const { inFlight, queued, requestsTotal, errorsTotal } = handler.health()
    assert.deepEqual({ inFlight, queued, requestsTotal, errorsTotal }, { inFlight: 0, queued: 0, requestsTotal: 5, errorsTotal: 2 })

    const last = call(handler, '/await?seconds=0.2')
    const closed = handler.close()
    assert.deepEqual([handler.health().ready, handler.health().draining, handler.health().inFlight], [false, true, 1])
    await Promise.all([last, closed])
    const end = handler.health()
    assert.deepEqual([end.ready, end.live, end.draining, end.inFlight, end.requestsTotal, end.errorsTotal], [false, true, true, 0, 6, 2])
  })

  test('a start that fails is not live, closed or not', async (t) => {
    const handler = makeHandler(t, 'no_such_module:app')
    await assert.rejects(handler.ready(), { code: 'APP_NOT_FOUND' })
    assert.deepEqual([handler.health().ready, handler.health().live], [false, false])
    await handler.close()
    const { ready, live, draining } = handler.health()
    assert.deepEqual({ ready, live, draining }, { ready: false, live: false, draining: true })
  })

  test('the loop is the one that the handler runs on', async (t) => {
    const handlers = ['auto', 'asyncio', 'uvloop'].map((loop) => makeHandler(t, 'main:app', { loop }))
    assert.equal(handlers[1].health().python.loop, null)
    await Promise.all(handlers.map((handler) => handler.ready()))
    const loops = () => handlers.map((handler) => handler.health().python.loop)
    assert.deepEqual(loops(), [PythonHandler.python.loop, 'asyncio', 'uvloop'])
    await Promise.all(handlers.map((handler) => handler.close()))
    assert.deepEqual(loops(), [PythonHandler.python.loop, 'asyncio', 'uvloop'])
    const modules = temporaryFolder(t, { 'uvloop.py': 'version = "0"' })
    const { result, stderr } = await runNode(`
      const handler = new PythonHandler({ app: 'main:app', docroot: apps, loop: 'uvloop' })
      await handler.ready()
      console.log(JSON.stringify(handler.health().python.loop))`, { env: { PYTHONPATH: modules } })
    assert.equal(result, 'asyncio', stderr)
  })

  test('open WebSockets are counted', async (t) => {
    const { handler } = watched(t, {}, 'websocket_app:app')
    const server = createServer(handler.listener).on('upgrade', handler.upgrade).listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}/echo`)
    await once(socket, 'open')
    assert.deepEqual([handler.health().sockets, handler.health().inFlight], [1, 1])
    socket.close()
    await until(() => handler.health().sockets === 0 && handler.health().inFlight === 0)
  })

  test('what waits for the loop is queued, and health does not wait for Python', async (t) => {
    const { handler } = watched(t, { blockedThreshold: 0 })
    await handler.ready()
    const holding = call(handler, '/hold?seconds=0.6')
    // One request blocks the loop, which gets the others after that.
    await until(() => handler.health().queued === 0)
    const others = Array.from({ length: 5 }, () => call(handler, '/'))
    const { inFlight, queued } = handler.health()
    assert.deepEqual([inFlight, queued], [6, 5])
    await Promise.all([holding, ...others])
    assert.deepEqual([handler.health().inFlight, handler.health().queued], [0, 0])
  })
})

describe('a blocked event loop', limits, () => {
  test('one warning with the stack, live and ready false after unhealthyAfter, and back', async (t) => {
    const { handler, told } = watched(t, { blockedThreshold: 200, unhealthyAfter: 600 })
    await handler.ready()
    const pending = call(handler, '/sleep?seconds=4')
    await until(() => told.length === 1, 'the warning')
    assert.equal(handler.health().ready, handler.health().live)
    const [warning] = told
    assert.deepEqual([warning.level, warning.logger], ['warn', 'asgi_node.watch'])
    assert.match(warning.message, /^the event loop of Python has been blocked for \d+\.\d s, so all requests wait\. Stack of its thread:$/)
    assert.ok(warning.blockedMs >= 200, warning.blockedMs)
    assert.match(warning.stack, /^ {2}File ".*blocking_app\.py", line \d+, in app\n {4}time\.sleep\(seconds\)/)
    const { ready, live, loopLagMs, python } = await until(() => {
      const health = handler.health()
      return !health.live && health
    }, 'the end of patience')
    assert.deepEqual([ready, live], [false, false])
    assert.ok(loopLagMs >= 600 && python.blockedMs >= 600)
    await pending
    await until(() => handler.health().live && handler.health().ready, 'recovery')
    await until(() => told.length === 2, 'the end of the story')
    assert.deepEqual([told[1].level, told[1].logger], ['info', 'asgi_node.watch'])
    assert.match(told[1].message, /runs again; it was blocked for \d\.\d s$/)
  })

  test('native code that keeps the GIL, in the loop\'s thread or in another: the warning says so', async (t) => {
    const { handler, told } = watched(t, { blockedThreshold: 200 })
    await handler.ready()
    for (const path of ['/hold?seconds=4', '/hold-elsewhere?seconds=4']) {
      const from = told.length
      const began = call(handler, path)
      const waiting = path.startsWith('/hold?') ? began : began.then(() => call(handler, '/'))
      await until(() => told.length > from, `the warning of ${path}`)
      const { message, stack } = told[from]
      assert.match(message, /stack unavailable: native code has held the GIL for 500 ms; the loop's thread is (?:sleeping in the kernel|running)$/)
      assert.equal(stack, undefined)
      await waiting
      await until(() => told.length === from + 2, 'that it goes on')
    }
  })

  test('one that is blocked between requests is noticed by a check that is repeated', async (t) => {
    const { handler, told } = watched(t, { blockedThreshold: 100, unhealthyAfter: 300 })
    await call(handler, '/later?delay=0.1&seconds=4')
    await sleep(150)
    await until(() => !handler.health().live, 'a health check that fails')
    await until(() => told.length === 1, 'the warning')
    await until(() => handler.health().live, 'recovery')
    assert.deepEqual(told.map(({ level }) => level).slice(0, 1), ['warn'])
    assert.equal(told.filter(({ level }) => level === 'warn').length, 1)
  })

  test('blockedThreshold: 0 is silent', async (t) => {
    const { handler, told } = watched(t, { blockedThreshold: 0 })
    await call(handler, '/sleep?seconds=1.3')
    await call(handler, '/')
    assert.deepEqual(told, [])
  })
})

describe('at rest', limits, () => {
  test('no thread of ours is woken, and nothing keeps the process alive', async () => {
    const outcome = await runNode(`
      import { readFileSync, readdirSync } from 'node:fs'
      const handler = new PythonHandler({ app: 'blocking_app:app', docroot: apps, blockedThreshold: 200 })
      await handler.handleRequest({ url: '/' })
      const wakes = () => {
        const found = {}
        for (const id of readdirSync('/proc/self/task')) {
          const status = readFileSync('/proc/self/task/' + id + '/status', 'utf8')
          const [, name] = /^Name:\\t(.*)/m.exec(status)
          if (name.startsWith('asgi-node')) found[name] = Number(/^voluntary_ctxt_switches:\\t(\\d+)/m.exec(status)[1])
        }
        return found
      }
      // After the last request it looks once more.
      await new Promise((resolve) => setTimeout(resolve, 1000))
      const before = wakes()
      await new Promise((resolve) => setTimeout(resolve, 1500))
      console.log(JSON.stringify([before, wakes()]))`)
    assert.deepEqual([outcome.code, outcome.stderr], [0, ''])
    const [before, after] = outcome.result
    assert.deepEqual(Object.keys(before).toSorted(), ['asgi-node-loop', 'asgi-node-main', 'asgi-node-watch'])
    assert.deepEqual(after, before)
  })
})
