// Texts of an application that no string of JavaScript can hold. Each in a process of its own: what used to end it was a signal.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runNodeCleanly, temporaryFolder } from '../node/support.mjs'

/** Runs `source`, the body of an async function that gets a handler and what its logger was told; prints what it returns. */
const sized = (source, options = '') =>
  runNodeCleanly(
    `const told = []
    const keep = (object, message) => told.push({ ...object, message, raised: object.err?.message, traceback: object.err?.traceback })
    const logger = { level: 'debug', debug: keep, info: keep, warn: keep, error: keep }
    const lines = []
    const handler = new PythonHandler({ app: 'sizes_app:app', docroot: apps, logger, blockedThreshold: 0, ${options} })
    const failure = (promise) => promise.then((response) => ({ body: String(response.body) }), ({ code, message, traceback }) => ({ code, message, traceback }))
    const ask = (url, init) => failure(handler.handleRequest({ url, ...init }))
    const returned = await (async () => { ${source} })()
    await handler.close().catch(() => {})
    console.log(JSON.stringify(returned))`,
    { timeout: 90_000 },
  )

const leftOut = /left out\)/

describe('texts of any length leave Python shortened', { timeout: 200_000 }, () => {
  test('field_2: an exception that shows an upload of 68 MB', async () => {
    const { code, message, traceback, again } = await sized(
      `const outcome = await ask('/raise', { method: 'POST', body: Buffer.alloc(68_000_000) })
      return { ...outcome, again: (await ask('/')).body }`,
    )
    assert.equal(code, 'APP_ERROR')
    assert.match(message, /^ValueError: cannot parse b'\\x00.*left out\) … .*\\x00'$/s)
    assert.ok(message.length < 70_000, message.length)
    assert.match(traceback, /^Traceback .*raise ValueError\(f"cannot parse {body!r}"\).*left out/s)
    assert.ok(traceback.length < 270_000, traceback.length)
    assert.equal(again, '"ok"')
  })

  test('field_2: a chain of exceptions, and the exception of a WebSocket', async () => {
    const [chained, socket] = await sized(
      `return [
        await ask('/chained?1000000'),
        await failure(handler.handleStream({ url: 'ws://localhost/?1000000' }))
      ]`,
    )
    for (const { message, traceback } of [chained, socket]) {
      assert.match(message, leftOut)
      assert.ok(message.length < 70_000 && traceback.length < 270_000)
    }
  })

  test('field_2: log records', async () => {
    const told = await sized(
      `await ask('/message?110000000')
      for (const kind of ['exception', 'thread']) await ask('/' + kind + '?1000000')
      await ask('/fields?3000')
      return told`,
    )
    assert.equal(told.length, 4)
    const [message, exception, thread, fields] = told
    assert.match(message.message, /^begin \0.*left out.*\0 end$/s)
    assert.match(exception.raised, leftOut)
    assert.match(thread.traceback, leftOut)
    for (const each of told) assert.ok(JSON.stringify(each).length < 16 << 20)
    assert.equal(fields.text, '\0'.repeat(3000))
    assert.equal(fields.shown, '\0'.repeat(3000))
    assert.match(JSON.stringify(fields.nested), / more"/)
  })

  test('field_2: lines come in pieces of at most 1 MiB, and in whole characters', async () => {
    const lines = await sized(
      `await ask('/line?9000000')
      return lines.map((line) => [Buffer.byteLength(line), line[0], line.includes('\\ufffd')])`,
      'stdio: (line) => lines.push(line)',
    )
    assert.equal(lines.reduce((sum, [length]) => sum + length, 0), 18_000_002)
    assert.ok(lines.every(([length, , broken]) => length <= 1 << 20 && !broken), JSON.stringify(lines))
    assert.equal(lines.map(([, first]) => first).join('').replaceAll('é', ''), 'xy')
  })

  test('field_2: header fields of more than 16 MiB are refused in the application', async () => {
    const { body } = await sized(`return ask('/header?17000000')`)
    assert.match(body, /ValueError: header b.*x-long.* makes more than 16777216 bytes of header fields/)
  })

  test('field_2: what an application raises while it is imported, or starts', async (t) => {
    const docroot = temporaryFolder(t, {
      'long_import.py': 'raise RuntimeError("\\0" * 1_000_000)',
      'long_start.py': `async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "\\0" * 1_000_000})`,
    })
    const failed = await runNodeCleanly(
      `const failed = []
      for (const app of ['long_import:app', 'long_start:app']) {
        const handler = new PythonHandler({ app, docroot: ${JSON.stringify(docroot)}, logger: { debug() {}, info() {}, warn() {}, error() {} } })
        const { code, message, traceback } = await handler.ready().catch((error) => error)
        failed.push([code, message.length, /left out/.test(message), (traceback ?? '').length])
      }
      console.log(JSON.stringify(failed))`,
      { timeout: 90_000 },
    )
    assert.deepEqual(failed.map(([code, , shortened]) => [code, shortened]), [['APP_IMPORT_FAILED', true], ['LIFESPAN_STARTUP_FAILED', true]])
    for (const [, message, , traceback] of failed) assert.ok(message < 70_000 && traceback < 270_000)
  })
})
