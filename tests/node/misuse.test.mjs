// field_28: what beginners write, and the sentence that they read.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import { after, describe, test } from 'node:test'
import express from 'express'
import { PythonHandler, Request as OurRequest } from 'asgi-node'
import { makeHandler } from './support.mjs'

describe('field_28', () => {
  const python = makeHandler({ after })

  /** What Express hands to its error handler. */
  async function handedOn(t, handler) {
    const app = express()
    let error
    app.use(handler)
    app.use((raised, _req, res, _next) => {
      error = raised
      res.status(500).end()
    })
    const server = app.listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    const response = await fetch(`http://127.0.0.1:${server.address().port}/`, { signal: AbortSignal.timeout(5000) })
    await response.arrayBuffer()
    return error
  }

  test('app.use(python.middleware)', async (t) => {
    const { name, message } = await handedOn(t, python.middleware)
    assert.equal(name, 'TypeError')
    assert.equal(message, 'python.middleware creates middleware: write app.use(python.middleware())')
  })

  test('app.use(python.upgrade)', async (t) => {
    const { name, message } = await handedOn(t, python.upgrade)
    assert.equal(name, 'TypeError')
    assert.match(message, /write server\.on\('upgrade', python\.upgrade\)$/)
  })

  test('createServer(python)', () => {
    for (const { createServer } of [http, https]) {
      assert.throws(() => createServer(python), { name: 'TypeError', message: /write createServer\(python\.listener\)$/ })
    }
  })

  test('listener(new Request())', () => {
    for (const request of [new Request('http://h/'), new OurRequest({ url: '/' })]) {
      assert.throws(() => python.listener(request), { name: 'TypeError', message: /python\.fetch\(request\)/ })
    }
  })

  for (const [name, where] of [
    ['port', /"port": it is the server's: createServer\(python\.listener\)\.listen\(port\)$/],
    ['host', /listen\(port, host\)$/],
    ['logLevel', /logging\.basicConfig/],
    ['env', /process\.env/],
    // A name that is near one of ours still gets it.
    ['reqestTimeout', /Did you mean "requestTimeout"/],
  ]) {
    test(`option ${name}`, () => {
      assert.throws(() => new PythonHandler({ app: 'main:app', [name]: 1 }), { name: 'TypeError', message: where })
    })
  }
})
