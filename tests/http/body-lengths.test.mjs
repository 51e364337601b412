// A body that is shorter or longer than its content-length is never taken for a whole one, whichever way it comes.
import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { callJson, makeHandler, until } from '../node/support.mjs'
import { Request as OurRequest } from 'asgi-node'

const WRONG = { 'shorter': ['abcde'], 'shorter, in pieces': ['ab', 'cde'], 'longer': ['0123456789abcdefgh'], 'longer, in pieces': ['0123456789', 'abcdefgh'] }
const limits = { timeout: 30_000 }

describe('field_9', limits, () => {
  const handler = makeHandler({ after }, 'bytes_app:app')
  before(() => handler.ready())
  const seen = () => callJson(handler, '/seen')
  const streamOf = (pieces) => Readable.toWeb(Readable.from(pieces.map((piece) => Buffer.from(piece))))

  async function assertDisconnected() {
    await until(async () => (await seen()).at(-1) === 'http.disconnect', 'the disconnect')
  }

  for (const [kind, pieces] of Object.entries(WRONG)) {
    test(`fetch: ${kind}`, async () => {
      const headers = { 'content-length': '15' }
      const request = new Request('http://h/upload', { method: 'POST', headers, body: streamOf(pieces), duplex: 'half' })
      const response = await handler.fetch(request)
      assert.equal(response.status, 400)
      await assertDisconnected()
    })

    test(`handleStream: ${kind}`, async () => {
      const init = { url: '/upload', method: 'POST', headers: { 'content-length': '15' } }
      await assert.rejects(handler.handleStream({ ...init, body: streamOf(pieces) }), { code: 'INVALID_REQUEST', message: /content-length is 15/ })
      await assertDisconnected()
      const request = new OurRequest(init)
      const answer = handler.handleStream(request)
      for (const piece of pieces) void request.write(piece)
      void request.end()
      await assert.rejects(answer, { code: 'INVALID_REQUEST' })
      await assertDisconnected()
    })

    test(`handleRequest: ${kind}`, async () => {
      const init = { url: '/upload', method: 'POST', headers: { 'content-length': '15' } }
      await assert.rejects(handler.handleRequest({ ...init, body: pieces.join('') }), { code: 'INVALID_REQUEST' })
      await assert.rejects(handler.handleRequest({ ...init, body: streamOf(pieces) }), { code: 'INVALID_REQUEST' })
      assert.throws(() => handler.handleRequestSync({ ...init, body: pieces.join('') }), { code: 'INVALID_REQUEST' })
    })

    test(`listener, for an injected request: ${kind}`, async () => {
      const req = Object.assign(new IncomingMessage(new Socket()), { method: 'POST', url: '/upload', httpVersion: '1.1' })
      Object.assign(req, { httpVersionMajor: 1, httpVersionMinor: 1, rawHeaders: ['content-length', '15'] })
      req._read = () => {}
      for (const piece of pieces) req.push(piece)
      req.push(null)
      const res = new ServerResponse(req)
      const written = new PassThrough()
      res.assignSocket(written)
      handler.listener(req, res)
      await until(() => written.readableLength > 0, 'an answer')
      assert.match(written.read().toString(), /^HTTP\/1\.1 400 /)
    })
  }

  test('what is as long as it says is whole', async () => {
    const headers = { 'content-length': '5' }
    const body = () => streamOf(['ab', 'cde'])
    const request = new Request('http://h/upload', { method: 'POST', headers, body: body(), duplex: 'half' })
    assert.deepEqual(await (await handler.fetch(request)).json(), { size: 5 })
    assert.deepEqual(await callJson(handler, '/upload', { method: 'POST', headers, body: body() }), { size: 5 })
    assert.deepEqual(await callJson(handler, '/upload', { method: 'POST', headers, body: 'abcde' }), { size: 5 })
  })
})
