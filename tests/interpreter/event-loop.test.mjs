// Node's event loop is never blocked by Python, whatever the app does with its thread or with the GIL.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { call, makeHandler, run, text } from '../node/support.mjs'

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
  const result = await work().finally(() => clearInterval(timer))
  return { worst, ticks, result }
}

/**
 * Measures again while the result is over its limit: what else runs on the machine can only add to a delay, so one attempt
 * that stays under it shows what the bridge costs. If Python held this thread up, every attempt would be over.
 * @param {() => Promise<{ over: number, seen: string }>} measure `over`: by how many milliseconds
 */
async function assertUnder(measure, attempts = 6) {
  const all = []
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const { over, seen } = await measure()
    if (over < 0) return
    all.push(seen)
  }
  assert.fail(`over the limit every time: ${all.join('; ')}`)
}

describe('the delay of a JavaScript timer', { timeout: 60_000 }, () => {
  const handler = makeHandler({ after }, 'slow_app:app')
  test(`stays under ${limit} ms while an app runs time.sleep(2)`, async (t) => {
    await call(handler)
    await assertUnder(async () => {
      const idle = await longestDelay(() => sleep(500))
      const busy = await longestDelay(() => call(handler, '/sleep?seconds=2&number=1'))
      const seen = `longest delay: idle ${idle.worst.toFixed(1)} ms, busy ${busy.worst.toFixed(1)} ms`
      t.diagnostic(seen)
      assert.equal(text(busy.result), '1')
      // Too few of them: held up at the end, where no tick has told.
      return { over: busy.ticks > 2000 / (interval + limit) ? busy.worst - limit : 2000, seen }
    })
  })

  // These two keep a core busy, so the measure is another process that does: what it costs to share the machine is not
  // the bridge's doing. A thread that had to wait for the GIL would be late by the quarter of a second that /hold keeps it.
  const hungry = { spin: 'byte code in an endless loop', hold: 'C functions that keep the GIL' }
  for (const [path, what] of Object.entries(hungry)) {
    test(`is that of any busy machine while an app runs ${what}`, async (t) => {
      await call(handler)
      const burn = 'const end = Date.now() + 1000; while (Date.now() < end);'
      await assertUnder(async () => {
        const control = await longestDelay(() => run(process.execPath, ['--eval', burn]))
        const busy = await longestDelay(() => call(handler, `/${path}?seconds=1&number=1`))
        const seen = `longest delay: control ${control.worst.toFixed(1)} ms, busy ${busy.worst.toFixed(1)} ms`
        t.diagnostic(seen)
        assert.equal(text(busy.result), '1')
        return { over: busy.worst - control.worst - limit, seen }
      })
    })
  }

  test('calling in is quick while the GIL is held: submitting takes no lock of Python', async (t) => {
    await call(handler)
    await assertUnder(async () => {
      const held = call(handler, '/hold?seconds=0.5')
      await sleep(50)
      const begun = performance.now()
      const pending = Array.from({ length: 100 }, (_, number) => call(handler, `/?number=${number}`))
      const took = performance.now() - begun
      const seen = `100 requests submitted in ${took.toFixed(2)} ms`
      t.diagnostic(seen)
      await held
      const bodies = (await Promise.all(pending)).map(text)
      assert.deepEqual(bodies, Array.from({ length: 100 }, (_, number) => String(number)))
      return { over: took - limit, seen }
    })
  })
})
