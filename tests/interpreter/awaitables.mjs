// `receive` and `send` in the hands of asyncio (asgi_10 to asgi_12, asgi_42, asgi_45). A process has one loop, so each
// kind of loop runs these tests in a file of its own.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Request } from 'asgi-node'
import { call, callJson, collect, makeHandler, text, until } from '../node/support.mjs'

/**
 * @param {'asyncio' | 'uvloop'} loop
 */
export function testAwaitables(loop) {
  describe(`receive and send, loop: ${loop}`, { timeout: 20_000 }, () => {
    const handler = makeHandler({ after }, 'tasks_app:app', { loop })

    test('this is the loop that was asked for', async (t) => {
      const { loop: running } = await callJson(makeHandler(t, 'facts_app:app', { loop }), '/threads')
      assert.equal(running, loop)
    })

    test('create_task, ensure_future and wait take receive() (asgi_11)', async () => {
      const answer = await callJson(handler, '/create-task', { method: 'POST', body: 'hi' })
      assert.deepEqual(answer, { body: 'hi', more: false, done: 0, pending: 1 })
    })

    for (const path of ['/wait-for', '/cancel']) {
      test(`${path}: receive() is cancelled again and again, and no byte is lost (asgi_11)`, async (t) => {
        const request = new Request({ method: 'POST', url: path })
        const response = await handler.handleStream(request)
        assert.equal((await response.next()).toString(), 'ready\n')
        let expected = ''
        for (let number = 0; number < 60; number += 1) {
          const part = `${number},`
          expected += part
          await request.write(part)
          // Sometimes in the gaps between two receives, sometimes several at once.
          if (number % 3 === 0) await sleep(number % 4)
        }
        await request.end()
        const [body, interruptions] = (await collect(response)).toString().split('\n')
        t.diagnostic(`${interruptions} interruptions`)
        assert.equal(body, expected)
        assert.ok(Number(interruptions) > 5, `${interruptions} interruptions`)
      })
    }

    test('concurrent sends succeed in order (asgi_10)', async () => {
      const expected = Array.from({ length: 200 }, (_, number) => `${number} `).join('')
      assert.equal(text(await call(handler, '/gather')), expected)
    })

    test('the app runs in one real task, before and after it waits (asgi_12)', async () => {
      assert.deepEqual(await callJson(handler, '/current-task'), { task: true, kept: true })
    })

    test('asyncio.timeout ends a receive that would wait for ever', async () => {
      assert.deepEqual(await callJson(handler, '/timeout'), { outcome: 'timed out' })
    })

    test('task groups receive and send, and cancel their tasks', async () => {
      const response = await call(handler, '/task-group', { method: 'POST', body: 'grouped' })
      assert.equal(text(response), "grouped True ['TimeoutError']")
    })

    test('receive() blocks after the body and says disconnect after the response (asgi_42, asgi_44, asgi_45)', async () => {
      const { length } = await callJson(handler, '/seen')
      assert.deepEqual(await callJson(handler, '/late'), { blocked: true })
      const seen = await until(async () => {
        const all = await callJson(handler, '/seen')
        return all.length > length && all
      }, 'the disconnect')
      assert.deepEqual(seen.at(-1), ['http.disconnect', 'http.disconnect'])
    })

    test('a body that nobody reads does no harm', async () => {
      const init = { method: 'POST', body: Buffer.alloc(1_000_000) }
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, number) => callJson(handler, `/unread?number=${number}`, init)),
      )
      assert.deepEqual(answers.map(({ unread }) => Number(unread)), Array.from({ length: 20 }, (_, number) => number))
    })
  })
}
