// Express's `compression` in front of Python: it compresses what it would compress of Express's own, and delays nothing.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { createGunzip, gunzipSync } from 'node:zlib'
import compression from 'compression'
import express from 'express'
import { makeHandler } from '../node/support.mjs'

for (const named of [true, false]) {
  describe(named ? 'with a header that Express has set' : 'with none', { timeout: 60_000 }, () => {
    const python = makeHandler({ after }, 'bytes_app:app')
    const app = express().set('x-powered-by', named)
    const server = createServer(app.use(compression(), python.middleware()))
    before(async () => {
      await python.ready()
      await once(server.listen(0, '127.0.0.1'), 'listening')
    })
    after(() => server.close())

    async function request(path) {
      const headers = { 'accept-encoding': 'gzip', connection: 'close' }
      const [res] = await once(get({ port: server.address().port, path, headers }), 'response')
      return res
    }

    test('field_17 a text is compressed', async () => {
      const res = await request('/text')
      assert.equal(res.headers['content-encoding'], 'gzip')
      assert.equal(res.headers['content-type'], 'text/plain')
      assert.equal(gunzipSync(Buffer.concat(await res.toArray())).toString(), 'text '.repeat(10_000))
    })

    test('field_17 a long stream, with back-pressure, comes whole', async () => {
      const res = await request('/lines')
      assert.equal(res.headers['content-encoding'], 'gzip')
      let length = 0
      for await (const chunk of res.pipe(createGunzip())) length += chunk.length
      assert.equal(length, 10_000 * (10 + 2 * 90 + 3 * 300))
    })

    test('field_17 each event of a stream comes when it was sent', async () => {
      const res = await request('/events')
      assert.equal(res.headers['content-encoding'], 'gzip')
      const events = []
      for await (const chunk of res.pipe(createGunzip())) events.push([chunk.toString(), performance.now()])
      assert.deepEqual(events.map(([text]) => text), ['data: 0\n\n', 'data: 1\n\n', 'data: 2\n\n'])
      for (const index of [1, 2]) assert.ok(events[index][1] - events[index - 1][1] > 250, JSON.stringify(events))
    })
  })
}
