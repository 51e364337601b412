// Litestar and Quart through a real node:http server: the same requests for both.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { bytes, serveApp, sha256 } from '../node/support.mjs'

for (const name of ['litestar', 'quart']) {
  describe(name, { timeout: 60_000 }, () => {
    const site = serveApp({ before, after }, `${name}_app:app`)
    // Litestar takes seconds to be imported where the machine is busy: no request has to wait for that.
    before(() => site.handler.ready())
    const post = (path, body, headers) => site.fetch(path, { method: 'POST', body, headers })
    const json = { 'content-type': 'application/json' }

    test('JSON, valid and not', async () => {
      const response = await post('/items', JSON.stringify({ name: 'é', price: 2.5 }), json)
      assert.deepEqual([response.status, await response.json()], [200, { name: 'é', price: 2.5 }])
      assert.equal((await post('/items', JSON.stringify({ name: 'x', price: 'much' }), json)).status, 400)
    })

    test('start-up has run before the first request', async () => {
      assert.deepEqual(await (await site.fetch('/started')).json(), { started: true })
    })

    test('a streamed response', async () => {
      const text = await (await site.fetch('/stream')).text()
      assert.equal(text, 'line 0\nline 1\nline 2\nline 3\nline 4\n')
    })

    test('cookies both ways', async () => {
      const first = await site.fetch('/cookie')
      assert.deepEqual([await first.text(), first.headers.getSetCookie().length], ['nothing', 1])
      const [cookie] = first.headers.getSetCookie()[0].split(';')
      assert.equal(await (await site.fetch('/cookie', { headers: { cookie } })).text(), 'before')
    })

    test('an upload of 5 MB, read as it comes', async () => {
      const body = bytes(5_000_000)
      const response = await post('/upload', body, { 'content-type': 'application/octet-stream' })
      assert.deepEqual(await response.json(), { size: body.length, sha256: sha256(body) })
    })

    test('an error is 500 without its text; what is not there is 404', async () => {
      const response = await site.fetch('/error')
      assert.equal(response.status, 500)
      assert.ok(!(await response.text()).includes('secret'))
      assert.equal((await site.fetch('/nowhere')).status, 404)
    })
  })
}
