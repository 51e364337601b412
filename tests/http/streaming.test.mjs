// handleStream: parts as they come, bodies written before and after, back-pressure both ways, failures in the middle.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { Request } from 'asgi-node'
import { bytes, call, callJson, collect, makeHandler, residentMiB, sha256, text, until } from '../node/support.mjs'

const limits = { timeout: 40_000 }
const file = { after }
const MiB = 1024 * 1024

describe('a response in parts', limits, () => {
  const handler = makeHandler(file, 'stream_app:app')
  const open = (url, init) => handler.handleStream(new Request({ url, ...init }))

  test('the promise resolves at http.response.start, long before the body ends', async () => {
    await handler.ready()
    const begun = performance.now()
    const response = await open('/?count=10&delay=0.03')
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-type'), 'text/plain')
    const opened = performance.now() - begun
    const body = await collect(response)
    const ended = performance.now() - begun
    assert.equal(body.toString(), Array.from({ length: 10 }, (_, index) => `Chunk ${index + 1}\n`).join(''))
    assert.ok(opened < ended / 2, `opened after ${opened} ms, ended after ${ended} ms`)
  })

  test('each chunk arrives before the next one is made (asgi_54)', async () => {
    const times = []
    for await (const chunk of await open('/?count=5&delay=0.05')) {
      assert.ok(Buffer.isBuffer(chunk))
      times.push(performance.now())
    }
    assert.equal(times.length, 5)
    assert.ok(times[4] - times[0] > 120, `spread over ${times[4] - times[0]} ms`)
  })

  test('next() gives one chunk at a time, then null for ever', async () => {
    const response = await open('/?count=3&newlines=false&delay=0.01')
    let body = ''
    for (let chunk = await response.next(); chunk !== null; chunk = await response.next()) body += chunk
    assert.equal(body, 'Chunk 1Chunk 2Chunk 3')
    assert.equal(await response.next(), null)
    assert.equal(await response.next(), null)
  })

  test('an empty body has no chunks', async () => {
    const response = await open('/empty')
    assert.equal(response.status, 200)
    assert.equal((await collect(response)).length, 0)
  })

  test('thousands of small chunks keep their order', async () => {
    const body = (await collect(await open('/?count=5000'))).toString()
    assert.equal(body, Array.from({ length: 5000 }, (_, index) => `Chunk ${index + 1}\n`).join(''))
  })

  test('handleRequest gathers the same chunks into one body', async () => {
    assert.equal(text(await call(handler, '/?count=4&newlines=false')), 'Chunk 1Chunk 2Chunk 3Chunk 4')
  })
})

describe('failures in the middle', limits, () => {
  const handler = makeHandler(file, 'error_app:app')

  test('before start the promise rejects', async () => {
    await assert.rejects(handler.handleStream(new Request({ url: '/error' })), { code: 'APP_ERROR', message: /Test error/ })
  })

  test('after start what was sent arrives, then the iteration throws', async () => {
    const response = await handler.handleStream(new Request({ url: '/mid-body' }))
    assert.equal(response.status, 200)
    let body = ''
    await assert.rejects(async () => {
      for await (const chunk of response) body += chunk
    }, (error) => {
      assert.equal(error.code, 'APP_ERROR')
      assert.match(error.traceback, /Test error in the middle/)
      return true
    })
    assert.equal(body, 'first ')
  })

  test('an app that returns in the middle throws APP_NO_RESPONSE', async () => {
    const response = await handler.handleStream(new Request({ url: '/unfinished' }))
    await assert.rejects(collect(response), { code: 'APP_NO_RESPONSE' })
  })

  test('breaking out of the loop tells the app that its client has gone', async (t) => {
    const flow = makeHandler(t, 'flow_app:app')
    for await (const chunk of await flow.handleStream(new Request({ url: '/wait?id=break' }))) {
      assert.equal(chunk.toString(), 'waiting')
      break
    }
    const ended = await until(async () => (await callJson(flow, '/state?id=break')).ended, 'the disconnect')
    assert.equal(ended, 'disconnect')
  })
})

describe('a request body that is written', limits, () => {
  const handler = makeHandler(file, 'digest_app:app')
  const sizes = [1, 1000, 65_536, 65_537, MiB, 20 * MiB]

  for (const size of sizes) {
    test(`${size} bytes written before handleStream, awaited`, async () => {
      const body = bytes(size, size)
      const request = new Request({ method: 'POST', url: '/digest' })
      await request.write(body.subarray(0, size >> 1))
      await request.write(body.subarray(size >> 1))
      await request.end()
      const answer = JSON.parse(await collect(await handler.handleStream(request)))
      assert.deepEqual([answer.length, answer.sha256], [size, sha256(body)])
    })

    test(`${size} bytes written after handleStream, while the answer is awaited`, async () => {
      const body = bytes(size, size)
      const request = new Request({ method: 'POST', url: '/digest' })
      const pending = handler.handleStream(request)
      for (let at = 0; at < size; at += 100_000) await request.write(body.subarray(at, at + 100_000))
      await request.end()
      const answer = JSON.parse(await collect(await pending))
      assert.deepEqual([answer.length, answer.sha256], [size, sha256(body)])
    })

    test(`${size} bytes written before and after, nothing awaited`, async () => {
      const body = bytes(size, size)
      const request = new Request({ method: 'POST', url: '/digest' })
      request.write(body.subarray(0, size >> 1))
      const pending = handler.handleStream(request)
      request.write(body.subarray(size >> 1))
      request.end()
      const answer = JSON.parse(await collect(await pending))
      assert.deepEqual([answer.length, answer.sha256], [size, sha256(body)])
    })
  }

  test('end() takes a last chunk; strings are UTF-8', async () => {
    const request = new Request({ method: 'POST', url: '/digest' })
    const pending = handler.handleStream(request)
    request.write('grüße ')
    await turn()
    request.end('€')
    const answer = JSON.parse(await collect(await pending))
    assert.equal(answer.sha256, sha256('grüße €'))
  })

  test('writing goes on after handleRequest, once it has begun before', async () => {
    const request = new Request({ method: 'POST', url: '/digest' })
    await request.write('early, ')
    const pending = handler.handleRequest(request)
    await sleep(10)
    await request.write('late')
    await request.end()
    assert.equal(JSON.parse(text(await pending)).sha256, sha256('early, late'))
  })

  test('full duplex: each part comes back before the next one is written', async () => {
    const request = new Request({ method: 'POST', url: '/mirror' })
    const response = await handler.handleStream(request)
    for (const part of ['one', 'two', 'three']) {
      await request.write(part)
      assert.equal((await response.next()).toString(), part)
    }
    await request.end()
    assert.equal((await collect(response)).length, 0)
  })

  test('20 MiB mirrored by someone who writes everything before reading anything', async () => {
    const body = bytes(20 * MiB, 3)
    const request = new Request({ method: 'POST', url: '/mirror' })
    const pending = handler.handleStream(request)
    const written = (async () => {
      for (let at = 0; at < body.length; at += MiB) await request.write(body.subarray(at, at + MiB))
      await request.end()
    })()
    const mirrored = await collect(await pending)
    await written
    assert.equal(sha256(mirrored), sha256(body))
  })
})

describe('back-pressure', limits, () => {
  const flow = makeHandler(file, 'flow_app:app')
  const state = (id) => callJson(flow, `/state?id=${id}`)

  test('an app is not read further ahead of its consumer than the high-water mark (asgi_55)', async (t) => {
    const response = await flow.handleStream(new Request({ url: '/flood?id=flood' }))
    await response.next()
    await sleep(200)
    const { sent } = await state('flood')
    await sleep(200)
    assert.equal((await state('flood')).sent, sent, 'the app goes on although nobody reads')
    t.diagnostic(`the app was ${sent} bytes ahead`)
    assert.ok(sent <= MiB, `${sent} bytes ahead`)
    let read = 0
    for await (const chunk of response) {
      read += chunk.length
      if (read > 4 * MiB) break
    }
    assert.ok((await state('flood')).sent > 3 * MiB, 'reading goes on, so does the app')
    assert.equal(await until(async () => (await state('flood')).ended, 'the end of the flood'), 'OSError')
  })

  const ways = {
    handleRequest: async (request, options) => text(await flow.handleRequest(request, options)),
    handleStream: async (request, options) => (await collect(await flow.handleStream(request, options))).toString(),
  }
  for (const [way, send] of Object.entries(ways)) {
    test(`${way}: a source is not read further ahead of the app than the high-water mark (asgi_47)`, async (t) => {
      const total = 8 * MiB
      let given = 0
      async function* source() {
        const chunk = Buffer.alloc(32 * 1024, 'x')
        for (; given < total; given += chunk.length) yield chunk
      }
      // A test that fails must not leave a request behind which keeps this process alive.
      const controller = new AbortController()
      t.after(() => controller.abort())
      const { signal } = controller
      const pending = send(new Request({ method: 'POST', url: `/hoard?id=${way}`, body: source() }), { signal })
      pending.catch(() => {})
      await until(async () => (await state(way)).go, 'the start of the app')
      await sleep(200)
      const ahead = given
      await sleep(200)
      assert.equal(given, ahead, 'the source is read although the app does not receive')
      t.diagnostic(`the source was ${ahead} bytes ahead`)
      assert.ok(ahead <= MiB, `${ahead} bytes ahead`)
      await callJson(flow, `/state?id=${way}&go=1`)
      assert.equal(await pending, String(total))
    })
  }
})

describe('100 MB each way', { timeout: 60_000 }, () => {
  const handler = makeHandler(file, 'digest_app:app')
  const total = 100_000_000
  const bound = 64

  async function growth(t, what, work) {
    await collect(await handler.handleStream(new Request({ url: `/bytes?count=${4 * MiB}` })))
    const before = residentMiB()
    let peak = before
    const timer = setInterval(() => (peak = Math.max(peak, residentMiB())), 5)
    const begun = performance.now()
    await work().finally(() => clearInterval(timer))
    const seconds = (performance.now() - begun) / 1000
    peak = Math.max(peak, residentMiB())
    t.diagnostic(`${what}: ${(total / 1e6 / seconds).toFixed(0)} MB/s, RSS grew by ${(peak - before).toFixed(1)} MiB`)
    assert.ok(peak - before < bound, `RSS grew by ${peak - before} MiB`)
  }

  test('up: streamed by an async iterable', async (t) => {
    const chunk = bytes(64 * 1024, 5)
    const local = createHash('sha256')
    async function* source() {
      for (let left = total; left > 0; left -= chunk.length) {
        // A fresh buffer each time, as a socket gives them.
        const part = Buffer.from(chunk.subarray(0, Math.min(left, chunk.length)))
        local.update(part)
        yield part
      }
    }
    await growth(t, 'up', async () => {
      const answer = await callJson(handler, '/digest', { method: 'POST', body: source() })
      assert.equal(answer.length, total)
      assert.equal(answer.sha256, local.digest('hex'))
      assert.ok(answer.events > 100, `${answer.events} events`)
    })
  })

  test('down: streamed by the app', async (t) => {
    await growth(t, 'down', async () => {
      const response = await handler.handleStream(new Request({ url: `/bytes?count=${total}` }))
      const local = createHash('sha256')
      let length = 0
      for await (const chunk of response) {
        length += chunk.length
        local.update(chunk)
      }
      assert.equal(length, total)
      assert.equal(local.digest('hex'), response.headers.get('x-sha256'))
    })
  })

  test('whole: one Buffer up, one Buffer down', async () => {
    const body = Buffer.alloc(total, 'asgi-node ')
    const answer = await callJson(handler, '/digest', { method: 'POST', body })
    assert.deepEqual([answer.length, answer.sha256], [total, sha256(body)])
    const response = await call(handler, `/bytes?count=${total}&whole`)
    assert.equal(sha256(response.body), response.headers.get('x-sha256'))
  })
})
