// A short storm; `make kills` has the long one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repeats } from '../node/support.mjs'
import { storm } from './storm.mjs'

test('workers that are killed at random moments cost only what they had begun', async () => {
  const kills = repeats(8, 200)
  const { kills: done, answered } = await storm(kills)
  assert.ok(done >= kills)
  assert.ok(answered > 0)
})
