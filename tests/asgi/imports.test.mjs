// An application is imported as if no event loop ran on its thread: other servers import it before theirs does.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { call, makeHandler, runNodeCleanly, text } from '../node/support.mjs'

const AT_IMPORT = 'asyncio.run, anyio.run, async_to_sync, a loop of its own, none runs'

/** What the first request says, in a process of its own: a module is imported once. */
async function told(app, options) {
  return await runNodeCleanly(`
    const python = new PythonHandler({ app: '${app}', docroot: apps, ...${JSON.stringify(options)} })
    const response = await python.handleRequest(new Request({ url: '/' }))
    await python.close()
    console.log(JSON.stringify(String(response.body)))`)
}

for (const loop of ['asyncio', 'uvloop']) {
  describe(`on ${loop}`, { timeout: 60_000 }, () => {
    test('field_7 asgi_13 loops are run at module level, and in factories', async () => {
      assert.equal(await told('busy_import_app:app', { loop, lifespan: 'off' }), `${AT_IMPORT}, same thread: True, set`)
      const factory = { loop, factory: true, lifespan: 'off' }
      assert.equal(await told('busy_import_app:make', factory), `${AT_IMPORT}, factory, same thread: True, set`)
      assert.equal(await told('busy_import_app:make_async', factory), `${AT_IMPORT}, async factory, same thread: True, set`)
      assert.equal(await told('busy_import_app:make_on_current', factory), `${AT_IMPORT}, current loop, same thread: True, set`)
      assert.equal(await told('busy_import_app:make_wsgi', { loop, factory: true }), `${AT_IMPORT}, factory`)
    })

    test('field_7 the loop that asyncio.get_event_loop() finds is the one that serves', async () => {
      assert.equal(await told('given_loop_app:app', { loop, lifespan: 'off' }), 'ran, ran, ran, same loop: True')
    })

    test("field_7 Django's ORM is used at module level", async () => {
      assert.equal(await told('busy_django_app:app', { loop }), 'Chile, Oman')
    })
  })
}

test('field_7 requests of another handler that wait for an import are answered after it', { timeout: 60_000 }, async (t) => {
  const other = makeHandler(t)
  await other.ready()
  const importing = makeHandler(t, 'busy_import_app:app', { lifespan: 'off' })
  const answers = await Promise.all([call(importing, '/'), ...Array.from({ length: 20 }, () => call(other, '/hello'))])
  assert.ok(text(answers[0]).startsWith(AT_IMPORT), text(answers[0]))
  assert.deepEqual(new Set(answers.slice(1).map(({ status }) => status)), new Set([200]))
})

test('field_7 an async factory that fails says so with its traceback', { timeout: 60_000 }, async (t) => {
  const python = makeHandler(t, 'factory_app:fail_async', { factory: true })
  await assert.rejects(python.ready(), (error) => {
    assert.equal(error.code, 'APP_IMPORT_FAILED')
    assert.match(error.message, /the factory 'factory_app:fail_async' failed: OSError: no database/)
    assert.match(error.traceback, /in fail_async/)
    return true
  })
})
