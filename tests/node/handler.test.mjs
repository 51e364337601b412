// PythonHandler: construction, methods, headers, bodies, statuses, and how an app's failures come out.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, describe, test } from 'node:test'
import { Headers, PythonError, PythonHandler, Request, Response } from 'asgi-node'
import { apps, bytes, call, callJson, makeHandler, sha256, text } from './support.mjs'

const limits = { timeout: 20_000 }
const file = { after }

describe('construction', limits, () => {
  test('returns at once; ready() and the first request wait', async (t) => {
    const begun = performance.now()
    const handler = makeHandler(t)
    const constructed = performance.now() - begun
    assert.equal(text(await call(handler)), 'Hello, world!')
    // On a machine that does other things anything may take long, but all of it then does.
    const whole = performance.now() - begun
    assert.ok(constructed < 50 || constructed < whole / 10, `${constructed} of ${whole} ms: the constructor waited for Python`)
    assert.equal(await handler.ready(), undefined)
    assert.equal(await handler.ready(), undefined)
  })

  test('app, appTarget, and module with attribute name the same app', async (t) => {
    for (const options of [
      { app: 'main:app' },
      { appTarget: 'main:app' },
      { app: { module: 'main', attribute: 'app' } },
    ]) {
      const handler = new PythonHandler({ docroot: apps, ...options })
      t.after(() => handler.close())
      assert.equal(text(await call(handler)), 'Hello, world!', JSON.stringify(options))
    }
  })

  test('packages, relative imports, dotted attributes, factories, and functions that return coroutines', async (t) => {
    assert.equal(text(await call(makeHandler(t, 'shop.site:sites.main'))), 'Hello from the shop')
    assert.equal(text(await call(makeHandler(t, 'shop.site:sites.wrapped'))), 'Hello from the shop')
    assert.equal(text(await call(makeHandler(t, 'factory_app:create_app', { factory: true }))), 'made by a factory')
  })

  test('an option that is unknown or wrongly typed is a TypeError that names it', () => {
    const wrong = {
      nonsense: 1,
      docRoot: '.',
      app: 42,
      docroot: 42,
      factory: 'yes',
      python: true,
      venv: [],
      loop: 'trio',
      rootPath: 7,
      deepbind: 'perhaps',
      highWaterMark: 0,
      maxConcurrency: -1,
    }
    for (const [name, value] of Object.entries(wrong)) {
      assert.throws(
        () => new PythonHandler({ app: 'main:app', docroot: apps, [name]: value }),
        (error) => error instanceof TypeError && error.message.includes(name),
        `${name}: ${JSON.stringify(value)}`,
      )
    }
    assert.throws(() => new PythonHandler('main:app'), TypeError)
    assert.throws(() => new PythonHandler({ app: '', docroot: apps }), /app/)
    assert.throws(() => new PythonHandler({ app: ':app', docroot: apps }), /app/)
  })

  test('rootPath goes in front of path and raw_path (asgi_28)', async (t) => {
    const handler = makeHandler(t, 'echo_app:app', { rootPath: '/api/v1' })
    const echoed = await callJson(handler, '/things?x=1')
    assert.deepEqual(
      [echoed.root_path, echoed.path, echoed.raw_path, echoed.query_string],
      ['/api/v1', '/api/v1/things', '/api/v1/things', 'x=1'],
    )
  })
})

describe('methods and targets', limits, () => {
  const handler = makeHandler(file, 'echo_app:app')

  test('every method token arrives as it was written (asgi_17)', async () => {
    assert.equal((await callJson(handler, '/')).method, 'GET')
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PURGE', 'M-SEARCH', 'PROPFIND', "X!#$%&'*+.^_`|~9"]) {
      assert.equal((await callJson(handler, '/', { method })).method, method)
    }
  })

  test('what is no token is refused before it reaches the app', async () => {
    for (const method of ['', 'BAD METHOD', 'GET\r\nX: 1', 'GÉT', 'A\0B']) {
      await assert.rejects(async () => call(handler, '/', { method }), isRefusal, JSON.stringify(method))
    }
  })

  test('HEAD has the headers of the answer and no body (asgi_59)', async () => {
    const response = await call(handler, '/', { method: 'HEAD' })
    assert.equal(response.status, 200)
    assert.ok(Number(response.headers.get('content-length')) > 100)
    assert.equal(text(response), '')
  })

  test('a path alone, a full URL and a bare host; nothing is normalised (asgi_19 to asgi_23)', async () => {
    const expected = {
      '/a%20b/%E2%82%AC%2Fx?y=%20&z': ['/a b/€/x', '/a%20b/%E2%82%AC%2Fx', 'y=%20&z'],
      'http://example.com/p?q': ['/p', '/p', 'q'],
      'https://example.com:8443/p': ['/p', '/p', ''],
      'http://example.com': ['/', '/', ''],
      '//p/../q': ['//p/../q', '//p/../q', ''],
      '/p?': ['/p', '/p', ''],
      '/p?a?b': ['/p', '/p', 'a?b'],
      '/p#fragment': ['/p', '/p', ''],
      '/%ff': ['/\ufffd', '/%ff', ''],
    }
    for (const [url, parts] of Object.entries(expected)) {
      const { path, raw_path: rawPath, query_string: query } = await callJson(handler, url)
      assert.deepEqual([path, rawPath, query], parts, url)
    }
  })

  test('a URL gives the Host header unless there is one', async () => {
    const host = async (url, headers) => {
      const echoed = await callJson(handler, url, { headers })
      return echoed.headers.filter(([name]) => name === 'host').map(([, value]) => value)
    }
    assert.deepEqual(await host('http://example.com:81/'), ['example.com:81'])
    assert.deepEqual(await host('http://example.com/', { Host: 'other' }), ['other'])
  })
})

describe('headers', limits, () => {
  const handler = makeHandler(file, 'echo_app:app')
  const own = (echoed) => echoed.headers.filter(([name]) => name.startsWith('x-'))

  test('each form of the headers option means the same', async () => {
    const pairs = [
      ['x-one', '1'],
      ['x-two', '2a'],
      ['x-two', '2b'],
    ]
    const whatwg = new globalThis.Headers([['x-one', '1'], ['x-two', '2a, 2b']])
    const forms = {
      object: { 'X-One': '1', 'X-Two': ['2a', '2b'] },
      pairs: [['X-One', '1'], ['X-Two', '2a'], ['X-Two', '2b']],
      rawHeaders: ['X-One', '1', 'X-Two', '2a', 'X-Two', '2b'],
      ours: new Headers(pairs),
    }
    for (const [form, headers] of Object.entries(forms)) {
      assert.deepEqual(own(await callJson(handler, '/', { headers })), pairs, form)
    }
    assert.deepEqual(own(await callJson(handler, '/', { headers: whatwg })), [['x-one', '1'], ['x-two', '2a, 2b']])
  })

  test('order and duplicates survive, values keep every byte of latin-1 (asgi_29, asgi_30)', async () => {
    const headers = [['x-b', '1'], ['x-a', 'caf\xe9'], ['x-b', '2'], ['x-c', ''], ['x-b', '\x80\xff']]
    assert.deepEqual(own(await callJson(handler, '/', { headers })), headers)
  })

  test('request.headers is live', async () => {
    const request = new Request({ url: '/', headers: { 'x-old': '1' } })
    request.headers.set('x-new', '2')
    request.headers.delete('x-old')
    const response = await handler.handleRequest(request)
    assert.deepEqual(own(JSON.parse(text(response))), [['x-new', '2']])
  })

  test('what HTTP forbids in a header is refused', async () => {
    for (const pair of [['x a', '1'], ['', '1'], ['x:', '1'], ['x', 'a\r\nb: c'], ['x', 'a\0b'], ['x', '€']]) {
      await assert.rejects(async () => call(handler, '/', { headers: [pair] }), isRefusal, JSON.stringify(pair))
    }
  })

  test('response headers keep order, duplicates, empty values and obs-text (asgi_51, asgi_61)', async (t) => {
    const response = await call(makeHandler(t, 'status_app:app'), '/headers')
    const expected = [
      ['x-first', '1'],
      ['set-cookie', 'a=1; Path=/'],
      ['x-latin', 'caf\xe9'],
      ['set-cookie', 'b=2; Path=/'],
      ['x-empty', ''],
    ]
    assert.deepEqual([...response.headers], expected)
    assert.deepEqual(response.headers.getAll('Set-Cookie'), ['a=1; Path=/', 'b=2; Path=/'])
    assert.equal(response.headers.get('set-cookie'), 'b=2; Path=/')
    assert.ok(response.headers instanceof Headers && response instanceof Response)
  })
})

describe('bodies', limits, () => {
  const handler = makeHandler(file, 'echo_app:app')
  const digest = makeHandler(file, 'digest_app:app')

  async function* parts() {
    yield 'one '
    yield Buffer.from('two ')
    yield new Uint8Array([0x74, 0x68, 0x72, 0x65, 0x65])
  }

  test('each form of the body option', async () => {
    const data = bytes(1000)
    const view = new Uint8Array(data.buffer, data.byteOffset + 10, 100)
    const forms = {
      string: ['grüße €', Buffer.from('grüße €')],
      buffer: [data, data],
      view: [view, data.subarray(10, 110)],
      empty: [Buffer.alloc(0), Buffer.alloc(0)],
      none: [undefined, Buffer.alloc(0)],
      'async iterable': [parts(), Buffer.from('one two three')],
      'node stream': [Readable.from([data, data]), Buffer.concat([data, data])],
      'web stream': [new Blob([data]).stream(), data],
    }
    for (const [form, [body, expected]] of Object.entries(forms)) {
      const echoed = await callJson(handler, '/', { method: 'POST', body })
      assert.equal(echoed.base64, expected.toString('base64'), form)
    }
  })

  test('a body that is none of these is a TypeError', () => {
    for (const body of [42, {}, true]) assert.throws(() => new Request({ url: '/', body }), TypeError)
  })

  test('what the caller does to a buffer afterwards changes nothing', async () => {
    const body = Buffer.from('before')
    const pending = callJson(handler, '/', { method: 'POST', body })
    body.fill('x')
    assert.equal((await pending).body, 'before')
  })

  test('sizes around every limit, both ways', async () => {
    for (const size of [1, 16_383, 65_535, 65_536, 65_537, 1_000_003]) {
      const body = bytes(size, size)
      const up = await callJson(digest, '/digest', { method: 'POST', body })
      assert.deepEqual([up.length, up.sha256], [size, sha256(body)])
      const down = await call(digest, `/bytes?count=${size}${size % 2 ? '&whole' : ''}`)
      assert.deepEqual([down.body.length, down.headers.get('x-sha256')], [size, sha256(down.body)])
    }
  })

  test('an iterable that fails fails the request with its own error', async () => {
    const failure = new Error('the disk is gone')
    async function* failing() {
      yield 'some'
      throw failure
    }
    await assert.rejects(call(handler, '/', { method: 'POST', body: failing() }), (error) => {
      return error === failure || error.cause === failure
    })
    assert.equal((await callJson(handler, '/', { method: 'POST', body: 'next' })).body, 'next')
  })
})

describe('statuses', limits, () => {
  const handler = makeHandler(file, 'status_app:app')

  test('every status comes through with its body', async () => {
    for (const status of [200, 201, 206, 299, 301, 400, 404, 418, 451, 500, 503, 599, 999]) {
      const response = await call(handler, `/status/${status}`)
      assert.deepEqual([response.status, text(response)], [status, String(status)])
    }
  })

  test('204 and 304 have no body (asgi_60)', async () => {
    for (const status of [204, 304]) {
      const response = await call(handler, `/status/${status}`)
      assert.deepEqual([response.status, text(response)], [status, ''])
    }
  })
})

describe('an app that fails', limits, () => {
  const handler = makeHandler(file, 'error_app:app')

  test('raising before start rejects with APP_ERROR and the traceback (asgi_67)', async () => {
    await assert.rejects(call(handler, '/error'), (error) => {
      assert.ok(error instanceof PythonError && error instanceof Error)
      assert.equal(error.code, 'APP_ERROR')
      assert.match(error.message, /ValueError/)
      assert.match(error.message, /Test error: secret détail/)
      assert.match(error.traceback, /^Traceback \(most recent call last\):/)
      assert.match(error.traceback, /error_app\.py", line \d+, in app/)
      return true
    })
  })

  test('whatever is raised, the request ends and the process goes on', async () => {
    for (const [path, name] of Object.entries({
      '/system-exit': 'SystemExit',
      '/keyboard-interrupt': 'KeyboardInterrupt',
      '/group': 'ExceptionGroup',
      '/unprintable': 'UnprintableError',
    })) {
      await assert.rejects(call(handler, path), (error) => {
        assert.equal(error.code, 'APP_ERROR', path)
        assert.ok(`${error.message}\n${error.traceback}`.includes(name), `${path}: ${error.message}`)
        return true
      })
      assert.equal(text(await call(handler, '/')), 'first last', `after ${path}`)
    }
  })

  test('returning without a complete response is APP_NO_RESPONSE (asgi_68)', async () => {
    for (const path of ['/nothing', '/unfinished']) {
      await assert.rejects(call(handler, path), { name: 'PythonError', code: 'APP_NO_RESPONSE' }, path)
    }
  })

  test('raising in the middle rejects, raising after the end does not (asgi_69)', async () => {
    await assert.rejects(call(handler, '/after-start'), { code: 'APP_ERROR', message: /Test error after start/ })
    await assert.rejects(call(handler, '/mid-body'), { code: 'APP_ERROR', message: /Test error in the middle/ })
    await assert.rejects(call(handler, '/text-body'), { code: 'APP_ERROR', message: /TypeError/ })
    assert.equal(text(await call(handler, '/after-complete')), 'complete')
  })

  test('a refused event raises in the app, which can still answer (asgi_9, asgi_63 to asgi_66)', async () => {
    const expected = {
      'unknown-type': /RuntimeError|ValueError/,
      'no-type': /KeyError|ValueError|RuntimeError|TypeError/,
      'body-first': /RuntimeError/,
      'text-status': /TypeError/,
      'wild-status': /ValueError/,
      'text-header': /TypeError/,
      'split-header': /ValueError/,
      'odd-header': /TypeError|ValueError/,
      'bad-name': /ValueError/,
    }
    for (const [event, type] of Object.entries(expected)) {
      const response = await call(handler, `/refused?event=${event}`)
      assert.equal(response.status, 200, event)
      assert.match(text(response), type, event)
      assert.equal(response.headers.has('x-injected'), false)
    }
    assert.equal(text(await call(handler, '/second-start')), 'first refused')
  })
})

/** How a request is refused that HTTP does not allow. */
function isRefusal(error) {
  assert.ok(error instanceof TypeError || error.code === 'INVALID_REQUEST', String(error))
  return true
}
