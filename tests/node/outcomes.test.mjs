// One outcome for each request: what the client gets is what the access log says, and the failure log has what nobody else
// is told of, whichever way the request came in.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Request as OurRequest } from 'asgi-node'
import { call, collect, makeHandler, serve, temporaryFolder, until } from './support.mjs'

const limits = { timeout: 60_000 }
const SLOW = '/sleeping?seconds=0.6'

/** The status that each code of an error stands for. */
const STATUSES = { REQUEST_TIMEOUT: 504, HANDLER_CLOSED: 503, OVERLOADED: 503, BODY_TOO_LARGE: 413, INVALID_REQUEST: 400 }
const statusOf = (error) => STATUSES[error.code] ?? 500

/** Each way into a handler: gives the status that its caller gets, an error's where it rejects. */
const WAYS = {
  listener: async (t, handler) => {
    const { url } = await serve(t, handler.listener)
    return async (path, init) => {
      const response = await fetch(url + path, init)
      await response.text()
      return response.status
    }
  },
  fetch: (_t, handler) => async (path, init) => {
    const response = await handler.fetch(new Request(`http://h${path}`, init))
    await response.text()
    return response.status
  },
  handleRequest: (_t, handler) => (path, init) => call(handler, path, init).then(({ status }) => status, statusOf),
  handleStream: (_t, handler) => async (path, init) => {
    try {
      const response = await handler.handleStream(new OurRequest({ url: path, ...init }))
      await collect(response)
      return response.status
    } catch (error) {
      return statusOf(error)
    }
  },
  handleRequestSync: (_t, handler) => async (path, init) => {
    try {
      return handler.handleRequestSync({ url: path, ...init }).status
    } catch (error) {
      return statusOf(error)
    }
  },
}

/** A handler with lists for its logs, entered in one way. */
async function enter(t, way, options, app = 'asgi_server:app') {
  const entries = []
  const failures = []
  const note = (object, message) => void failures.push(message)
  const logger = { level: 'warn', debug() {}, info() {}, warn: note, error: note }
  const handler = makeHandler(t, app, { accessLog: (entry) => void entries.push(entry), logger, blockedThreshold: 0, ...options })
  await handler.ready()
  const send = await WAYS[way](t, handler)
  /** What the caller gets, and the entry of the access log. */
  const once = async (path, init) => {
    const from = entries.length
    const got = await send(path, init)
    await until(() => entries.length > from, `an entry for ${path}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(entries.length, from + 1, JSON.stringify(entries.slice(from)))
    return { got, entry: entries.at(-1) }
  }
  return { handler, send, once, entries, failures }
}

for (const way of Object.keys(WAYS)) {
  describe(`field_14 by ${way} the access log has the status that the client gets`, limits, () => {
    test('a whole response', async (t) => {
      const { once } = await enter(t, way)
      const { got, entry } = await once('/')
      assert.deepEqual([got, entry.status, entry.aborted, entry.bytes], [200, 200, false, 5])
    })

    test('requestTimeout', async (t) => {
      const { once, failures } = await enter(t, way, { requestTimeout: 100 })
      const { got, entry } = await once(SLOW)
      assert.deepEqual([got, entry.status, entry.aborted, entry.bytes === 0 || way === 'listener'], [504, 504, false, true])
      assert.deepEqual(failures, [])
    })

    test('maxConcurrency', async (t) => {
      const { handler, once, entries } = await enter(t, way, { maxConcurrency: 1 })
      const other = call(handler, SLOW)
      const { got, entry } = await once('/')
      assert.deepEqual([got, entry.status, entry.aborted], [503, 503, false])
      await other
      assert.equal(entries.length, 2)
    })

    test('maxBodySize', async (t) => {
      const { handler, once, send } = await enter(t, way, { maxBodySize: 3 })
      const init = { method: 'POST', body: 'body' }
      // A blocking call takes whole bodies only: it throws before there is a request.
      if (way === 'handleRequestSync') return assert.equal(await send('/', init), 413)
      const { got, entry } = await once('/', init)
      assert.deepEqual([got, entry.status, entry.aborted], [413, 413, false])
      assert.equal(handler.health().errorsTotal, 0)
    })

    test('an exception', async (t) => {
      const { once, failures, handler } = await enter(t, way, {}, 'error_app:app')
      const { got, entry } = await once('/error')
      assert.deepEqual([got, entry.status, entry.aborted], [500, 500, false])
      const logged = way === 'listener' || way === 'fetch'
      assert.equal(failures.filter((message) => message.includes('/error')).length, logged ? 1 : 0)
      await until(() => handler.health().errorsTotal === 1, 'it is counted')
    })

    if (way === 'handleRequestSync') return

    test('close', async (t) => {
      const { handler, send, entries, failures } = await enter(t, way)
      const sent = send('/sleeping?seconds=5')
      await until(() => handler.health().inFlight === 1)
      const closed = handler.close({ timeout: 50 })
      assert.equal(await sent, 503)
      await closed
      await until(() => entries.length > 0)
      assert.deepEqual(entries.map(({ status, aborted }) => [status, aborted]), [[503, false]])
      assert.deepEqual(failures, [])
    })

    test('a request after the end', async (t) => {
      const { handler, once } = await enter(t, way)
      await handler.close()
      const { got, entry } = await once('/late')
      assert.deepEqual([got, entry.status, entry.url, entry.aborted], [503, 503, '/late', false])
    })
  })
}

/** A middleware that answers errors as Express does. */
const middleware = (_t, handler) => {
  const passed = handler.middleware()
  return WAYS.listener(_t, { listener: (req, res) => passed(req, res, (error) => res.writeHead(error.status).end()) })
}

for (const [way, enterBy] of Object.entries({ ...WAYS, middleware })) {
  if (way === 'handleRequestSync') continue
  test(`by ${way} a start that has failed is 500, also where it is a worker that has died`, limits, async (t) => {
    const docroot = temporaryFolder(t, { 'ending.py': 'import os\nos._exit(9)\n' })
    const entries = []
    const messages = []
    const logger = { level: 'error', debug() {}, info() {}, warn() {}, error: (_, message) => void messages.push(message) }
    const handler = makeHandler(t, 'ending:app', { docroot, workers: 1, accessLog: (entry) => void entries.push(entry), logger })
    const send = await enterBy(t, handler)
    for (const path of ['/while-it-starts', '/afterwards']) {
      assert.equal(await send(path), 500)
      await until(() => entries.length > 0, 'an entry')
      const { url, status, aborted } = entries.pop()
      assert.deepEqual([url, status, aborted], [path, 500, false])
    }
    await assert.rejects(handler.ready(), { code: 'WORKER_DIED' })
    // Who gets the error is not told of it twice.
    assert.equal(messages.length, way === 'listener' || way === 'fetch' ? 1 : 0, messages.join())
    await handler.close()
    assert.equal(await send('/closed'), 503)
    await until(() => entries.length > 0, 'an entry')
    assert.deepEqual([entries[0].url, entries[0].status], ['/closed', 503])
  })
}

test('field_14 fetch: an exception in the middle of a response keeps its status, and is aborted', limits, async (t) => {
  const { handler, entries } = await enter(t, 'fetch', {}, 'error_app:app')
  const response = await handler.fetch(new Request('http://h/mid-body'))
  await assert.rejects(response.text())
  await until(() => entries.length > 0)
  assert.deepEqual([entries[0].status, entries[0].aborted], [200, true])
})

test('field_14 fetch: a status that no Response can have is the one that the client gets instead', limits, async (t) => {
  const { once } = await enter(t, 'fetch', {}, 'status_app:app')
  for (const status of [101, 700]) {
    const { got, entry } = await once(`/status/${status}`)
    assert.deepEqual([got, entry.status], [500, 500], String(status))
  }
})

test('field_14 a caller that gives up is 499', limits, async (t) => {
  const { handler, entries } = await enter(t, 'handleRequest')
  for (const method of ['handleRequest', 'handleStream']) {
    await assert.rejects(handler[method]({ url: SLOW }, { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' })
  }
  await assert.rejects(handler.fetch(new Request(`http://h${SLOW}`, { signal: AbortSignal.timeout(50) })))
  assert.deepEqual(entries.map(({ status, aborted }) => [status, aborted]), Array.from({ length: 3 }, () => [499, true]))
})

test('a blocking call that was refused has no number, and one whose app has failed has one', limits, async (t) => {
  const ids = []
  const logger = { level: 'error', debug() {}, info() {}, warn() {}, error: ({ id }) => void ids.push(id) }
  const rewriter = [{ conditions: [{ type: 'path', args: ['^/refused'] }], rewriters: [{ type: 'path', args: ['^.*$', 'no path'] }] }]
  const handler = makeHandler(t, 'error_app:app', { logger, rewriter })
  const codeOf = (url) => {
    try {
      return handler.handleRequestSync({ url }).status
    } catch (error) {
      return error.code
    }
  }
  const codes = [codeOf('/'), codeOf('/refused'), codeOf('/error'), codeOf('/refused')]
  await handler.fetch(new Request('http://h/error'))
  assert.deepEqual(codes, [200, 'REWRITE_FAILED', 'APP_ERROR', 'REWRITE_FAILED'])
  assert.deepEqual(ids.at(-1), 3)
})
