// Node's event loop is never blocked by Python, whatever the app does with its thread or with the GIL.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { call, makeHandler, text } from './support.mjs'

const limit = 20
const interval = 5

/** The longest delay of a timer while `work` goes on, in milliseconds beyond its interval. */
async function longestDelay(work) {
  let worst = 0
  let ticks = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    worst = Math.max(worst, now - last - interval)
    last = now
    ticks += 1
  }, interval)
  const result = await work()
  clearInterval(timer)
  return { worst, ticks, result }
}

describe('the delay of a JavaScript timer', { timeout: 40_000 }, () => {
  const handler = makeHandler({ after }, 'slow_app:app')
  const ways = {
    sleep: ['time.sleep, which blocks the thread of the app', 2],
    spin: ['byte code in an endless loop', 1],
    hold: ['a C function that keeps the GIL', 1],
  }

  for (const [path, [what, seconds]] of Object.entries(ways)) {
    test(`stays under ${limit} ms during ${what}`, async (t) => {
      await call(handler)
      const idle = await longestDelay(() => sleep(500))
      const busy = await longestDelay(() => call(handler, `/${path}?seconds=${seconds}&number=1`))
      t.diagnostic(`longest delay: idle ${idle.worst.toFixed(1)} ms, busy ${busy.worst.toFixed(1)} ms`)
      assert.equal(text(busy.result), '1')
      assert.ok(busy.ticks > (seconds * 1000) / (interval + limit), `${busy.ticks} ticks in ${seconds} s`)
      assert.ok(busy.worst < limit, `${busy.worst} ms (idle: ${idle.worst} ms)`)
    })
  }

  test('calling in is quick while the GIL is held: submitting takes no lock of Python', async (t) => {
    await call(handler)
    const held = call(handler, '/hold?seconds=0.5')
    await sleep(50)
    const begun = performance.now()
    const pending = Array.from({ length: 100 }, (_, number) => call(handler, `/?number=${number}`))
    const took = performance.now() - begun
    t.diagnostic(`100 requests submitted in ${took.toFixed(2)} ms`)
    assert.ok(took < limit, `${took} ms`)
    await held
    const bodies = (await Promise.all(pending)).map(text)
    assert.deepEqual(bodies, Array.from({ length: 100 }, (_, number) => String(number)))
  })
})
