// An orderly end of the process: Python's threads and atexit are waited for, up to the option exitTimeout.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { apps, runNode, temporaryFolder } from '../node/support.mjs'

const app = `
import atexit, concurrent.futures, threading, time, os

def say(text):
    os.write(1, text.encode() + b"\\n")

def slowly(seconds, text):
    time.sleep(seconds)
    say(text)

pool = concurrent.futures.ThreadPoolExecutor()

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    seconds = float(scope["query_string"])
    kind = scope["path"][1:]
    if kind == "atexit":
        atexit.register(slowly, seconds, "atexit")
    if kind == "thread":
        atexit.register(say, "atexit")
        threading.Thread(target=slowly, args=(seconds, "thread"), name="the-thread").start()
    if kind == "daemon":
        threading.Thread(target=slowly, args=(seconds, "daemon"), daemon=True).start()
    if kind == "pool":
        atexit.register(say, "atexit")
        pool.submit(slowly, seconds, "pool")
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b""})
`

describe('an orderly end of the process', { timeout: 600_000 }, () => {
  async function end(t, path, source, options = '') {
    const docroot = temporaryFolder(t, { 'orderly_app.py': app })
    const { code, signal, stdout, stderr } = await runNode(
      `const make = (options) => new PythonHandler({ app: 'orderly_app:app', docroot: ${JSON.stringify(docroot)}, blockedThreshold: 0, ...options })
      const handler = make({ ${options} })
      await handler.handleRequest({ url: '${path}' })
      const began = performance.now()
      process.on('exit', () => console.log(Math.round(performance.now() - began)))
      ${source}`,
      { timeout: 60_000 },
    )
    const said = stdout.trim().split('\n')
    return { code: signal ?? code, said: said.filter((line) => !/^\d+$/.test(line)).join(' '), took: Number(said.find((line) => /^\d+$/.test(line))), stderr }
  }

  for (const loop of ['asyncio', 'uvloop']) {
    test(`field_12: idle workers of AnyIO are not waited for, under ${loop}`, async () => {
      const { code, stderr } = await runNode(
        `const handler = new PythonHandler({ app: 'fastapi_app:app', docroot: ${JSON.stringify(apps)}, loop: '${loop}' })
        await Promise.all([1, 2, 3].map(() => handler.handleRequest({ url: '/sync?seconds=0.2' })))
        await handler.close()`,
        { timeout: 30_000 },
      )
      // It would say so, and five seconds would be gone.
      assert.deepEqual([code, stderr], [0, ''])
    })
  }

  for (const [what, path, said] of [
    ['atexit', '/atexit?0.6', 'atexit'],
    ['a thread that is no daemon, then atexit', '/thread?0.6', 'thread atexit'],
    ['a thread of concurrent.futures, then atexit', '/pool?0.6', 'pool atexit'],
  ]) {
    test(`field_12: ${what} is waited for`, async (t) => {
      const outcome = await end(t, path, 'await handler.close(); process.exit(4)')
      assert.deepEqual([outcome.code, outcome.said, outcome.stderr], [4, said, ''])
    })
  }

  test('field_12: a natural end', async (t) => {
    const outcome = await end(t, '/atexit?0.6', 'await handler.close()')
    assert.deepEqual([outcome.code, outcome.said], [0, 'atexit'])
  })

  test('a daemon is not waited for', async (t) => {
    const outcome = await end(t, '/daemon?60', 'await handler.close(); process.exit(4)')
    assert.deepEqual([outcome.code, outcome.said], [4, ''])
    assert.ok(outcome.took < 10_000, `${outcome.took} ms`)
  })

  test('field_12: a thread that does not end costs half of the time, which is said, and atexit runs', async (t) => {
    const outcome = await end(t, '/thread?60', 'await handler.close(); process.exit(4)', 'exitTimeout: 2000')
    assert.deepEqual([outcome.code, outcome.said], [4, 'atexit'])
    assert.match(outcome.stderr, /threads are still busy after 1 s, half of exitTimeout: they are left behind: the-thread/)
    assert.ok(outcome.took >= 950 && outcome.took < 10_000, `${outcome.took} ms`)
  })

  test('field_12: what takes longer is left behind, which is said', async (t) => {
    const outcome = await end(t, '/atexit?60', 'await handler.close(); process.exit(4)', 'exitTimeout: 500')
    assert.deepEqual([outcome.code, outcome.said], [4, ''])
    assert.match(outcome.stderr, /Python had not ended its work after 0\.5 s \(option exitTimeout\)/)
    assert.ok(outcome.took >= 450 && outcome.took < 10_000, `${outcome.took} ms`)
  })

  test('an end while another handler is open keeps its bound', async (t) => {
    const outcome = await end(t, '/atexit?60', 'await make().ready(); await handler.close(); process.exit(4)')
    assert.deepEqual([outcome.code, outcome.said, outcome.stderr], [4, '', ''])
    assert.ok(outcome.took < 10_000, `${outcome.took} ms`)
  })

  test('field_12: a handler that failed to start is waited for too: it may tell somebody why', async (t) => {
    const docroot = temporaryFolder(t, {
      'failing.py': `import atexit, time, os
atexit.register(lambda: (time.sleep(0.6), os.write(1, b"told")))
raise RuntimeError("no")`,
    })
    const { code, stdout } = await runNode(
      `await new PythonHandler({ app: 'failing:app', docroot: ${JSON.stringify(docroot)}, logger: { debug() {}, info() {}, warn() {}, error() {} } }).ready().catch(() => process.exit(3))`,
      { timeout: 60_000 },
    )
    assert.deepEqual([code, stdout], [3, 'told'])
  })

  test('field_12: a signal ends the wait at once, also where JavaScript listens to it', async (t) => {
    const docroot = temporaryFolder(t, { 'orderly_app.py': app })
    const { signal, milliseconds } = await runNode(
      `import { spawn } from 'node:child_process'
      process.on('SIGTERM', () => {})
      const handler = new PythonHandler({ app: 'orderly_app:app', docroot: ${JSON.stringify(docroot)}, exitTimeout: 60_000 })
      await handler.handleRequest({ url: '/atexit?60' })
      await handler.close()
      spawn('sh', ['-c', 'sleep 1; kill -TERM ' + process.pid], { stdio: 'ignore' }).unref()
      process.exit(4)`,
      { timeout: 50_000 },
    )
    assert.equal(signal, 'SIGTERM')
    assert.ok(milliseconds < 45_000, `${milliseconds} ms`)
  })
})
