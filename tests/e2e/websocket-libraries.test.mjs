// Django Channels, Strawberry and python-socketio: what talks a protocol of its own over WebSockets, each with the client that
// people use for it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { createClient } from 'graphql-ws'
import { io } from 'socket.io-client'
import { WebSocket } from 'ws'
import { serveWebSockets } from '../asgi/websockets.mjs'
import { until } from '../node/support.mjs'

const limits = { timeout: 60_000 }

describe('Django Channels', limits, () => {
  const site = serveWebSockets({ before, after }, 'channels_app:app')
  const ended = (text) => until(async () => (await (await fetch(`${site.http}/ends`)).json()).includes(text), text)
  const open = (path, protocols = []) => site.open(path, protocols, { origin: site.http })

  test('consumers of a room hear each other, and of no other room', async () => {
    const [ann, bob, eve] = await Promise.all([open('/room/a', ['x', 'chat']), open('/room/a'), open('/room/b')])
    assert.deepEqual([ann.ws.protocol, bob.ws.protocol], ['chat', ''])
    ann.ws.send(JSON.stringify({ text: 'hällo' }))
    for (const client of [ann, bob]) assert.deepEqual(JSON.parse(await client.next()), { room: 'a', text: 'hällo' })
    eve.ws.send(JSON.stringify({ text: 'alone' }))
    assert.deepEqual(JSON.parse(await eve.next()), { room: 'b', text: 'alone' })
    assert.deepEqual([ann.messages, bob.messages], [[], []])
    bob.ws.close(4001)
    await ended('a 4001')
    ann.ws.terminate()
    await ended('a 1006')
    eve.ws.close()
  })

  test('a synchronous consumer, text and binary, closes with its code', async () => {
    const client = await open('/upper')
    client.ws.send('text')
    assert.equal(await client.next(), 'TEXT')
    client.ws.send(Buffer.from([1, 2, 3]))
    assert.deepEqual(await client.next(), Buffer.from([3, 2, 1]))
    client.ws.send('bye')
    assert.deepEqual(await client.closed, { code: 4000, reason: 'bye' })
    await ended('upper 4000')
  })

  test('a consumer that refuses, whatever its code, is 403', async () => {
    assert.equal((await (await open('/refusing')).refused).status, 403)
  })

  test('an origin that is not allowed is refused', async () => {
    const { status } = await (await site.open('/upper', [], { origin: 'http://elsewhere.example' })).refused
    assert.equal(status, 403)
  })
})

describe('Strawberry, by graphql-ws', limits, () => {
  const site = serveWebSockets({ before, after }, 'strawberry_app:app')

  /** A client of graphql-transport-ws that is gone with the test. */
  function connect(t) {
    const client = createClient({ url: site.url, webSocketImpl: WebSocket, retryAttempts: 0 })
    t.after(() => client.dispose())
    return client
  }

  const results = async (client, query) => {
    const found = []
    for await (const result of client.iterate({ query })) found.push(result)
    return found
  }

  test('a query, an error, a subscription to its end', async (t) => {
    const client = connect(t)
    assert.deepEqual(await results(client, '{ greeting(name: "Ada") }'), [{ data: { greeting: 'Hello, Ada' } }])
    const [{ errors }] = await results(client, '{ broken }')
    assert.match(errors[0].message, /said to the client/)
    const counted = await results(client, 'subscription { count(to: 500) }')
    assert.deepEqual(counted.map(({ data }) => data.count), Array.from({ length: 500 }, (_, i) => i + 1))
  })

  test('a subscription that the client leaves ends in the application, and so do all when the client goes', async (t) => {
    const client = connect(t)
    const watcher = connect(t)
    const ended = (name) => until(async () => (await results(watcher, '{ ended }'))[0].data.ended.includes(name), name)
    for await (const { data } of client.iterate({ query: 'subscription { forever(name: "left") }' })) {
      assert.equal(data.forever, 'left')
      break
    }
    await ended('left')
    const going = client.iterate({ query: 'subscription { forever(name: "gone") }' })
    await going.next()
    client.terminate()
    await assert.rejects(async () => {
      for await (const _ of going);
    })
    await ended('gone')
  })

  test('a client that speaks before connection_init is closed with the protocol\'s own code', async () => {
    const client = await site.open('/', ['graphql-transport-ws'])
    client.ws.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: '{ greeting(name: "x") }' } }))
    assert.deepEqual(await client.closed, { code: 4401, reason: 'Unauthorized' })
  })
})

describe('python-socketio, by socket.io-client', limits, () => {
  const site = serveWebSockets({ before, after }, 'socketio_app:app')

  /** A connected client that is gone with the test. */
  async function connect(t, options = {}) {
    const client = io(site.http, { forceNew: true, reconnection: false, ...options })
    t.after(() => client.disconnect())
    await once(client, 'connect')
    return client
  }

  const upgraded = (client) => until(() => client.io.engine.transport.name === 'websocket', 'the upgrade')

  test('it starts by polling, goes over to a WebSocket and loses nothing on the way', async (t) => {
    const client = await connect(t)
    const answers = []
    for (let i = 0; i < 100; i += 1) answers.push(client.timeout(10_000).emitWithAck('echo', i))
    await upgraded(client)
    for (let i = 100; i < 200; i += 1) answers.push(client.timeout(10_000).emitWithAck('echo', i))
    assert.deepEqual(await Promise.all(answers), Array.from({ length: 200 }, (_, i) => i))
    assert.equal(await client.emitWithAck('transport'), 'websocket')
  })

  for (const transports of [['polling'], ['websocket']]) {
    test(`text, objects and binary over ${transports} alone`, async (t) => {
      const client = await connect(t, { transports })
      assert.equal(await client.emitWithAck('transport'), transports[0])
      for (const value of ['hällo', { a: [1, null] }, Buffer.from([0, 255, 1])]) assert.deepEqual(await client.emitWithAck('echo', value), value)
      const large = Buffer.alloc(500_000, 7)
      assert.deepEqual(await client.emitWithAck('echo', large), large)
    })
  }

  test('a room, a refusal, and the end of both', async (t) => {
    const [ann, bob] = await Promise.all([connect(t), connect(t)])
    await upgraded(bob)
    const told = once(bob, 'told')
    ann.emit('tell', 'news')
    assert.deepEqual(await told, ['news'])
    const refused = io(site.http, { forceNew: true, reconnection: false, auth: { token: 'wrong' } })
    t.after(() => refused.disconnect())
    const [error] = await once(refused, 'connect_error')
    assert.equal(error.message, 'not you')
    bob.disconnect()
    await until(async () => (await ann.emitWithAck('ends')).includes('client disconnect'), 'the end')
  })
})
