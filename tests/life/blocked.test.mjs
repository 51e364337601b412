// Python's event loop is blocked for ever, in an import, a lifespan or a request: every clock is kept by Node's side, and the
// process can end. Each case is a process of its own, because its loop is lost.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runNode, temporaryFolder } from '../node/support.mjs'

// They wait more than they work.
const limits = { timeout: 90_000, concurrency: 3 }

/** How Python is kept from going on: without the GIL, with it now and then, and with it for good. */
const WAYS = {
  sleeps: 'time.sleep(1e6)',
  spins: '[None for _ in iter(int, 1)]',
  'holds the GIL': 'ctypes.PyDLL(None).sleep(1000000)',
}

const files = (block) => ({
  'in_import.py': `import ctypes, time\ndef stuck():\n    ${block}\nstuck()\nasync def app(scope, receive, send): ...\n`,
  'in_both.py': `import asyncio, time
def stuck():
    ${block}
stuck()
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await asyncio.sleep(60)
`,
  'in_lifespan.py': `import ctypes, time
def stuck():
    ${block}
async def app(scope, receive, send):
    await receive()
    stuck()
`,
  'in_shutdown.py': `import ctypes, time
def stuck():
    ${block}
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        stuck()
`,
  'in_request.py': `import ctypes, time
def stuck():
    ${block}
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    if scope["path"] == "/stuck":
        stuck()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"fine"})
`,
})

/** Runs a handler on one of the files; \`source\` fills \`out\`, and nothing ends the process but its natural end. */
async function run(t, app, block, options, source) {
  const docroot = temporaryFolder(t, files(block))
  const started = performance.now()
  const outcome = await runNode(`
    const said = []
    const note = (object, message) => said.push([message, object.err?.traceback ?? object.stack ?? ''])
    const logger = { level: 'warn', debug() {}, info() {}, warn: note, error: note }
    const handler = new PythonHandler({ app: '${app}:app', docroot: ${JSON.stringify(docroot)}, logger, ...${JSON.stringify(options)} })
    const codeOf = (promise) => promise.then(() => 'fine', (error) => error.code)
    const blockedHealth = async () => {
      for (let i = 0; i < 400; i++) {
        const health = handler.health()
        if (health.python.blockedMs >= 1000) return health
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      return handler.health()
    }
    const began = performance.now()
    const out = {}
    const timed = async (name, promise) => {
      out[name] = await promise
      out[name + 'Ms'] = performance.now() - began
    }
    ${source}
    console.log(JSON.stringify({ ...out, said }))`, { timeout: 80_000 })
  assert.deepEqual([outcome.code, outcome.signal], [0, null], outcome.stderr)
  assert.equal(outcome.stderr, '')
  return { ...outcome.result, processMs: performance.now() - started }
}

/**
 * A clock that was set to so many milliseconds rang, and long before those that would end it otherwise: close() waits for 30 s,
 * a start and a shutdown for 60.
 */
function rangAfter(ms, set, what) {
  assert.ok(ms >= set && ms < set + 20_000, `${what}: ${Math.round(ms)} ms`)
}

for (const [way, block] of Object.entries(WAYS)) {
  const sees = (stack) => way === 'holds the GIL' || /in stuck/.test(stack)

  describe(`field_11 a loop that ${way} for ever`, limits, () => {
    for (const app of ['in_import', 'in_lifespan']) {
      test(`${app}: startupTimeout, ready(), requests, health(), close()`, async (t) => {
        const result = await run(t, app, block, { startupTimeout: 2000, requestTimeout: 500, unhealthyAfter: 1000 }, `
          const request = timed('request', codeOf(handler.handleRequest({ url: '/' })))
          const fetched = timed('fetch', handler.fetch(new globalThis.Request('http://h/')).then(({ status }) => status))
          await Promise.all([request, fetched])
          out.health = await blockedHealth()
          await timed('ready', codeOf(handler.ready()))
          out.late = (await handler.fetch(new globalThis.Request('http://h/'))).status
          await timed('before', 0)
          await timed('close', codeOf(handler.close({ timeout: 100 })))`)
        assert.deepEqual([result.request, result.fetch, result.ready, result.late], ['REQUEST_TIMEOUT', 504, 'EVENT_LOOP_BLOCKED', 500])
        rangAfter(result.requestMs, 500, 'requestTimeout')
        rangAfter(result.readyMs, 2000, 'startupTimeout')
        assert.ok(result.health.python.blockedMs >= 1000 && !result.health.live && !result.health.ready, JSON.stringify(result.health))
        rangAfter(result.closeMs - result.beforeMs, 0, 'close')
        const [[message, stack]] = result.said
        assert.match(message, /has not started within 2000 ms \(option startupTimeout\), because the event loop of Python has been blocked for/)
        assert.ok(sees(stack), stack)
        assert.equal(result.said.length, 1, 'the log says it once')
      })

      test(`${app}: close() while it starts`, async (t) => {
        const result = await run(t, app, block, {}, `
          const ready = codeOf(handler.ready())
          await blockedHealth()
          await timed('before', 0)
          await timed('close', codeOf(handler.close({ timeout: 200 })))
          out.ready = await ready`)
        assert.deepEqual([result.close, result.ready], ['EVENT_LOOP_BLOCKED', 'HANDLER_CLOSED'])
        rangAfter(result.closeMs - result.beforeMs, 200, 'close')
      })
    }

    test('in_import: handleRequestSync', async (t) => {
      const result = await run(t, 'in_import', block, { startupTimeout: 1500 }, `
        try {
          handler.handleRequestSync({ url: '/' })
        } catch (error) {
          out.code = error.code
          out.message = error.message
        }
        out.ms = performance.now() - began
        out.ready = await codeOf(handler.ready())
        await handler.close()`)
      assert.deepEqual([result.code, result.ready], ['EVENT_LOOP_BLOCKED', 'EVENT_LOOP_BLOCKED'])
      assert.match(result.message, /has not started within 1500 ms \(option startupTimeout\)/)
      rangAfter(result.ms, 1500, 'startupTimeout')
    })

    test('in_request: requestTimeout, health(), close()', async (t) => {
      const result = await run(t, 'in_request', block, { requestTimeout: 500, unhealthyAfter: 1000, blockedThreshold: 300 }, `
        await handler.ready()
        await timed('before', 0)
        const stuck = handler.fetch(new globalThis.Request('http://h/stuck')).then(({ status }) => status)
        const other = codeOf(handler.handleRequest({ url: '/other' }))
        await timed('stuck', stuck)
        out.other = await other
        try {
          handler.handleRequestSync({ url: '/sync' })
        } catch (error) {
          out.sync = error.code
        }
        out.health = await blockedHealth()
        out.beforeClose = performance.now() - began
        await timed('close', codeOf(handler.close({ timeout: 300 })))`)
      assert.deepEqual([result.stuck, result.other, result.sync, result.close], [504, 'REQUEST_TIMEOUT', 'REQUEST_TIMEOUT', 'EVENT_LOOP_BLOCKED'])
      rangAfter(result.stuckMs - result.beforeMs, 490, 'requestTimeout')
      assert.ok(result.health.python.blockedMs >= 1000 && !result.health.live && !result.health.ready, JSON.stringify(result.health))
      rangAfter(result.closeMs - result.beforeClose, 300, 'close')
      const blocked = result.said.filter(([message]) => /The application could not be shut down, because the event loop of Python has been blocked/.test(message))
      assert.equal(blocked.length, 1, JSON.stringify(result.said))
      assert.ok(sees(blocked[0][1]), blocked[0][1])
    })

    test('in_shutdown: shutdownTimeout', async (t) => {
      const result = await run(t, 'in_shutdown', block, { shutdownTimeout: 1000 }, `
        await handler.ready()
        await timed('before', 0)
        await timed('close', codeOf(handler.close({ timeout: 0 })))`)
      assert.equal(result.close, 'EVENT_LOOP_BLOCKED')
      rangAfter(result.closeMs - result.beforeMs, 1000, 'shutdownTimeout')
    })
  })
}

describe('a loop that is only slow', limits, () => {
  test('field_11 a shutdown that blocks it for longer than the timeout is waited for', async (t) => {
    const result = await run(t, 'in_shutdown', 'time.sleep(2.5)', { blockedThreshold: 0 }, `
      await handler.ready()
      await timed('close', codeOf(handler.close({ timeout: 0 })))`)
    assert.deepEqual([result.close, result.said], ['fine', []])
  })

  test('field_11 an import that takes long, and is in time', async (t) => {
    const result = await run(t, 'in_import', 'time.sleep(2.5)', { startupTimeout: 20_000 }, `
      await timed('ready', codeOf(handler.ready()))
      await timed('close', codeOf(handler.close()))`)
    assert.deepEqual([result.ready, result.close, result.said], ['fine', 'fine', []])
  })

  test('field_11 startupTimeout counts the import and the lifespan together', async (t) => {
    const result = await run(t, 'in_both', 'time.sleep(1.5)', { startupTimeout: 2000 }, `
      await timed('ready', codeOf(handler.ready()))
      await timed('close', codeOf(handler.close()))`)
    assert.deepEqual([result.ready, result.close], ['LIFESPAN_STARTUP_FAILED', 'fine'])
    rangAfter(result.readyMs, 2000, 'startupTimeout')
  })
})
