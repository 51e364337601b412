// Large pieces of a response, which Node writes from the memory of the application's own objects.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytes, openSocket, runNode, serve, serveApp, sha256, until } from '../node/support.mjs'

const limits = { timeout: 60_000 }
const MiB = 1024 * 1024
const PIECE = Buffer.alloc(MiB, Buffer.from(Array.from({ length: 256 }, (_, at) => at)))

describe('large pieces of a response', limits, () => {
  const site = serveApp({ before, after }, 'lent_app:app')
  const get = async (path, init, url = site.url) => {
    const response = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(30_000), ...init })
    assert.equal(response.status, 200)
    return Buffer.from(await response.arrayBuffer())
  }
  const references = async () => JSON.parse(await get('/references'))
  before(async () => {
    assert.ok(JSON.parse(await get('/look')) > 0)
  })

  test('arrive as they are, whatever their size', async () => {
    for (const length of [16_383, 16_384, 65_536, 131_071, 131_072, 131_073, 999_999, MiB]) {
      const body = await get(`/whole?length=${length}`)
      assert.ok(body.equals(PIECE.subarray(0, length)), `${length} bytes`)
    }
    const body = await get('/pieces?count=5')
    assert.equal(body.length, 5 * MiB)
    for (let at = 0; at < body.length; at += MiB) assert.ok(body.subarray(at, at + MiB).equals(PIECE))
    const head = await fetch(`${site.url}/whole`, { method: 'HEAD' })
    assert.deepEqual([head.headers.get('content-length'), (await head.arrayBuffer()).byteLength], [String(MiB), 0])
  })

  test('many at once, on connections that are kept', async () => {
    const body = bytes(900_000)
    const digests = await Promise.all(
      Array.from({ length: 24 }, async () => {
        const seen = []
        for (let round = 0; round < 3; round += 1) seen.push(sha256(await get('/echo', { method: 'POST', body })))
        return seen
      }),
    )
    assert.deepEqual([...new Set(digests.flat())], [sha256(body)])
  })

  test('the references come back without another request', async () => {
    const { last: [least] } = await until(async () => {
      const found = await references()
      return found.last[0] < 10 && found
    })
    await Promise.all(Array.from({ length: 8 }, () => get('/whole')))
    // Nothing calls into Rust meanwhile: the event loop has been woken for them, but for a mebibyte of them at most.
    await sleep(500)
    const { last, most } = await references()
    assert.ok(most > least, 'they were lent')
    assert.ok(last[0] <= least + 1, `${last[0]} references, ${least} before`)
  })

  test('whoever has replaced a method of the response may keep and change what he gets', async (t) => {
    for (const names of [['write', 'end'], ['_send']]) {
      const kept = []
      const { url } = await serve(t, (req, res) => {
        for (const name of names) {
          const original = res[name]
          res[name] = function replaced(chunk, ...rest) {
            if (chunk instanceof Uint8Array) kept.push(chunk)
            return original.call(this, chunk, ...rest)
          }
        }
        site.handler.listener(req, res)
      })
      const body = await get('/whole', {}, url)
      assert.ok(body.equals(PIECE), names.join())
      assert.ok(Buffer.concat(kept).equals(PIECE), `${names}: it has still what it got`)
      for (const chunk of kept) chunk.fill(0)
    }
    assert.equal((await references()).intact, true)
  })

  test('also when that happens while the application works', async (t) => {
    const kept = []
    const { url } = await serve(t, (req, res) => {
      const { writeHead } = res
      res.writeHead = function replaced(...args) {
        const { write } = this
        this.write = function keeping(chunk, ...rest) {
          kept.push(chunk)
          return write.call(this, chunk, ...rest)
        }
        return writeHead.apply(this, args)
      }
      site.handler.listener(req, res)
    })
    const body = await get('/pieces?count=2', {}, url)
    assert.equal(body.length, 2 * MiB)
    const seen = Buffer.concat(kept)
    assert.ok(seen.equals(body))
    for (const chunk of kept) chunk.fill(0)
    assert.equal((await references()).intact, true)
  })

  test('a client that does not read holds the application up, and its leaving ends the wait', async (t) => {
    const client = await openSocket(t, site.port)
    client.socket.pause()
    client.write('GET /pieces?count=64&id=held HTTP/1.1\r\nHost: h\r\n\r\n')
    let before = -1
    await until(async () => {
      const { done } = await references()
      const same = done.held === before
      before = done.held ?? 0
      await sleep(200)
      return same
    })
    assert.ok(before < 16, `${before} MiB have gone to a client that reads nothing`)
    client.socket.destroy()
    await until(async () => (await references()).done.held === 'gone')
    const { last } = await references()
    assert.ok(last[0] < 10, `${last[0]} references`)
  })

  test('send() of the last piece waits until it has been written', async (t) => {
    const client = await openSocket(t, site.port)
    client.socket.pause()
    // Enough for every buffer of the kernel; then one whole response, which waits behind it on the same connection.
    client.write('GET /pieces?count=12&id=first HTTP/1.1\r\nHost: h\r\n\r\n')
    await sleep(300)
    assert.ok(((await references()).done.first ?? 0) < 12)
    client.socket.resume()
    await until(async () => (await references()).done.first === 12)
    await until(() => client.received.length > 12 * MiB)
    client.write('GET /whole?id=second HTTP/1.1\r\nHost: h\r\n\r\n')
    await until(async () => (await references()).done.second)
    await until(() => client.received.length > 13 * MiB)
  })
})

describe('the end of a process, or of a thread, with pieces under way', limits, () => {
  const source = (end) => `
    import { createServer } from 'node:http'
    import { connect } from 'node:net'
    import { setTimeout as sleep } from 'node:timers/promises'
    const handler = new PythonHandler({ app: 'lent_app:app', docroot: apps })
    await handler.ready()
    const server = createServer(handler.listener).listen(0, '127.0.0.1', async () => {
      for (let each = 0; each < 8; each += 1) {
        const socket = connect(server.address().port, '127.0.0.1', () => socket.write('GET /pieces?count=64 HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n')).on('error', () => {})
        if (each % 2) socket.pause()
        else socket.resume()
      }
      await sleep(200)
      ${end}
    })`

  for (const [name, end, code] of [
    ['process.exit()', 'process.exit(7)', 7],
    ['close() and the natural end', 'server.closeAllConnections(); server.close(); await handler.close({ timeout: 100 }); process.exitCode = 8', 8],
  ]) {
    test(name, async () => {
      const outcome = await runNode(source(end))
      assert.deepEqual([outcome.code, outcome.signal], [code, null], outcome.stderr)
    })
  }

  test('a worker thread that is terminated', async () => {
    const program = `
      import { createServer } from 'node:http'
      import { connect } from 'node:net'
      import { parentPort, workerData } from 'node:worker_threads'
      import { PythonHandler } from 'asgi-node'
      const handler = new PythonHandler({ app: 'lent_app:app', docroot: workerData })
      await handler.ready()
      const server = createServer(handler.listener).listen(0, '127.0.0.1', () => {
        for (let each = 0; each < 8; each += 1) {
          const request = 'GET /pieces?count=64 HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n'
          const socket = connect(server.address().port, '127.0.0.1', () => socket.write(request)).on('error', () => {})
          socket.pause()
        }
        setTimeout(() => parentPort.postMessage('under way'), 200)
      })`
    // The flags of runNode, which threads inherit, make a module of it.
    const outcome = await runNode(`
      import { once } from 'node:events'
      import { Worker } from 'node:worker_threads'
      for (let round = 0; round < 3; round += 1) {
        const worker = new Worker(${JSON.stringify(program)}, { eval: true, workerData: apps })
        await once(worker, 'message')
        await worker.terminate()
      }
      process.exit(5)`)
    assert.deepEqual([outcome.code, outcome.signal], [5, null], outcome.stderr)
  })
})
