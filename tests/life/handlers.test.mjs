// Handlers that come and go: a process that makes them again and again holds no more than one that made them once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PythonHandler } from 'asgi-node'
import { allHoldings, apps, assertReturnsTo, makeHandler, repeats, residentMiB } from '../node/support.mjs'

const TIMES = repeats(50, 200)

test(`a FastAPI handler, made and closed ${TIMES} times, leaves no thread, descriptor or task, and less than a megabyte each`, { timeout: 110_000 }, async (t) => {
  const watcher = makeHandler(t, 'facts_app:app')
  const one = async () => {
    const handler = new PythonHandler({ app: 'fastapi_app:app', docroot: apps })
    // A `def` endpoint: AnyIO's threads, too.
    assert.equal((await handler.handleRequest({ url: '/sync' })).status, 200)
    await handler.close()
  }
  for (let i = 0; i < 10; i += 1) await one()
  const before = await allHoldings(watcher)
  const memory = residentMiB()
  for (let i = 0; i < TIMES; i += 1) await one()
  const each = (residentMiB() - memory) / TIMES
  t.diagnostic(`${(each * 1024).toFixed(1)} KiB each`)
  assert.ok(each < 1, `${each} MiB each`)
  await assertReturnsTo(before, { watcher })
})
