// Responses that nobody reads: their application must not wait for ever. Runs with a garbage collector that can be called.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runNode } from '../node/support.mjs'

const limits = { timeout: 60_000 }

/** Has `open(handler)` get a large response of which it keeps nothing, ten times; gives how many go on a while later. */
async function abandoned(open) {
  const outcome = await runNode(`
    import { setFlagsFromString } from 'node:v8'
    import { runInNewContext } from 'node:vm'
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc')
    const handler = new PythonHandler({ app: 'stream_app:app', docroot: apps })
    const path = '/?count=100000'
    const open = ${open}
    await handler.ready()
    for (let i = 0; i < 10; i++) await open(handler, path)
    const before = handler.health().requestsTotal
    const end = Date.now() + 20_000
    while (handler.health().inFlight > 0 && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      gc()
    }
    console.log(JSON.stringify({ before, after: handler.health().inFlight, errors: handler.health().errorsTotal }))
    await handler.close({ timeout: 0 })`)
  assert.equal(outcome.code, 0, outcome.stderr)
  return outcome.result
}

const released = { before: 10, after: 0, errors: 0 }

test('field_16 handleStream, of which only the status is read', limits, async () => {
  assert.deepEqual(await abandoned(`async (handler, url) => (await handler.handleStream({ url })).status`), released)
})

test('field_16 handleStream, read once', limits, async () => {
  const open = `async (handler, url) => void (await (await handler.handleStream({ url })).next())`
  assert.deepEqual(await abandoned(open), released)
})

test('field_16 fetch, of which only the status is read', limits, async () => {
  const open = `async (handler, path) => (await handler.fetch(new globalThis.Request('http://h' + path))).status`
  assert.deepEqual(await abandoned(open), released)
})

test('field_16 fetch, whose body was looked at', limits, async () => {
  const open = `async (handler, path) => {
    const { body } = await handler.fetch(new globalThis.Request('http://h' + path))
    const reader = body.getReader()
    await reader.read()
  }`
  assert.deepEqual(await abandoned(open), released)
})

test('field_16 what is still held is not ended', limits, async () => {
  const outcome = await runNode(`
    import { setFlagsFromString } from 'node:v8'
    import { runInNewContext } from 'node:vm'
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc')
    const handler = new PythonHandler({ app: 'stream_app:app', docroot: apps })
    const iterator = (await handler.handleStream({ url: '/?count=20000' }))[Symbol.asyncIterator]()
    const body = (await handler.fetch(new globalThis.Request('http://h/?count=20000'))).body
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      gc()
    }
    let bytes = 0
    for await (const chunk of iterator) bytes += chunk.length
    let others = 0
    for await (const chunk of body) others += chunk.length
    console.log(JSON.stringify([bytes, others]))
    await handler.close()`)
  assert.equal(outcome.stderr, '')
  const whole = Array.from({ length: 20_000 }, (_, i) => `Chunk ${i + 1}\n`.length).reduce((a, b) => a + b)
  assert.deepEqual(outcome.result, [whole, whole])
})
