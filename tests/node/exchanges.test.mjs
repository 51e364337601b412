// Requests by number, their events, back-pressure both ways and what keeps the process alive, against a native side that
// the test plays itself. Needs no Python.
import assert from 'node:assert/strict'
import { fstatSync, openSync } from 'node:fs'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { CollectCall, StreamCall } from '../../npm/asgi-node/lib/call/calls.js'
import { EVENT, FLAG } from '../../npm/asgi-node/lib/native/protocol.js'
import { Exchanges, isDelivering } from '../../npm/asgi-node/lib/native/exchanges.js'
import { Request, takeBody } from '../../npm/asgi-node/lib/message/request.js'

/** Records what is called; `room` is what push answers. */
class FakeNative {
  calls = []
  pushed = []
  alive = false
  room = true
  refusal = null

  // Called by itself, as the native one is.
  submit = (id, head, body, flags) => {
    this.calls.push(['submit', id, flags, body && String(body)])
    return this.refusal
  }

  wake() {}

  push(id, chunk, last) {
    this.pushed.push([chunk === undefined ? null : Buffer.from(chunk), last])
    return this.room
  }

  drained(id) {
    this.calls.push(['drained', id])
  }

  disconnect(id) {
    this.calls.push(['disconnect', id])
  }

  keepAlive(alive) {
    assert.notEqual(alive, this.alive, 'toggled for nothing')
    this.alive = alive
  }
}

function setUp() {
  const exchanges = new Exchanges()
  const native = new FakeNative()
  exchanges.native = native
  /** Sends a request off and gives what the handler would. */
  const send = (Call, { signal, request = new Request({ url: '/' }), mark = 10 } = {}) => {
    let call
    const promise = new Promise((resolve, reject) => {
      call = new Call(exchanges, signal, resolve, reject, mark)
    })
    const { bytes, source } = takeBody(request, Call === StreamCall)
    exchanges.submit(call, 'head', bytes, source ? FLAG.BODY_FOLLOWS : 0)
    source?.start(call)
    return { call, promise, id: call.id, deliver: (kind, status = 0, text = '', data) => exchanges.deliver(call.id, kind, status, text, data && Buffer.from(data)) }
  }
  return { exchanges, native, send }
}

const failure = 'APP_ERROR\0ValueError: x\0Traceback…'

describe('collected', () => {
  test('whole, or in parts', async () => {
    const { native, send, exchanges } = setUp()
    const whole = send(CollectCall)
    assert.equal(native.alive, true)
    whole.deliver(EVENT.COMPLETE, 201, 'a\0one\0a\0two', 'body')
    assert.equal(native.alive, false)
    const response = await whole.promise
    assert.deepEqual([response.status, String(response.body), [...response.headers]], [201, 'body', [['a', 'one'], ['a', 'two']]])
    const parts = send(CollectCall)
    assert.equal(parts.deliver(EVENT.START, 200, '', 'a'), undefined)
    parts.deliver(EVENT.BODY, 0, '', 'b'.repeat(100))
    parts.deliver(EVENT.END, 0, '', 'c')
    assert.equal((await parts.promise).body.length, 102)
    const empty = send(CollectCall)
    empty.deliver(EVENT.COMPLETE, 204)
    assert.deepEqual((await empty.promise).body, Buffer.alloc(0))
    assert.equal(exchanges.size, 0)
  })

  test('a failure, before start or after', async () => {
    const { send } = setUp()
    const one = send(CollectCall)
    one.deliver(EVENT.FAILED, 0, failure)
    await assert.rejects(one.promise, { name: 'PythonError', code: 'APP_ERROR', message: 'ValueError: x', traceback: 'Traceback…' })
    const two = send(CollectCall)
    two.deliver(EVENT.START, 200)
    two.deliver(EVENT.FAILED, 1, failure)
    await assert.rejects(two.promise, { code: 'APP_ERROR' })
  })

  test('a refusal sends nothing and holds nothing', () => {
    const { native, send, exchanges } = setUp()
    native.refusal = { code: 'OVERLOADED', message: 'full', traceback: '' }
    assert.throws(() => send(CollectCall), { name: 'PythonError', code: 'OVERLOADED', traceback: undefined })
    assert.deepEqual([exchanges.size, native.alive], [0, false])
  })

  test('numbers in use are not given twice', () => {
    const { send, exchanges } = setUp()
    const ids = new Set(Array.from({ length: 1000 }, () => send(CollectCall).id))
    assert.deepEqual([ids.size, exchanges.size], [1000, 1000])
  })

  test('events for numbers that are not in use are ignored', () => {
    const { exchanges, send } = setUp()
    const ofExchanges = Object.values(EVENT).filter((kind) => kind < EVENT.RECORD && kind !== EVENT.FILE)
    const fd = openSync('/dev/null')
    assert.equal(exchanges.deliver(7, EVENT.FILE, 1, `${fd}\0${0}\0${1}`, undefined), undefined)
    assert.throws(() => fstatSync(fd), { code: 'EBADF' }, 'a file that nobody wants stays open')
    for (const kind of [...ofExchanges, 99]) assert.equal(exchanges.deliver(7, kind, 200, '', undefined), undefined)
    assert.equal(send(CollectCall).deliver(99), undefined)
  })
})

describe('streamed', () => {
  test('chunks, then null for ever', async () => {
    const { send } = setUp()
    const { promise, deliver } = send(StreamCall)
    assert.equal(deliver(EVENT.START, 200, '', 'one'), undefined)
    const response = await promise
    assert.deepEqual([response.status, response.body], [200, null])
    deliver(EVENT.BODY, 0, '', 'two')
    assert.equal(String(await response.next()), 'one')
    assert.equal(String(await response.next()), 'two')
    const pending = [response.next(), response.next()]
    deliver(EVENT.END, 0, '', 'end')
    assert.deepEqual((await Promise.all(pending)).map(String), ['end', 'null'])
    assert.equal(await response.next(), null)
  })

  test('a complete response is a stream of one chunk', async () => {
    const { send } = setUp()
    const { promise, deliver } = send(StreamCall)
    deliver(EVENT.COMPLETE, 200, '', 'all')
    const chunks = []
    for await (const chunk of await promise) chunks.push(String(chunk))
    assert.deepEqual(chunks, ['all'])
  })

  test('above the mark it holds, half below it lets go, and while it holds the process may end', async () => {
    const { native, send } = setUp()
    const { promise, deliver, id } = send(StreamCall)
    assert.equal(deliver(EVENT.START, 200, '', '12345678'), undefined)
    assert.equal(deliver(EVENT.BODY, 0, '', '12345678'), false)
    assert.equal(native.alive, false)
    assert.equal(deliver(EVENT.BODY, 0, '', '12'), false)
    const response = await promise
    await response.next()
    assert.equal(native.calls.some(([name]) => name === 'drained'), false)
    await response.next()
    assert.deepEqual(native.calls.at(-1), ['drained', id])
    assert.equal(native.alive, true)
    await response.next()
    assert.equal(native.calls.filter(([name]) => name === 'drained').length, 1)
    deliver(EVENT.END)
    assert.equal(native.alive, false)
  })

  test('a failure in the middle comes after the chunks, and again', async () => {
    const { send } = setUp()
    const { promise, deliver } = send(StreamCall)
    deliver(EVENT.START, 200, '', 'one')
    deliver(EVENT.FAILED, 1, failure)
    const response = await promise
    assert.equal(String(await response.next()), 'one')
    await assert.rejects(response.next(), { code: 'APP_ERROR' })
    await assert.rejects(response.next(), { code: 'APP_ERROR' })
  })

  test('leaving the loop, or return(), disconnects once', async () => {
    const { native, send, exchanges } = setUp()
    const { promise, deliver, id } = send(StreamCall)
    deliver(EVENT.START, 200, '', 'one')
    const response = await promise
    for await (const chunk of response) {
      assert.equal(String(chunk), 'one')
      break
    }
    await response.return()
    assert.deepEqual(native.calls.filter(([name]) => name === 'disconnect'), [['disconnect', id]])
    assert.equal(await response.next(), null)
    assert.deepEqual([exchanges.size, native.alive], [0, false])
    assert.equal(deliver(EVENT.BODY, 0, '', 'late'), undefined)
  })

  test('aborting rejects what waits with the reason, and lets the signal go', async () => {
    for (const when of ['before', 'in the middle']) {
      const { native, send } = setUp()
      const controller = new AbortController()
      const { promise, deliver, id } = send(StreamCall, { signal: controller.signal })
      let waiting = promise
      if (when === 'in the middle') {
        deliver(EVENT.START, 200, '', 'one')
        const response = await promise
        await response.next()
        waiting = response.next()
      }
      const reason = new Error('enough')
      controller.abort(reason)
      await assert.rejects(waiting, (error) => error === reason)
      assert.deepEqual(native.calls.at(-1), ['disconnect', id])
    }
    const { native, send } = setUp()
    const controller = new AbortController()
    const { deliver } = send(CollectCall, { signal: controller.signal })
    deliver(EVENT.COMPLETE, 200)
    controller.abort()
    assert.equal(native.calls.some(([name]) => name === 'disconnect'), false)
  })

  test('closing rejects everything', async () => {
    const { exchanges, native, send } = setUp()
    const all = [send(CollectCall), send(StreamCall)]
    exchanges.failAll(new Error('closed'))
    for (const { promise } of all) await assert.rejects(promise, /closed/)
    assert.deepEqual([exchanges.size, native.alive], [0, false])
  })
})

describe('request bodies', () => {
  const post = (body) => new Request({ method: 'POST', url: '/', body })
  const joined = (native) => Buffer.concat(native.pushed.map(([chunk]) => chunk ?? Buffer.alloc(0)))

  test('an iterable is pulled only while there is room', async () => {
    const { native, send } = setUp()
    let given = 0
    async function* source() {
      for (; given < 5; given += 1) yield `chunk ${given}`
    }
    native.room = false
    const { deliver } = send(CollectCall, { request: post(source()) })
    await turn()
    assert.equal(native.pushed.length, 1)
    deliver(EVENT.RESUME)
    await turn()
    assert.equal(native.pushed.length, 2)
    native.room = true
    deliver(EVENT.RESUME)
    await turn()
    assert.equal(String(joined(native)), 'chunk 0chunk 1chunk 2chunk 3chunk 4')
    assert.deepEqual(native.pushed.at(-1), [null, true])
  })

  test('a source is given up when the response is over', async () => {
    const { native, send } = setUp()
    let cancelled = 0
    const stream = new ReadableStream({ pull: () => new Promise(() => {}), cancel: () => void (cancelled += 1) })
    const web = send(CollectCall, { request: post(stream) })
    async function* endless() {
      try {
        for (;;) yield 'x'
      } finally {
        cancelled += 1
      }
    }
    native.room = false
    const iterated = send(CollectCall, { request: post(endless()) })
    await turn()
    web.deliver(EVENT.COMPLETE, 200)
    iterated.deliver(EVENT.FAILED, 0, failure)
    await assert.rejects(iterated.promise, { code: 'APP_ERROR' })
    await turn()
    assert.equal(cancelled, 2)
  })

  test('a source that fails, or yields what is no chunk, fails the request', async () => {
    const { native, send } = setUp()
    const reason = new Error('the disk is gone')
    async function* failing() {
      yield 'some'
      throw reason
    }
    const one = send(CollectCall, { request: post(failing()) })
    await assert.rejects(one.promise, (error) => error === reason)
    assert.deepEqual(native.calls.at(-1), ['disconnect', one.id])
    async function* numbers() {
      yield 7
    }
    await assert.rejects(send(StreamCall, { request: post(numbers()) }).promise, TypeError)
  })

  test('a large buffer follows in slices, the last of which says so', async () => {
    const { native, send } = setUp()
    const body = Buffer.alloc((3 << 20) + 5, 'abc')
    native.room = false
    const { deliver } = send(CollectCall, { request: post(body) })
    assert.equal(native.pushed.length, 1)
    native.room = true
    deliver(EVENT.RESUME)
    assert.ok(joined(native).equals(body))
    assert.deepEqual(native.pushed.map(([, last]) => last).indexOf(true), native.pushed.length - 1)
  })

  test('write() waits for room, end() ends', async () => {
    const { native, send } = setUp()
    const request = new Request({ method: 'POST', url: '/' })
    const { deliver } = send(StreamCall, { request })
    assert.equal(await request.write('a'), true)
    native.room = false
    assert.equal(await request.write('b'), true)
    let room = false
    const waiting = request.write('c').then((taken) => (room = taken))
    await turn()
    assert.deepEqual([room, native.pushed.length], [false, 2])
    native.room = true
    deliver(EVENT.RESUME)
    await waiting
    assert.equal(room, true)
    await request.end()
    assert.equal(String(joined(native)), 'abc')
    assert.deepEqual(native.pushed.at(-1), [null, true])
  })

  test('write() never waits for its own caller', async () => {
    const { native, send } = setUp()
    const request = new Request({ method: 'POST', url: '/' })
    const { deliver } = send(StreamCall, { request })
    native.room = false
    await request.write('a')
    const waiting = request.write('b')
    deliver(EVENT.START, 200, '', 'x'.repeat(100))
    assert.equal(await waiting, true, 'released when the response stalls')
    assert.equal(await request.write('c'), true, 'at once while it is stalled')
  })

  test('write() after the end of the response is false', async () => {
    const { native, send } = setUp()
    const request = new Request({ method: 'POST', url: '/' })
    const { deliver } = send(StreamCall, { request })
    native.room = false
    await request.write('a')
    const waiting = request.write('b')
    deliver(EVENT.COMPLETE, 200)
    assert.equal(await waiting, false)
    assert.equal(await request.write('c'), false)
    await request.end()
    await assert.rejects(request.write('d'), { code: 'INVALID_REQUEST' })
  })
})

test('isDelivering says so to code that an event runs', () => {
  const { exchanges, send } = setUp()
  const { call, deliver } = send(CollectCall)
  let seen
  call.onComplete = () => (seen = isDelivering())
  deliver(EVENT.COMPLETE, 200)
  assert.deepEqual([seen, isDelivering(), exchanges.size], [true, false, 0])
})
