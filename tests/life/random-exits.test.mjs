// Processes that end at random moments: `make exits` does it 500 times.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exits } from './exits.mjs'

test('fourteen processes end at random moments under load, as they should', { timeout: 300_000 }, async (t) => {
  const outcomes = await exits(14)
  t.diagnostic(outcomes.map(({ milliseconds }) => milliseconds ?? '').join(' '))
  assert.deepEqual(outcomes.filter(({ right }) => !right), [])
})
