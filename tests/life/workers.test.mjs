// Workers that are terminated in the middle of their requests: `make workers` does it a thousand times.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { terminations } from './terminations.mjs'

test('eight workers are terminated with 20 requests in flight: no crash, and every request is told', { timeout: 300_000 }, async (t) => {
  const { code, signal, stderr, result } = await terminations(8)
  assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
  t.diagnostic(JSON.stringify(result))
  assert.equal(result.terminated, 8)
  assert.equal(result.begun, result.ended)
  assert.ok(result.told > 0, JSON.stringify(result))
})
