// Processes that are forked from this one by Python, beside Node's own children.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { callJson, makeHandler, runNodeCleanly } from '../node/support.mjs'

const limits = { timeout: 300_000 }

for (const loop of ['asyncio', 'uvloop']) {
  describe(`os.fork in a request, on ${loop}`, limits, () => {
    const handler = makeHandler({ after }, 'life_app:app', { loop })
    const KINDS = {
      receive: { code: 1, said: 'this process was forked from the one that serves: receive and send work only there' },
      send: { code: 1, said: 'this process was forked from the one that serves: receive and send work only there' },
      await: { code: 0, said: 'awaits' },
      exit: { code: 7, said: '' },
      return: { code: 0, said: '' },
    }
    for (const [kind, expected] of Object.entries(KINDS)) {
      test(`the child ends: ${kind}`, async () => {
        for (let round = 0; round < 3; round += 1) assert.deepEqual(await callJson(handler, `/fork?kind=${kind}`), expected)
      })
    }
  })
}

test("a signal for a forked child is not taken for the parent's", limits, async () => {
  const result = await runNodeCleanly(
    `let signals = 0
    process.on('SIGTERM', () => (signals += 1))
    const handler = new PythonHandler({ app: 'children_app:app', docroot: apps })
    const codes = JSON.parse((await handler.handleRequest({ url: '/terminated' })).body.toString())
    await new Promise((resolve) => setTimeout(resolve, 100))
    console.log(JSON.stringify({ codes, signals }))
    await handler.close()`,
    { env: { PYTHONWARNINGS: 'ignore::DeprecationWarning' } },
  )
  assert.deepEqual(result, { codes: [-15, -15, -15], signals: 0 })
})
