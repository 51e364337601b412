// Bodies that somebody has read before `python.listener`: Express's parsers, Fastify with reply.hijack(), node:http2.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import * as http2 from 'node:http2'
import { after, before, describe, mock, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import express from 'express'
import fastify from 'fastify'
import { callJson, makeHandler } from '../node/support.mjs'

const JSON_BODY = '{"name":"tea"}'

describe('field_8', { timeout: 60_000 }, () => {
  const python = makeHandler({ after }, 'bytes_app:app')
  const scopes = makeHandler({ after }, 'scope_app:app')
  const spy = mock.method(console, 'error', () => {})
  const urls = {}
  const closing = []
  after(() => spy.mock.restore())

  async function listen(name, server) {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    urls[name] = `http://127.0.0.1:${server.address().port}`
    closing.push(() => server.close())
  }

  const keep = (req, _res, body) => {
    req.rawBody = body
  }

  before(async () => {
    await Promise.all([python.ready(), scopes.ready()])
    await listen('express', createServer(express().use(express.json(), python.listener)))
    await listen('express with rawBody', createServer(express().use(express.json({ verify: keep })).use(python.listener)))
    await listen('scope', createServer(express().use(express.json({ verify: keep })).use(scopes.listener)))
    const collect = async (req, res) => {
      req.rawBody = Buffer.concat(await req.toArray())
      scopes.listener(req, res)
    }
    await listen('collected', createServer(collect))
    const app = fastify()
    app.post('/*', (request, reply) => {
      reply.hijack()
      python.listener(request.raw, reply.raw)
    })
    await app.ready()
    await app.listen({ port: 0, host: '127.0.0.1' })
    urls.fastify = `http://127.0.0.1:${app.server.address().port}`
    closing.push(() => app.close())
  })
  after(() => Promise.all(closing.map((close) => close())))

  const post = (name, body = JSON_BODY, headers = {}) =>
    fetch(`${urls[name]}/upload`, { method: 'POST', body, headers: { 'content-type': 'application/json', connection: 'close', ...headers } })

  /** What the application is told of length, coding and transfer coding. */
  async function framing(response) {
    const { scope } = await response.json()
    const headers = scope.headers.map((pair) => (pair.tuple ?? pair).map(({ bytes }) => bytes))
    const of = (wanted) => headers.filter(([name]) => name === wanted).map(([, value]) => value)
    return [of('content-length'), of('content-encoding'), of('transfer-encoding')]
  }

  for (const name of ['express', 'fastify']) {
    test(`field_8 a body that ${name} has parsed is not an empty one`, async () => {
      spy.mock.resetCalls()
      const response = await post(name)
      assert.deepEqual([response.status, await response.text()], [500, 'Internal Server Error'])
      const [logged] = spy.mock.calls.map(({ arguments: [value] }) => String(value?.stack ?? value))
      assert.match(logged, /BODY_ALREADY_READ/)
    })
  }

  test('field_8 rawBody is that body', async () => {
    const response = await post('express with rawBody')
    assert.deepEqual(await response.json(), { size: JSON_BODY.length })
  })

  test('field_8 field_31 a rawBody that the parser has decompressed has the headers that fit it', async () => {
    const response = await post('scope', gzipSync(JSON_BODY), { 'content-encoding': 'gzip' })
    assert.deepEqual(await framing(response), [[String(JSON_BODY.length)], [], []])
  })

  test('field_8 field_31 a rawBody that is still compressed stays so, also where it came in chunks', async () => {
    const body = gzipSync(JSON_BODY)
    const chunked = new ReadableStream({
      start(controller) {
        controller.enqueue(body)
        controller.close()
      },
    })
    const headers = { 'content-encoding': 'gzip' }
    const response = await fetch(`${urls.collected}/upload`, { method: 'POST', body: chunked, duplex: 'half', headers })
    assert.deepEqual(await framing(response), [[String(body.length)], ['gzip'], []])
  })

  test('field_8 nothing is lost of a request without a body', async () => {
    const response = await fetch(`${urls.express}/seen`, { headers: { connection: 'close' } })
    assert.equal(response.status, 200)
  })

  test('field_8 HTTP/2, where no header says that there is a body', async (t) => {
    const server = http2.createServer(async (req, res) => {
      for await (const chunk of req) if (req.url.endsWith('raw')) req.rawBody = chunk
      python.listener(req, res)
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const session = http2.connect(`http://127.0.0.1:${server.address().port}`)
    t.after(() => {
      session.close()
      server.close()
    })
    for (const [query, expected] of [['', 500], ['?raw', 200]]) {
      const stream = session.request({ ':method': 'POST', ':path': `/upload${query}` })
      stream.end('body')
      const [headers] = await once(stream, 'response')
      assert.equal(headers[':status'], expected)
      const text = Buffer.concat(await stream.toArray()).toString()
      if (query !== '') assert.deepEqual(JSON.parse(text), { size: 4 })
    }
  })

  test('the handler works on', async () => {
    assert.equal((await callJson(python, '/seen')).length >= 0, true)
  })
})
