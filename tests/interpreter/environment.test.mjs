// What process.env says before the start is what Python sees, in os.environ and in C.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runNode } from '../node/support.mjs'

test('changes to process.env before the start are seen, removals too', { timeout: 20_000 }, async () => {
  const outcome = await runNode(
    `process.env.ASGI_NODE_ADDED = 'päth'
    delete process.env.ASGI_NODE_REMOVED
    // Enough to make libc move its list of variables.
    for (let i = 0; i < 500; i++) process.env['ASGI_NODE_' + i] = String(i)
    const handler = new PythonHandler({ app: 'facts_app:app', docroot: apps })
    const response = await handler.handleRequest(new Request({ url: '/environment' }))
    for (let i = 0; i < 500; i++) delete process.env['ASGI_NODE_' + i]
    const again = await handler.handleRequest(new Request({ url: '/environment' }))
    console.log(JSON.stringify([JSON.parse(response.body), response.body.equals(again.body)]))
    await handler.close()`,
    { env: { ASGI_NODE_REMOVED: 'x', ASGI_NODE_KEPT: 'kept' } },
  )
  assert.equal(outcome.code, 0, outcome.stderr)
  const [seen, same] = outcome.result
  assert.equal(seen.ASGI_NODE_ADDED, 'päth')
  assert.equal(seen.ASGI_NODE_KEPT, 'kept')
  assert.equal(seen.ASGI_NODE_499, '499')
  assert.ok(!('ASGI_NODE_REMOVED' in seen))
  assert.ok(same, 'os.environ is taken once')
})
