// Bytes above 0x7f of header values leave as they are, whenever the body comes.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import * as http2 from 'node:http2'
import { after, before, describe, test } from 'node:test'
import { headersOf } from '../asgi/websockets.mjs'
import { makeHandler, openPolitely, until } from '../node/support.mjs'

const VALUES = { 'latin-1': '6e3de9', 'UTF-8': '6e3dc3a9', 'the ends of the range': '80a0ff' }
const SHAPES = {
  'a head': '/head',
  'the head of HEAD': '/head',
  'a status line': '/reason/head',
  'trailers': '/trailers',
  'early hints': '/hint',
  'a handshake': '/accept',
  'the denial of a handshake': '/deny',
}

describe('bytes of headers', { timeout: 60_000 }, () => {
  const handler = makeHandler({ after }, 'bytes_app:app')
  const server = createServer((req, res) => {
    // As another handler may have set it.
    if (req.url.startsWith('/reason')) res.statusMessage = reasonOf(req.url)
    handler.listener(req, res)
  }).on('upgrade', handler.upgrade)
  const session = { value: null, server: http2.createServer(handler.listener) }
  before(async () => {
    await handler.ready()
    for (const one of [server, session.server]) await once(one.listen(0, '127.0.0.1'), 'listening')
    session.value = http2.connect(`http://127.0.0.1:${session.server.address().port}`)
  })
  after(() => {
    session.value.close()
    session.server.close()
    server.close()
  })

  const bytesOf = (hex) => Buffer.from(hex, 'hex').toString('latin1')
  const reasonOf = (url) => bytesOf(new URL(url, 'http://x').searchParams.get('value'))

  for (const [kind, hex] of Object.entries(VALUES)) {
    for (const [shape, path] of Object.entries(SHAPES)) {
      for (const pause of ['', '&pause=1']) {
        test(`field_13 ${kind} in ${shape}${pause && ', the body later'}`, async (t) => {
          const client = await openPolitely(t, server.address().port)
          const method = shape === 'the head of HEAD' ? 'HEAD' : 'GET'
          const upgrades = shape.includes('handshake')
          const own = upgrades ? headersOf() : 'Host: x\r\nTE: trailers\r\nConnection: close\r\n'
          client.write(`${method} ${path}?value=${hex}${pause} HTTP/1.1\r\n${own}\r\n`)
          // A WebSocket that was accepted waits for the client's close frame.
          if (shape === 'a handshake') await until(() => client.received.includes('\r\n\r\n'), 'the answer')
          else await client.ended
          const value = bytesOf(hex)
          assert.ok(client.received.includes(`x-value: ${value}\r\n`), client.received)
          if (path.startsWith('/reason')) assert.ok(client.received.startsWith(`HTTP/1.1 200 ${value}\r\n`), client.received)
        })
      }
    }

    for (const pause of ['', '&pause=1']) {
      test(`field_13 ${kind} behind a response that is not complete${pause && ', the body later'}`, async (t) => {
        const client = await openPolitely(t, server.address().port)
        const get = (path, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
        client.write(get('/head?value=61&pause=1') + get(`/head?value=${hex}${pause}`, 'Connection: close\r\n'))
        await client.ended
        assert.ok(client.received.includes(`x-value: ${bytesOf(hex)}\r\n`), client.received)
      })

      test(`field_13 ${kind} in HTTP/2${pause && ', the body later'}`, async () => {
        for (const path of ['/head', '/trailers']) {
          const stream = session.value.request({ ':path': `${path}?value=${hex}${pause}`, te: 'trailers' })
          const found = {}
          for (const event of ['response', 'trailers']) stream.on(event, (headers) => Object.assign(found, headers))
          await once(stream.resume(), 'end')
          await until(() => found['x-value'] !== undefined, 'the value')
          assert.equal(found['x-value'], bytesOf(hex))
        }
      })
    }
  }
})
