// Very many processes of both sides at once, by each way in which Python starts them: every exit is seen by its owner.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, test } from 'node:test'
import { callJson, makeHandler, repeats } from '../node/support.mjs'

const MANY = repeats(40, 200)
const AT_ONCE = 20

/** The exit codes of children of Node's, in order. */
async function children(count) {
  const codes = []
  const one = (code) =>
    new Promise((resolve, reject) => {
      spawn('/bin/sh', ['-c', `exit ${code % 256}`]).on('exit', (exit, signal) => resolve(exit ?? signal)).on('error', reject)
    })
  while (codes.length < count) {
    codes.push(...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - codes.length) }, (_, i) => one(codes.length + i)))))
  }
  return codes
}

const expected = (count) => Array.from({ length: count }, (_, code) => code % 256)

describe(`${MANY} children of Node's, and of Python's`, { timeout: 300_000 }, () => {
  for (const loop of ['uvloop', 'asyncio']) {
    test(`asyncio's subprocesses on ${loop}`, async (t) => {
      const handler = makeHandler(t, 'children_app:app', { loop })
      const [own, ...parts] = await Promise.all([
        children(MANY),
        ...Array.from({ length: MANY / AT_ONCE }, () => callJson(handler, `/children?count=${AT_ONCE}`)),
      ])
      assert.deepEqual(own, expected(MANY))
      for (const part of parts) assert.deepEqual(part, expected(AT_ONCE))
    })
  }
  for (const method of ['fork', 'forkserver', 'spawn']) {
    test(`multiprocessing by ${method}`, async (t) => {
      const handler = makeHandler(t, 'children_app:app')
      const [own, python] = await Promise.all([children(MANY), callJson(handler, `/forked?method=${method}&count=${MANY}`)])
      assert.deepEqual(own, expected(MANY))
      assert.deepEqual(python, expected(MANY))
    })
  }
})
