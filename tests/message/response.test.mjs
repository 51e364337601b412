// Reading a Response the way a WHATWG one is read.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Request, Response } from 'asgi-node'
import { makeHandler } from '../node/support.mjs'

describe('field_27 a response', { timeout: 30_000 }, () => {
  const handler = makeHandler({ after }, 'bytes_app:app')
  const sockets = makeHandler({ after }, 'websocket_app:app')
  before(() => Promise.all([handler.ready(), sockets.ready()]))
  const upload = (how) => handler[how]({ url: '/upload', method: 'POST', body: 'caf\xe9' })

  for (const how of ['handleRequest', 'handleStream', 'handleRequestSync']) {
    test(`of ${how}`, async () => {
      const response = await upload(how)
      assert.equal(response.ok, true)
      assert.deepEqual(await response.json(), { size: 5 })
      assert.equal(await (await upload(how)).text(), '{"size": 5}')
      const buffer = await (await upload(how)).arrayBuffer()
      assert.ok(buffer instanceof ArrayBuffer)
      assert.equal(Buffer.from(buffer).toString(), '{"size": 5}')
    })
  }

  test('a long stream', async () => {
    const text = await (await handler.handleStream({ url: '/text' })).text()
    assert.equal(text, 'text '.repeat(10_000))
  })

  test('ok, by the status', async () => {
    const oks = [100, 199, 200, 204, 299, 300, 404, 500].filter((status) => new Response({ status }).ok)
    assert.deepEqual(oks, [200, 204, 299])
  })

  test('what is no JSON, and what is no body', async () => {
    await assert.rejects(new Response({ body: 'x' }).json(), SyntaxError)
    assert.equal(await new Response().text(), '')
    assert.equal((await new Response().arrayBuffer()).byteLength, 0)
    assert.equal(await new Response({ body: 'caf\xe9' }).text(), 'caf\xe9')
    const response = await sockets.handleStream(new Request({ url: '/echo', websocket: true }))
    await assert.rejects(response.text(), { name: 'TypeError', message: /WebSocket/ })
    response.close()
  })
})
