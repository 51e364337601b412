// asgi-node as it was installed, with the application in processes of its own: workers.node and the bridge module, which no other
// program here loads. The same as smoke.mjs, then a worker that dies, `reload()`, and workers that are gone at the end.

import assert from 'node:assert/strict'
import { PythonHandler } from 'asgi-node'
import { everyKind, libraries, serve } from './support.mjs'

const python = new PythonHandler({ app: 'app:app', workers: 2 })
await python.ready()
const served = await serve(python)
await everyKind(python, served)
assert.equal(PythonHandler.python, null)
const pids = () => (python.health().workers ?? []).map(({ pid }) => pid)
/** @type {Set<number | null>} */
const seen = new Set(pids())
assert.ok(seen.has(await served.ask('/pid')) && !seen.has(process.pid))
console.log(JSON.stringify({ ...(await libraries(served)), workers: seen.size }))

/** Waits until there are two that were not seen before. @param {number} fresh */
async function replaced(fresh) {
  const end = Date.now() + 60_000
  const there = () => (python.health().workers ?? []).filter(({ state }) => state === 'ready')
  while (there().length < 2 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(there().filter(({ pid }) => !seen.has(pid)).length, fresh)
  for (const pid of pids()) seen.add(pid)
}

await assert.rejects(python.handleRequest({ url: '/die' }), { code: 'WORKER_DIED', message: /exit/ })
await replaced(1)
assert.equal(await served.ask('/hello'), 'hello')
console.log('a worker that died')

await python.reload()
await replaced(2)
assert.equal(await served.ask('/hello'), 'hello')
console.log('reload')

await served.close()
await python.close()
for (const pid of seen) assert.throws(() => process.kill(Number(pid), 0), { code: 'ESRCH' })
console.log('no worker left')
