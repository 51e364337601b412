// FastAPI, Starlette, Quart and Litestar: their own WebSocket classes, over real sockets.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { serveWebSockets } from '../asgi/websockets.mjs'
import { until } from '../node/support.mjs'

describe('frameworks', { timeout: 60_000 }, () => {
  const site = serveWebSockets({ before, after }, 'websocket_frameworks:app')
  const ended = (text) => until(async () => (await (await fetch(`${site.http}/ends`)).json()).includes(text), text)

  const cases = [
    ['fastapi', '/fastapi/echo/ann?token=t', [], { hello: 'ann', token: 't' }, 'fastapi 4001 bye'],
    ['starlette', '/starlette/echo/ann', ['chat'], { hello: 'ann' }, 'starlette 4001'],
    ['quart', '/quart/echo/ann', ['chat'], { hello: 'ann' }, 'quart'],
    ['litestar', '/litestar/echo/ann', [], { hello: 'ann' }, 'litestar'],
  ]
  for (const [name, path, protocols, hello, end] of cases) {
    test(`${name}: accepts, echoes, sees the end`, async () => {
      const client = await site.open(path, protocols)
      assert.equal(client.ws.protocol, protocols[0] ?? '')
      assert.deepEqual(JSON.parse(await client.next()), hello)
      for (const text of ['one', 'zwei é', 'x'.repeat(100_000)]) {
        client.ws.send(text)
        assert.equal(await client.next(), text)
      }
      client.ws.close(4001, 'bye')
      await ended(end)
    })
  }

  test('FastAPI: a dependency that refuses is 403, and so is a path that is not there', async () => {
    for (const path of ['/fastapi/echo/ann', '/fastapi/nowhere']) assert.equal((await (await site.open(path)).refused).status, 403)
  })

  test('FastAPI: a query that is not valid is 403 too, although the reason is a list of what is wrong', async (t) => {
    const errors = t.mock.method(console, 'error', () => {})
    for (const query of ['', '?number=0', '?number=x']) {
      assert.equal((await (await site.open(`/fastapi/page${query}`)).refused).status, 403, query)
    }
    assert.equal(errors.mock.callCount(), 0)
    assert.deepEqual(JSON.parse(await (await site.open('/fastapi/page?number=7')).next()), { number: 7 })
  })

  test('Starlette: both directions at once, then its own close', async () => {
    const client = await site.open('/starlette/both')
    for (let i = 0; i < 100; i += 1) client.ws.send(`${i}`)
    client.ws.send('end')
    assert.deepEqual(await client.closed, { code: 4000, reason: 'done' })
    const echoed = client.messages.filter((text) => text.startsWith('echo '))
    assert.deepEqual([client.messages.length, echoed.length, echoed.at(-1)], [201, 101, 'echo end'])
  })

  test('Starlette: a denial response', async () => {
    const { status, body } = await (await site.open('/starlette/deny')).refused
    assert.deepEqual([status, body], [402, 'payment please'])
  })
})
