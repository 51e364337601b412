// python.client: SDKs that take a `fetch` call the application in process.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import createClient from 'openapi-fetch'
import { makeHandler } from '../node/support.mjs'

describe('field_29: the signature of fetch', () => {
  const { client } = makeHandler({ after }, 'redirect_app:app')

  for (const [name, input] of [
    ['a path', '/echo'],
    ['a path without a slash', 'echo'],
    ['a URL as text', 'http://localhost/echo'],
    ['a URL', new URL('http://localhost/echo')],
    ['a Request', new Request('http://localhost/echo')],
  ]) {
    test(`takes ${name}`, async () => {
      const response = await client(input)
      assert.equal(response.url, 'http://localhost/echo')
      assert.equal(response.redirected, false)
      const { method, path, headers } = await response.json()
      assert.deepEqual([method, path, headers.host], ['GET', '/echo', 'localhost'])
    })
  }

  test('takes what fetch takes: method, headers, body', async () => {
    const response = await client('/echo', { method: 'PUT', headers: { 'x-a': '1' }, body: new URLSearchParams({ q: 'tea' }) })
    const { method, headers, body } = await response.json()
    assert.equal(method, 'PUT')
    assert.equal(headers['x-a'], '1')
    assert.match(headers['content-type'], /^application\/x-www-form-urlencoded/)
    assert.equal(body, 'q=tea')
  })

  test('rejects with the reason of an aborted signal', async () => {
    const reason = new Error('enough')
    await assert.rejects(client('/echo', { signal: AbortSignal.abort(reason) }), (error) => error === reason)
  })

  for (const [status, method, expected, kept] of [
    [301, 'POST', 'GET', ''],
    [302, 'POST', 'GET', ''],
    [302, 'PUT', 'PUT', 'tea'],
    [303, 'PUT', 'GET', ''],
    [307, 'POST', 'POST', 'tea'],
    [308, 'PATCH', 'PATCH', 'tea'],
  ]) {
    test(`follows ${status} of ${method} by ${expected}`, async () => {
      const response = await client(`/${status}?to=/echo`, { method, body: 'tea' })
      assert.equal(response.redirected, true)
      assert.equal(response.url, 'http://localhost/echo')
      const said = await response.json()
      assert.deepEqual([said.method, said.body], [expected, kept])
      assert.equal(said.headers['content-type'], kept === '' ? undefined : 'text/plain;charset=UTF-8')
    })
  }

  test('follows a Request with its body', async () => {
    const request = new Request('http://localhost/307?to=/echo', { method: 'POST', body: 'tea', headers: { 'content-type': 'text/x' } })
    const said = await (await client(request)).json()
    assert.deepEqual([said.method, said.body, said.headers['content-type']], ['POST', 'tea', 'text/x'])
  })

  test('leaves a redirect alone where it is told so', async () => {
    const response = await client('/302?to=/echo', { redirect: 'manual' })
    assert.equal(response.status, 302)
    assert.equal(response.headers.get('location'), '/echo')
    assert.equal(await response.text(), 'moved')
  })

  test('says why it does not follow', async () => {
    const stream = new ReadableStream({ start: (controller) => (controller.enqueue(Buffer.from('x')), controller.close()) })
    for (const [input, init, message] of [
      ['/302?to=https://example.com/', {}, /redirects to https:\/\/example.com\/, which is not this application/],
      ['/302?to=/echo', { redirect: 'error' }, /option redirect is "error"/],
      ['/307?to=/echo', { method: 'POST', body: stream, duplex: 'half' }, /a stream can be sent once/],
    ]) {
      await assert.rejects(client(input, init), ({ name, message: text, cause }) => {
        assert.deepEqual([name, text, cause.code], ['TypeError', 'fetch failed', 'REDIRECT_FAILED'])
        assert.match(cause.message, message)
        return true
      })
    }
  })

  test('ends a circle of redirects', async () => {
    const circle = await makeHandler({ after }, 'circle_app:app').client('/').catch(({ cause }) => cause.message)
    assert.equal(circle, 'more than 20 redirects, the last one to /')
  })
})

test('field_29: openapi-fetch', async (t) => {
  const python = makeHandler(t, 'fastapi_app:app')
  const api = createClient({ baseUrl: 'http://localhost', fetch: python.client })
  const { data, response } = await api.POST('/items', { body: { name: 'tea', price: 4 } })
  assert.equal(response.status, 200)
  assert.equal(data.item.name, 'tea')
  const { error } = await api.POST('/items', { body: { name: 'tea', price: 0 } })
  assert.equal(error.detail[0].loc.at(-1), 'price')
})
