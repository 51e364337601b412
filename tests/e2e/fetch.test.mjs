// `handler.fetch` without a server: WHATWG Requests in, Responses out. Servers are in hono.test.mjs.
import assert from 'node:assert/strict'
import { after, describe, mock, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { allHoldings, assertReturnsTo, bytes, callJson, makeHandler, sha256, until } from '../node/support.mjs'

const at = (path, init) => new Request(`http://py.test${path}`, init)
const post = (path, body, init) => at(path, { method: 'POST', body, duplex: 'half', ...init })

/** What the log is told while `run` runs, as one text. */
async function logged(run) {
  const spy = mock.method(console, 'error', () => {})
  try {
    await run()
    return spy.mock.calls.map(({ arguments: [value] }) => String(value?.message ?? value)).join('\n')
  } finally {
    spy.mock.restore()
  }
}

describe('fetch: requests', { timeout: 30_000 }, () => {
  const echo = makeHandler({ after }, 'echo_app:app')
  const scopes = makeHandler({ after }, 'scope_app:app')
  const scopeOf = async (request, env) => (await (await scopes.fetch(request, env)).json()).scope

  test('method, target and headers; bound', async () => {
    const { fetch } = echo
    const response = await fetch(at('/a%2Fb/%C3%A9?q=1&q=2#gone', { method: 'PATCH', headers: { 'X-One': '1', accept: '*/*' } }))
    assert.ok(response instanceof Response)
    assert.deepEqual([response.status, response.headers.get('content-type')], [200, 'application/json'])
    const seen = await response.json()
    assert.deepEqual([seen.method, seen.raw_path, seen.path, seen.query_string], ['PATCH', '/a%2Fb/%C3%A9', '/a/b/é', 'q=1&q=2'])
    assert.deepEqual(seen.headers, [['host', 'py.test'], ['accept', '*/*'], ['x-one', '1']])
  })

  test('client, server and scheme come from the URL and what the caller knows', async () => {
    const plain = await scopeOf(at('/'))
    assert.deepEqual([plain.scheme, plain.client, plain.server], ['http', null, { tuple: ['py.test', 80] }])
    assert.deepEqual(plain.extensions, {})
    const secure = await scopeOf(new Request('https://[::1]:8443/'), { client: ['192.0.2.7', 51000] })
    assert.deepEqual(
      [secure.scheme, secure.client, secure.server],
      ['https', { tuple: ['192.0.2.7', 51000] }, { tuple: ['::1', 8443] }]
    )
    const deno = await scopeOf(at('/'), { remoteAddr: { transport: 'tcp', hostname: '192.0.2.8', port: 1 } })
    assert.deepEqual(deno.client, { tuple: ['192.0.2.8', 1] })
    // What else is called so is not ours.
    assert.equal((await scopeOf(at('/'), { client: { query() {} }, incoming: 'mail' })).client, null)
    await assert.rejects(scopes.fetch(at('/'), { client: ['192.0.2.7'] }), { name: 'TypeError', message: /client must be \[host, port\]/ })
  })

  test('rootPath, whether the URL has it or not', async () => {
    const paths = ({ root_path: root, path, raw_path: raw }) => [root, path, raw.bytes]
    assert.deepEqual(paths(await scopeOf(at('/py/a%20b'), { rootPath: '/py' })), ['/py', '/py/a b', '/py/a%20b'])
    assert.deepEqual(paths(await scopeOf(at('/a'), { rootPath: '/py/' })), ['/py', '/py/a', '/py/a'])
    assert.deepEqual(paths(await scopeOf(at('/python'), { rootPath: '/py' })), ['/py', '/py/python', '/py/python'])
    await assert.rejects(scopes.fetch(at('/'), { rootPath: 'py' }), { name: 'TypeError', message: /rootPath/ })
  })

  test('bodies: text, forms and bytes arrive with their length, streams in pieces', async () => {
    const form = new FormData()
    form.set('name', 'Zoë')
    form.set('file', new File(['content'], 'a.txt'))
    const large = bytes(3_000_000)
    for (const [body, size] of [['hé', 3], [new URLSearchParams({ a: 'b c' }), 5], [new Blob(['xyz']), 3], [form, null], [large, large.length]]) {
      const seen = await (await echo.fetch(post('/', body))).json()
      const headers = Object.fromEntries(seen.headers)
      assert.equal(Number(headers['content-length']), seen.length)
      if (size !== null) assert.equal(seen.length, size)
      if (body === large) assert.equal(sha256(Buffer.from(seen.base64, 'base64')), sha256(large))
    }
    const slow = new ReadableStream({
      async pull(controller) {
        await sleep(20)
        controller.enqueue(new TextEncoder().encode('piece '))
        this.count = (this.count ?? 0) + 1
        if (this.count === 3) controller.close()
      }
    })
    const seen = await (await echo.fetch(post('/', slow))).json()
    assert.equal(seen.body, 'piece piece piece ')
    assert.equal(Object.fromEntries(seen.headers)['content-length'], undefined)
    const empty = await (await echo.fetch(post('/', ''))).json()
    assert.deepEqual([empty.length, Object.fromEntries(empty.headers)['content-length']], [0, '0'])
  })

  test('what has been read cannot be sent, and what is no Request is refused', async () => {
    const read = post('/', 'x')
    await read.text()
    await assert.rejects(echo.fetch(read), { name: 'PythonError', code: 'BODY_ALREADY_READ', message: /clone\(\)/ })
    const locked = post('/', 'x')
    locked.body.getReader()
    await assert.rejects(echo.fetch(locked), { code: 'BODY_ALREADY_READ' })
    for (const wrong of [undefined, null, '/path', { url: '/' }]) await assert.rejects(echo.fetch(wrong), TypeError)
  })

  test('a request body that fails rejects, and the app gets a disconnect', async () => {
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('the disk is gone')) })
    await assert.rejects(echo.fetch(post('/', broken)), /the disk is gone/)
    const wrong = new ReadableStream({ pull: (controller) => controller.enqueue(7) })
    await assert.rejects(echo.fetch(post('/', wrong)), { name: 'TypeError', message: /chunk of a request body/ })
  })
})

describe('fetch: responses', { timeout: 30_000 }, () => {
  const statuses = makeHandler({ after }, 'status_app:app')
  const errors = makeHandler({ after }, 'error_app:app')
  const streams = makeHandler({ after }, 'stream_app:app')

  test('set-cookie is kept apart, latin-1 survives', async () => {
    const { headers } = await statuses.fetch(at('/headers'))
    assert.deepEqual(headers.getSetCookie(), ['a=1; Path=/', 'b=2; Path=/'])
    assert.deepEqual([headers.get('x-latin'), headers.get('x-empty')], ['café', ''])
  })

  test('the body streams', async () => {
    const response = await streams.fetch(at('/?count=3&delay=0.03'))
    const chunks = []
    for await (const chunk of response.body) {
      assert.ok(chunk instanceof Uint8Array)
      chunks.push(Buffer.from(chunk).toString())
    }
    assert.deepEqual(chunks, ['Chunk 1\n', 'Chunk 2\n', 'Chunk 3\n'])
    assert.equal(await (await streams.fetch(at('/?count=200'))).text(), Array.from({ length: 200 }, (_, i) => `Chunk ${i + 1}\n`).join(''))
  })

  test('what a Response cannot have is mapped', async () => {
    for (const status of [204, 205, 304]) {
      const response = await statuses.fetch(at(`/status/${status}`))
      assert.deepEqual([response.status, response.body], [status, null])
    }
    for (const status of [600, 999]) {
      const response = await statuses.fetch(at(`/status/${status}`))
      assert.deepEqual([response.status, await response.text()], [500, String(status)])
    }
    for (const status of [200, 299, 418, 599]) assert.equal((await statuses.fetch(at(`/status/${status}`))).status, status)
    const log = await logged(async () => {
      const response = await statuses.fetch(at('/status/101'))
      assert.deepEqual([response.status, await response.text()], [500, 'Internal Server Error'])
    })
    assert.match(log, /answered with 1xx status 101, which is not final: GET http:\/\/py\.test\/status\/101/)
  })

  test('HEAD has the headers and no body', async () => {
    const response = await streams.fetch(at('/?count=50', { method: 'HEAD' }))
    assert.deepEqual([response.status, response.headers.get('content-type'), response.body], [200, 'text/plain', null])
  })

  test('an app that fails first answers 500 with nothing of its text; the log has it', async () => {
    for (const path of ['/error', '/system-exit', '/nothing', '/unprintable']) {
      let response
      const log = await logged(async () => (response = await errors.fetch(at(path))))
      assert.deepEqual([response.status, await response.text()], [500, 'Internal Server Error'])
      assert.deepEqual([...response.headers], [['content-length', '21'], ['content-type', 'text/plain; charset=utf-8']])
      assert.match(log, new RegExp(`: GET http://py.test${path}`))
      if (path === '/error') assert.match(log, /Traceback[^]*ValueError: Test error: secret détail/)
    }
  })

  test('an app that fails later breaks off the body, after what came before', async () => {
    const log = await logged(async () => {
      const response = await errors.fetch(at('/mid-body'))
      assert.equal(response.status, 200)
      const reader = response.body.getReader()
      assert.equal(Buffer.from((await reader.read()).value).toString(), 'first ')
      const error = await reader.read().then(assert.fail, (reason) => reason)
      assert.deepEqual([error.name, error.code], ['PythonError', 'APP_ERROR'])
      // Some servers send it to the client.
      assert.doesNotMatch(error.message, /Test error/)
      assert.match(error.cause.traceback, /ValueError: Test error in the middle/)
      await assert.rejects((await errors.fetch(at('/unfinished'))).text(), { code: 'APP_NO_RESPONSE' })
    })
    assert.match(log, /ValueError: Test error in the middle/)
  })
})

describe('fetch: flow and ends', { timeout: 30_000 }, () => {
  const flow = makeHandler({ after }, 'flow_app:app')
  const watcher = makeHandler({ after }, 'facts_app:app')
  const state = (id, more = '') => callJson(flow, `/state?id=${id}${more}`)

  test('a response that nobody reads holds the app back; cancelling it is a disconnect', async () => {
    const before = await allHoldings(watcher)
    const response = await flow.fetch(at('/flood?id=fetch-flood'))
    const reader = response.body.getReader()
    await reader.read()
    const sent = await until(async () => (await state('fetch-flood')).sent, 'the app to send')
    await sleep(100)
    const later = (await state('fetch-flood')).sent
    assert.ok(later < 1_000_000, `${later} bytes were sent ahead`)
    assert.ok(later >= sent)
    await reader.cancel()
    await until(async () => (await state('fetch-flood')).ended === 'OSError', 'the disconnect')
    await assertReturnsTo(before, { watcher, threads: 4 })
  })

  test('a request body is pulled no faster than the app reads', async () => {
    let pulled = 0
    let cancelled = false
    const body = new ReadableStream(
      {
        pull(controller) {
          pulled += 1
          if (pulled > 200) controller.close()
          else controller.enqueue(new Uint8Array(16 * 1024))
        },
        cancel: () => void (cancelled = true)
      },
      { highWaterMark: 0 }
    )
    const answer = flow.fetch(post('/hoard?id=fetch-hoard', body, { headers: { 'content-type': 'x/y', 'transfer-encoding': 'chunked' } }))
    await until(async () => pulled > 1, 'a first chunk')
    await sleep(100)
    // Half of the largest window: 512 KiB.
    assert.ok(pulled <= 33, `${pulled} chunks were pulled ahead`)
    await state('fetch-hoard', '&go')
    assert.equal(await (await answer).text(), String(200 * 16 * 1024))
    assert.equal(cancelled, false)
  })

  test('aborting before the response rejects with the reason and disconnects', async () => {
    const controller = new AbortController()
    const answer = flow.fetch(at('/silent?id=fetch-silent', { signal: controller.signal }))
    await until(async () => (await state('fetch-silent')).started, 'the app')
    controller.abort(new Error('changed my mind'))
    await assert.rejects(answer, /changed my mind/)
    await until(async () => (await state('fetch-silent')).ended === 'disconnect', 'the disconnect')
    await assert.rejects(flow.fetch(at('/silent?id=never', { signal: AbortSignal.abort() })), { name: 'AbortError' })
    assert.deepEqual(await state('never'), {})
  })

  test('aborting in the middle breaks off the body and disconnects', async () => {
    const controller = new AbortController()
    const response = await flow.fetch(at('/wait?id=fetch-wait', { signal: controller.signal }))
    const reader = response.body.getReader()
    assert.equal(Buffer.from((await reader.read()).value).toString(), 'waiting')
    controller.abort()
    await assert.rejects(reader.read(), { name: 'AbortError' })
    await until(async () => (await state('fetch-wait')).ended === 'disconnect', 'the disconnect')
    assert.deepEqual((await state('fetch-wait')).events, ['http.disconnect', 'http.disconnect'])
  })

  test('full, closed and broken handlers answer as the listener does', async (t) => {
    const small = makeHandler(t, 'flow_app:app', { maxConcurrency: 1 })
    const busy = await small.fetch(at('/wait?id=fetch-busy'))
    const refused = await small.fetch(at('/state?id=fetch-busy'))
    assert.deepEqual([refused.status, await refused.text()], [503, 'Service Unavailable'])
    // Its app ends at http.disconnect, without having completed the response.
    const [cut] = await Promise.allSettled([busy.text(), small.close()])
    assert.equal(cut.reason?.name, 'PythonError')
    assert.equal((await small.fetch(at('/'))).status, 503)

    const broken = makeHandler(t, 'import_failing:app')
    const log = await logged(async () => {
      // Before it is known, and after.
      for (const _ of [1, 2]) assert.equal((await broken.fetch(at('/'))).status, 500)
    })
    assert.equal(log.split("importing 'import_failing' failed").length, 2, log)
    // A caller that gives up does not wait for the start.
    const starting = makeHandler(t, 'stream_app:app')
    await assert.rejects(starting.fetch(at('/', { signal: AbortSignal.timeout(0) })), { name: 'TimeoutError' })
  })

  test('whatever refuses a request cancels its body and lets go of it', async (t) => {
    const full = makeHandler(t, 'flow_app:app', { maxConcurrency: 1 })
    const limited = makeHandler(t, 'flow_app:app', { maxBodySize: 2_000_000 })
    const upload = (sizes) => {
      const seen = { cancelled: 0, body: null }
      seen.body = new ReadableStream({
        start: (controller) => sizes.forEach((size) => controller.enqueue(new Uint8Array(size))),
        cancel: () => void (seen.cancelled += 1)
      })
      return seen
    }
    const assertRefused = async (sizes, init, send) => {
      const seen = upload(sizes)
      const request = post('/silent?id=fetch-refused', seen.body, init)
      await send(request)
      assert.deepEqual([seen.cancelled, request.body.locked], [1, false])
    }
    const answers = (handler, status) => async (request) => assert.equal((await handler.fetch(request)).status, status)
    const measured = { headers: { 'content-length': '1400000' } }
    const controller = new AbortController()

    const busy = await full.fetch(at('/wait?id=fetch-filling'))
    await assertRefused([700_000, 700_000], {}, answers(full, 503))
    await assertRefused([], {}, answers(full, 503))
    await assertRefused([], measured, answers(full, 503))
    await busy.body.cancel()
    await assertRefused([2_700_000], {}, answers(limited, 413))
    await assertRefused([2_700_000], measured, answers(limited, 413))
    await assertRefused([], {}, (request) => assert.rejects(limited.fetch(request, { rootPath: 'py' }), TypeError))
    await assertRefused([], { signal: controller.signal }, async (request) => {
      const answer = limited.fetch(request)
      controller.abort()
      await assert.rejects(answer, { name: 'AbortError' })
      // What has been asked of the stream is taken first.
      await until(() => !request.body.locked, 'the body')
    })
    await full.close()
    await assertRefused([], {}, answers(full, 503))
    await assertRefused([], measured, answers(full, 503))
  })

  test('an upload that breaks after its request was refused is told to nobody', async (t) => {
    const full = makeHandler(t, 'flow_app:app', { maxConcurrency: 1 })
    const busy = await full.fetch(at('/wait?id=fetch-full'))
    let controller
    const body = new ReadableStream({
      start(given) {
        controller = given
        for (const size of [700_000, 700_000]) controller.enqueue(new Uint8Array(size))
      }
    })
    // The runner fails a test that leaves a rejection to nobody.
    assert.equal((await full.fetch(post('/silent?id=fetch-late', body))).status, 503)
    controller.error(new Error('upload broke'))
    await sleep(20)
    await busy.body.cancel()
  })

  test('a requestTimeout answers 504', async (t) => {
    const impatient = makeHandler(t, 'flow_app:app', { requestTimeout: 100 })
    const response = await impatient.fetch(at('/silent?id=fetch-late'))
    assert.deepEqual([response.status, await response.text()], [504, 'Gateway Timeout'])
  })
})
