// handler.listener under node:http, with real clients. What ASGI demands of it is tested item by item in tests/asgi.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { allHoldings, assertReturnsTo, bytes, makeHandler, serve, serveApp, sha256 } from '../node/support.mjs'

const limits = { timeout: 20_000 }
const close = 'Host: h\r\nConnection: close\r\n'

const served = (app) => serveApp({ before, after }, app)

/** Head and body of a raw response. */
function parse(response) {
  const end = response.indexOf('\r\n\r\n')
  const [line, ...headers] = response.slice(0, end).split('\r\n')
  return { line, headers: headers.map((header) => header.toLowerCase()), body: response.slice(end + 4) }
}

describe('responses', limits, () => {
  const status = served('status_app:app')

  test('every status, and no body where HTTP forbids one (asgi_60)', async () => {
    for (const code of [200, 201, 204, 304, 404, 418, 500, 503]) {
      const response = await status.fetch(`/status/${code}`)
      assert.equal(response.status, code)
      assert.equal(await response.text(), [204, 304].includes(code) ? '' : String(code))
    }
  })
})

describe('request bodies', limits, () => {
  const digest = served('digest_app:app')

  test('20 MB up and 20 MB down keep their digests', async () => {
    const body = bytes(20_000_000, 11)
    const up = await (await digest.fetch('/digest', { method: 'POST', body })).json()
    assert.deepEqual([up.length, up.sha256], [body.length, sha256(body)])
    const down = await digest.fetch('/bytes?count=20000000')
    assert.equal(sha256(Buffer.from(await down.arrayBuffer())), down.headers.get('x-sha256'))
  })
})

describe('failures', limits, () => {
  const broken = served('error_app:app')

  test('an app that raises before start: 500 without the text (asgi_67)', async (t) => {
    for (const path of ['/error', '/nothing', '/group', '/system-exit', '/unprintable']) {
      const response = parse(await broken.raw(t, `GET ${path} HTTP/1.1\r\n${close}\r\n`))
      assert.equal(response.line, 'HTTP/1.1 500 Internal Server Error', path)
      assert.doesNotMatch(response.headers.join('\n') + response.body, /secret|Error:|Traceback|\.py/, path)
      assert.match(response.body, /Internal Server Error/)
    }
  })

  test('a handler that cannot start answers 500 without saying why', async (t) => {
    const { url } = await serve(t, makeHandler(t, 'import_failing:app').listener)
    const response = await fetch(url)
    assert.equal(response.status, 500)
    assert.doesNotMatch(await response.text(), /database|import_failing|Traceback/)
  })

  test('after all this nothing is left over', async (t) => {
    const watcher = makeHandler(t, 'facts_app:app')
    const { url } = await serve(t, watcher.listener)
    const round = async () => {
      const agent = { headers: { connection: 'close' } }
      await (await fetch(`${url}/threads`, agent)).json()
      await (await broken.fetch('/error', agent)).text()
      await broken.fetch('/mid-body', agent).then((response) => response.text()).catch(() => {})
      await (await broken.fetch('/', agent)).text()
    }
    await round()
    const held = await allHoldings(watcher)
    for (let number = 0; number < 30; number += 1) await round()
    await assertReturnsTo(held, { watcher })
  })
})
