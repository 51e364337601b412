// Many things at once: requests, handlers, apps, sizes, durations. Every response belongs to its request.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Request } from 'asgi-node'
import { allHoldings, assertReturnsTo, bytes, call, callJson, collect, holdings, makeHandler, sha256, text } from './support.mjs'

const limits = { timeout: 30_000 }

/** A small generator of repeatable "random" numbers below `bound`. */
function generator(seed) {
  let state = seed
  return (bound) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >>> 8) % bound
  }
}

describe('one handler', limits, () => {
  test('1,000 requests at once: every response belongs to its request', async (t) => {
    const handler = makeHandler(t, 'echo_app:app')
    const numbers = Array.from({ length: 1000 }, (_, index) => index)
    const echoes = await Promise.all(
      numbers.map((number) =>
        callJson(handler, `/${number}?${number}`, {
          method: 'POST',
          headers: { 'x-number': String(number) },
          body: `body ${number}`,
        }),
      ),
    )
    for (const number of numbers) {
      const { path, query_string: query, headers, body } = echoes[number]
      const header = headers.find(([name]) => name === 'x-number')?.[1]
      assert.deepEqual([path, query, header, body], [`/${number}`, `${number}`, `${number}`, `body ${number}`])
    }
  })

  test('1,000 requests that all wait: the slow ones do not hold the quick ones', async (t) => {
    const handler = makeHandler(t, 'slow_app:app')
    await handler.ready()
    const begun = performance.now()
    const order = []
    const bodies = await Promise.all(
      Array.from({ length: 1000 }, async (_, number) => {
        const seconds = number % 2 === 0 ? 1 : 0
        const body = text(await call(handler, `/await?seconds=${seconds}&number=${number}`))
        order.push(number)
        return body
      }),
    )
    assert.deepEqual(bodies, Array.from({ length: 1000 }, (_, number) => String(number)))
    const lastQuick = order.findLastIndex((number) => number % 2 === 1)
    const firstSlow = order.findIndex((number) => number % 2 === 0)
    assert.ok(lastQuick < firstSlow, 'a quick request ended after a slow one')
    assert.ok(performance.now() - begun < 10_000, 'they waited one after the other')
  })

  // The loop handles 256 messages, then lets its other callbacks run (BATCH of event_loop/drain.rs). What is sent while the last ones
  // of a full batch wait had its wake-up taken with theirs.
  for (const count of [511, 512]) {
    test(`a request that comes between two batches is not forgotten, with ${count} that wait`, async (t) => {
      const handler = makeHandler(t, 'blocking_app:app', { blockedThreshold: 0 })
      await handler.ready()
      const blocked = call(handler, '/sleep?seconds=0.3')
      await sleep(100)
      const waiting = Array.from({ length: count }, (_, i) => call(handler, i === 0 ? '/answer-first?seconds=0.2' : '/'))
      const late = waiting[0].then(() => call(handler, '/'))
      const bodies = await Promise.all([blocked, ...waiting, late].map(async (answer) => text(await answer)))
      assert.deepEqual(new Set(bodies), new Set(['done']))
    })
  }

  test('every request has a context of its own (asgi_14)', async (t) => {
    const handler = makeHandler(t, 'context_app:app')
    const seen = await Promise.all(
      Array.from({ length: 200 }, (_, number) => callJson(handler, `/?number=${number}`)),
    )
    seen.forEach(({ before, after: afterwards }, number) => {
      assert.deepEqual([before, afterwards], ['unset', String(number)])
    })
  })

  test('no thread is held per request', async (t) => {
    const handler = makeHandler(t, 'slow_app:app')
    await call(handler)
    const { threads } = holdings()
    const pending = Array.from({ length: 500 }, () => call(handler, '/await?seconds=0.3'))
    await call(handler)
    assert.ok(holdings().threads <= threads + 1, `${threads} threads before, ${holdings().threads} with 500 requests`)
    await Promise.all(pending)
  })

  test('above maxConcurrency a request is refused at once with OVERLOADED; the others go on', async (t) => {
    const handler = makeHandler(t, 'slow_app:app', { maxConcurrency: 3 })
    await handler.ready()
    const pending = [0, 1, 2].map((number) => call(handler, `/await?seconds=0.1&number=${number}`))
    await assert.rejects(call(handler), { name: 'PythonError', code: 'OVERLOADED', message: /3/ })
    assert.deepEqual((await Promise.all(pending)).map(text), ['0', '1', '2'])
    assert.equal(text(await call(handler, '/?number=4')), '4')
  })

  test('failures among successes stay with their own request', async (t) => {
    const handler = makeHandler(t, 'error_app:app')
    const outcomes = await Promise.allSettled(
      Array.from({ length: 300 }, (_, number) => call(handler, ['/', '/error', '/mid-body', '/nothing'][number % 4])),
    )
    outcomes.forEach((outcome, number) => {
      const expected = ['first last', 'APP_ERROR', 'APP_ERROR', 'APP_NO_RESPONSE'][number % 4]
      assert.equal(outcome.status === 'fulfilled' ? text(outcome.value) : outcome.reason.code, expected)
    })
  })
})

describe('many handlers', limits, () => {
  test('two on one app, and others on other apps, run side by side', async (t) => {
    const handlers = ['main:app', 'main:app', 'pid_app:app', 'shop.site:sites.main', 'echo_app:app'].map((app) =>
      makeHandler(t, app),
    )
    const bodies = await Promise.all(
      Array.from({ length: 100 }, async (_, number) => text(await call(handlers[number % handlers.length]))),
    )
    bodies.forEach((body, number) => {
      const expected = [/^Hello, world!$/, /^Hello, world!$/, /"pid"/, /^Hello from the shop$/, /"raw_path"/]
      assert.match(body, expected[number % handlers.length])
    })
  })

  test('many short-lived handlers leave nothing behind', async (t) => {
    const watcher = makeHandler(t, 'facts_app:app')
    const churn = async (count) => {
      for (let round = 0; round < count; round += 1) {
        const scope = { closing: [], after: (close) => scope.closing.push(close) }
        const group = Array.from({ length: 5 }, () => makeHandler(scope, 'main:app'))
        await Promise.all(group.map((handler) => call(handler)))
        await Promise.all(scope.closing.map((close) => close()))
      }
    }
    await churn(2)
    const before = await allHoldings(watcher)
    await churn(20)
    await assertReturnsTo(before, { watcher })
  })

  test('mixed apps, durations and sizes, buffered and streamed, all at once', async (t) => {
    const echo = makeHandler(t, 'echo_app:app')
    const slow = makeHandler(t, 'slow_app:app')
    const stream = makeHandler(t, 'stream_app:app')
    const digest = makeHandler(t, 'digest_app:app')
    const random = generator(42)
    const kinds = [
      async (number) => {
        const body = bytes(random(2000), number + 1)
        const echoed = await callJson(echo, `/${number}`, { method: 'PUT', body })
        assert.deepEqual([echoed.path, echoed.base64], [`/${number}`, body.toString('base64')])
      },
      async (number) => {
        const ways = ['await', 'await', 'thread', 'spin']
        const url = `/${ways[random(4)]}?seconds=${random(10) / 1000}&number=${number}`
        assert.equal(text(await call(slow, url)), String(number))
      },
      async () => {
        const count = random(50)
        const response = await stream.handleStream(new Request({ url: `/?count=${count}&delay=0.001` }))
        const body = (await collect(response)).toString()
        assert.equal(body, Array.from({ length: count }, (_, index) => `Chunk ${index + 1}\n`).join(''))
      },
      async (number) => {
        const body = bytes(random(300_000), number + 1)
        const request = new Request({ method: 'POST', url: '/mirror' })
        const pending = digest.handleStream(request)
        const middle = random(body.length + 1)
        request.write(body.subarray(0, middle))
        request.end(body.subarray(middle))
        assert.equal(sha256(await collect(await pending)), sha256(body))
      },
      async () => {
        const count = random(500_000)
        const response = await call(digest, `/bytes?count=${count}`)
        assert.deepEqual([response.body?.length ?? 0, response.headers.get('x-sha256')], [count, sha256(response.body ?? '')])
      },
    ]
    await Promise.all(Array.from({ length: 300 }, (_, number) => kinds[number % kinds.length](number)))
  })

  test('waves of requests do not make the process grow', async (t) => {
    const handler = makeHandler(t, 'echo_app:app')
    const watcher = makeHandler(t, 'facts_app:app')
    const wave = () => Promise.all(Array.from({ length: 500 }, (_, number) => call(handler, `/${number}`)))
    await wave()
    const before = await allHoldings(watcher)
    for (let round = 0; round < 10; round += 1) await wave()
    await assertReturnsTo(before, { watcher })
  })
})
