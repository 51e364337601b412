// A FastAPI app through a real node:http server and real clients: fetch, and node:http with a keep-alive agent.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { allHoldings, apps, assertReturnsTo, bytes, makeHandler, serveApp, sha256, until } from '../node/support.mjs'

describe('FastAPI', { timeout: 40_000 }, () => {
  const site = serveApp({ before, after }, 'fastapi_app:app')
  const json = async (path, init) => (await site.fetch(path, init)).json()
  const postJson = (path, value) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof value === 'string' ? value : JSON.stringify(value),
  })

  test('JSON in and out, validated', async () => {
    const good = await site.fetch('/items', postJson('/items', { name: 'ümlaut', price: 2.5, tags: ['a'] }))
    assert.equal(good.status, 200)
    assert.equal(good.headers.get('content-type'), 'application/json')
    assert.deepEqual(await good.json(), { item: { name: 'ümlaut', price: 2.5, tags: ['a'] }, total: 5 })
    const bad = await site.fetch('/items', postJson('/items', { name: 'x', price: -1 }))
    assert.equal(bad.status, 422)
    const { detail } = await bad.json()
    assert.deepEqual(detail.map(({ loc, type }) => [loc, type]), [[['body', 'price'], 'greater_than']])
    assert.equal((await site.fetch('/items', postJson('/items', '{"name":'))).status, 422)
  })

  test('path and query parameters, validated', async () => {
    assert.deepEqual(await json('/items/42?q=a%20b%26c&limit=3'), { item_id: 42, q: 'a b&c', limit: 3 })
    assert.deepEqual(await json('/items/7'), { item_id: 7, q: null, limit: 10 })
    assert.equal((await site.fetch('/items/seven')).status, 422)
    assert.equal((await site.fetch('/nowhere')).status, 404)
    const wrong = await site.fetch('/items', { method: 'DELETE' })
    assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'POST'])
  })

  test('cookies both ways', async () => {
    const response = await site.fetch('/cookies', { headers: { cookie: 'other=1; session=mine' } })
    assert.deepEqual(await response.json(), { session: 'mine' })
    const cookies = response.headers.getSetCookie()
    assert.equal(cookies.length, 2)
    assert.match(cookies[0], /^session=s3cret; HttpOnly/)
    assert.match(cookies[1], /^theme=dark/)
  })

  test('forms: url-encoded and multipart', async () => {
    const expected = { name: 'Zoë & co', age: 7 }
    const body = new URLSearchParams({ name: 'Zoë & co', age: '7' })
    assert.deepEqual(await json('/form', { method: 'POST', body }), expected)
    const form = new FormData()
    form.set('name', 'Zoë & co')
    form.set('age', '7')
    assert.deepEqual(await json('/form', { method: 'POST', body: form }), expected)
    form.set('age', 'old')
    assert.equal((await site.fetch('/form', { method: 'POST', body: form })).status, 422)
  })

  test('an UploadFile of 20 MB arrives with its digest', async () => {
    const content = bytes(20_000_000, 21)
    const form = new FormData()
    form.set('note', 'large')
    form.set('file', new Blob([content]), 'grüße.bin')
    assert.deepEqual(await json('/upload', { method: 'POST', body: form }), {
      filename: 'grüße.bin',
      size: content.length,
      sha256: sha256(content),
      note: 'large',
    })
  })

  test('redirects', async () => {
    const manual = await site.fetch('/redirect', { redirect: 'manual' })
    assert.deepEqual([manual.status, manual.headers.get('location')], [307, '/items/7?q=redirected'])
    const followed = await site.fetch('/redirect')
    assert.equal(followed.redirected, true)
    assert.equal((await followed.json()).q, 'redirected')
  })

  test('StreamingResponse: async and plain generators, part by part', async () => {
    for (const path of ['/stream', '/stream-sync']) {
      const response = await site.fetch(`${path}?count=4`)
      const chunks = []
      for await (const chunk of response.body) chunks.push(Buffer.from(chunk).toString())
      assert.equal(chunks.join(''), 'part 0\npart 1\npart 2\npart 3\n')
      assert.ok(chunks.length > 1, `${path} came in one piece`)
    }
  })

  test('FileResponse, whole, as HEAD would, and in part', async () => {
    const content = readFileSync(join(apps, 'fastapi_app.py'), 'utf8')
    const whole = await site.fetch('/file')
    assert.equal(await whole.text(), content)
    assert.equal(whole.headers.get('content-length'), String(Buffer.byteLength(content)))
    assert.match(whole.headers.get('content-disposition'), /fastapi_app\.py/)
    const part = await site.fetch('/file', { headers: { range: 'bytes=3-9' } })
    assert.deepEqual([part.status, await part.text()], [206, content.slice(3, 10)])
    const unchanged = await site.fetch('/file', { headers: { range: 'bytes=999999-' } })
    assert.equal(unchanged.status, 416)
    await unchanged.text()
  })

  test('def endpoints run in threads, several at once; async ones on the loop', async () => {
    const { thread } = await json('/async')
    const begun = performance.now()
    const others = await Promise.all(Array.from({ length: 5 }, () => json('/sync?seconds=1')))
    const took = performance.now() - begun
    assert.ok(others.every((other) => other.thread !== thread))
    assert.ok(took < 4000, `five sleeps of 1 s took ${took} ms`)
  })

  test('def endpoints share their threads: one after the other, they need one', async () => {
    const threads = new Set()
    for (let i = 0; i < 20; i += 1) threads.add((await json('/sync')).thread)
    assert.ok(threads.size <= 2, [...threads].join())
  })

  test('BackgroundTasks run after the response, in order', async () => {
    const begun = performance.now()
    assert.deepEqual(await json('/background?note=letter', { method: 'POST' }), { accepted: 'letter' })
    assert.ok(performance.now() - begun < 900, 'the response waited for the task')
    await until(async () => (await json('/notes')).includes('letter (sync)'), 'the background tasks')
    const notes = await json('/notes')
    assert.ok(notes.indexOf('letter') < notes.indexOf('letter (sync)'), String(notes))
  })

  test('middleware sets request.state, and a header of the response', async () => {
    const response = await site.fetch('/state', { headers: { 'x-tag': 'blue' } })
    assert.deepEqual([await response.json(), response.headers.get('x-tagged')], [{ tag: 'blue' }, 'blue'])
    assert.deepEqual(await json('/state'), { tag: 'none' })
  })

  test('dependencies are torn down, errors are what FastAPI makes of them', async () => {
    assert.deepEqual(await json('/dependency'), { value: 'connected' })
    await until(async () => (await json('/notes')).includes('disconnected'), 'the end of the dependency')
    const teapot = await site.fetch('/teapot')
    assert.deepEqual([teapot.status, teapot.headers.get('x-pot')], [418, 'tea'])
    assert.deepEqual(await teapot.json(), { detail: 'short and stout' })
    const crash = await site.fetch('/crash')
    assert.equal(crash.status, 500)
    assert.doesNotMatch(await crash.text(), /swordfish|Traceback/)
  })

  test('the interactive documentation and its schema', async () => {
    assert.match(await (await site.fetch('/docs')).text(), /swagger-ui/)
    const schema = await json('/openapi.json')
    assert.ok('/items/{item_id}' in schema.paths)
  })

  test('node:http as the client: one kept-alive connection carries many requests', async (t) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    t.after(() => agent.destroy())
    const ports = new Set()
    for (let number = 0; number < 20; number += 1) {
      const body = await new Promise((resolve, reject) => {
        const outgoing = request(`${site.url}/items/${number}`, { agent }, (incoming) => {
          let received = ''
          ports.add(incoming.socket.localPort)
          incoming.setEncoding('utf8').on('data', (chunk) => (received += chunk)).on('end', () => resolve(received))
        })
        outgoing.on('error', reject).end()
      })
      assert.equal(JSON.parse(body).item_id, number)
    }
    assert.equal(ports.size, 1)
  })

  test('200 requests at once, then nothing is left over', async (t) => {
    const watcher = makeHandler(t, 'facts_app:app')
    const headers = { connection: 'close' }
    const round = async () => {
      const numbers = Array.from({ length: 200 }, (_, number) => number)
      const answers = await Promise.all(numbers.map((number) => json(`/items/${number}`, { headers })))
      assert.deepEqual(answers.map((answer) => answer.item_id), numbers)
      await json('/sync', { headers })
    }
    await round()
    const held = await allHoldings(watcher)
    await round()
    // The thread pool of the sync endpoints may still grow to its size.
    await assertReturnsTo(held, { threads: 5, watcher })
  })
})
