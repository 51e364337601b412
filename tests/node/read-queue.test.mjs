// What waits for a reader: pieces of a body, or messages.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReadQueue } from '../../npm/asgi-node/lib/call/read-queue.js'

/** A queue of strings with a mark of 10. `drains` counts how often its exchange may go on. */
function makeQueue() {
  const exchange = { stalled: false, drains: 0, drained: () => void (exchange.drains += 1) }
  return { exchange, queue: new ReadQueue(exchange, 10, (text) => text.length) }
}

test('above the high-water mark it says so, and at half of it the exchange goes on', async () => {
  const { exchange, queue } = makeQueue()
  assert.deepEqual([queue.push('12345'), queue.push('12345'), queue.push('1')], [undefined, undefined, false])
  exchange.stalled = true
  assert.deepEqual([await queue.next(), exchange.drains], ['12345', 0])
  assert.deepEqual([await queue.next(), exchange.drains], ['12345', 1])
  assert.deepEqual([await queue.next()], ['1'])
})

test('a reader that waits gets the next item, which then does not count', async () => {
  const { queue } = makeQueue()
  const reads = [queue.next(), queue.next()]
  assert.equal(queue.push('x'.repeat(50)), undefined)
  queue.end()
  assert.deepEqual(await Promise.all(reads), ['x'.repeat(50), null])
  assert.equal(await queue.next(), null)
})

test('what came before a failure can be read', async () => {
  const { queue } = makeQueue()
  const reason = new Error('over')
  queue.push('first')
  queue.fail(reason)
  assert.deepEqual([queue.hasFailed, await queue.next()], [true, 'first'])
  await assert.rejects(queue.next(), reason)
})

test('what is forgotten no longer counts', async () => {
  const { queue } = makeQueue()
  assert.equal(queue.push('x'.repeat(11)), false)
  queue.clear()
  assert.equal(queue.push('x'.repeat(10)), undefined)
  queue.end()
  assert.deepEqual([await queue.next(), await queue.next()], ['x'.repeat(10), null])
})
