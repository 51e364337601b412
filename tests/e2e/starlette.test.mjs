// A Starlette app through a real node:http server: routing, BaseHTTPMiddleware, streams both ways, anyio.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { allHoldings, apps, assertReturnsTo, bytes, callJson, makeHandler, openSocket, serveApp, sha256, until } from '../node/support.mjs'

describe('Starlette', { timeout: 40_000 }, () => {
  const site = serveApp({ before, after }, 'starlette_app:app')
  const json = async (path, init) => (await site.fetch(path, init)).json()

  test('BaseHTTPMiddleware sets request.state; the URL is that of the server', async () => {
    const response = await site.fetch('/whoami', { headers: { 'x-user': 'ada' } })
    assert.deepEqual(await response.json(), { user: 'ada', url: `${site.url}/whoami`, path: '/whoami' })
    assert.equal(response.headers.get('x-seen-by'), 'middleware')
    assert.equal((await json('/nested/whoami')).url, `${site.url}/nested/whoami`)
  })

  test('rootPath is the prefix of every URL that the app makes', async (t) => {
    const handler = makeHandler(t, 'starlette_app:app', { rootPath: '/mounted' })
    const { url } = await callJson(handler, '/nested/whoami', { headers: { host: 'example.org' } })
    assert.equal(url, 'http://example.org/mounted/nested/whoami')
  })

  test('path parameters, repeated query parameters, JSON and a 400', async () => {
    assert.deepEqual(await json('/things/3?tag=a&tag=b%20c'), { id: 3, tags: ['a', 'b c'] })
    assert.deepEqual(await json('/things/3', { method: 'POST', body: '{"x":[1,null]}' }), { got: { x: [1, null] } })
    assert.equal((await site.fetch('/things/3', { method: 'POST', body: '{' })).status, 400)
    assert.equal((await site.fetch('/things/three')).status, 404)
    assert.equal((await site.fetch('/things/3', { method: 'PUT' })).status, 405)
  })

  test('cookies both ways', async () => {
    const response = await site.fetch('/cookies', { headers: { cookie: 'x=1; y="quoted value"' } })
    assert.deepEqual(await response.json(), { x: '1', y: 'quoted value' })
    const cookies = response.headers.getSetCookie()
    assert.deepEqual(cookies.map((cookie) => cookie.split(';')[0]), ['a=1', 'b="two words"', 'old=""'])
  })

  test('a form with fields and files', async () => {
    const content = bytes(100_000, 31)
    const form = new FormData()
    form.set('name', 'value')
    form.set('file', new Blob([content]), 'a.bin')
    assert.deepEqual(await json('/form', { method: 'POST', body: form }), {
      name: 'value',
      file: { filename: 'a.bin', sha256: sha256(content) },
    })
  })

  test('request.stream(): 20 MB, sent in parts', async () => {
    const content = bytes(20_000_000, 32)
    async function* parts() {
      for (let at = 0; at < content.length; at += 50_000) yield content.subarray(at, at + 50_000)
    }
    const answer = await json('/digest', { method: 'POST', body: parts(), duplex: 'half' })
    assert.deepEqual(answer, { sha256: sha256(content), size: content.length })
  })

  test('an endless stream ends in the app when its client leaves', async () => {
    const controller = new AbortController()
    const response = await site.fetch('/stream', { signal: controller.signal })
    assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
    let received = ''
    for await (const chunk of response.body) {
      received += Buffer.from(chunk)
      if (received.includes('data: 3')) break
    }
    controller.abort()
    await until(async () => (await json('/notes')).includes('stream closed'), 'the end of the stream')
  })

  test('a client that leaves in the middle of its body is a ClientDisconnect', async (t) => {
    const client = await openSocket(t, site.port)
    client.write('POST /cut HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nonly this')
    await new Promise((resolve) => setTimeout(resolve, 50))
    client.socket.destroy()
    await until(async () => (await json('/notes')).includes('client disconnected'), 'the disconnect')
  })

  test('redirects by the name of a route', async () => {
    const manual = await site.fetch('/redirect', { redirect: 'manual' })
    assert.deepEqual([manual.status, manual.headers.get('location')], [303, `${site.url}/things/7`])
    assert.deepEqual(await json('/redirect'), { id: 7, tags: [] })
  })

  test('a BackgroundTask does not delay the response, nor the next request', async () => {
    const response = await site.fetch('/background', { method: 'POST' })
    assert.deepEqual([response.status, await response.text()], [202, 'accepted'])
    assert.equal((await json('/notes')).includes('background done'), false)
    await until(async () => (await json('/notes')).includes('background done'), 'the background task')
  })

  test('anyio: task groups, cancel scopes, memory streams, threads', async () => {
    const { results, cancelled, worker } = await json('/groups')
    assert.deepEqual([results, cancelled, worker], [['one', 'three', 'two'], true, 'thread'])
  })

  test('FileResponse and gzip', async () => {
    assert.equal(await (await site.fetch('/file')).text(), readFileSync(join(apps, 'starlette_app.py'), 'utf8'))
    const zipped = await site.fetch('/text', { headers: { 'accept-encoding': 'gzip' } })
    assert.equal(zipped.headers.get('content-encoding'), 'gzip')
    assert.equal(await zipped.text(), 'compress me '.repeat(200))
  })

  test('an error by accident is a 500 without its text', async () => {
    const response = await site.fetch('/crash')
    assert.equal(response.status, 500)
    assert.doesNotMatch(await response.text(), /swordfish|Traceback/)
  })

  test('100 streams at once, then nothing is left over', async (t) => {
    const watcher = makeHandler(t, 'facts_app:app')
    const content = bytes(50_000, 33)
    const round = async () => {
      const init = { method: 'POST', body: content, headers: { connection: 'close' } }
      const answers = await Promise.all(Array.from({ length: 100 }, () => json('/digest', init)))
      for (const answer of answers) assert.equal(answer.sha256, sha256(content))
    }
    await round()
    const held = await allHoldings(watcher)
    await round()
    await assertReturnsTo(held, { watcher })
  })
})
