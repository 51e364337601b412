// The option `reload`: files are watched, and requests wait for the new code.
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PythonHandler } from 'asgi-node'
import { call, makeHandler, runNode, serve, temporaryFolder, until } from '../node/support.mjs'

/** An application whose import takes a while, and that says which version of it answers. */
const version = (number, seconds = 0) => `import time
time.sleep(${seconds})
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"${number}"})
`

// Python takes a version for compiled already that was written in the same second and is as long.
process.env.PYTHONDONTWRITEBYTECODE = '1'

/** By then a change has been seen, unless the machine is busy: where that matters, `seen` waits for it. */
const SEEN = 200

/** A handler that is ready and follows the files of a folder. */
async function follow(t, { reload = true, text = version(0), ...options } = {}) {
  const folder = temporaryFolder(t, { 'main.py': text })
  const logged = []
  const write = (level) => (object, message) => logged.push({ level, message, ...object })
  const logger = Object.fromEntries(['debug', 'info', 'warn', 'error'].map((level) => [level, write(level)]))
  const handler = makeHandler(t, 'main:app', { docroot: folder, workers: 1, reload, logger, ...options })
  await handler.ready()
  const said = (pattern) => logged.filter(({ message }) => pattern.test(message))
  const edit = (content, name = 'main.py') => writeFileSync(join(folder, name), content)
  const seen = async (content) => {
    const before = said(/^Loading/).length
    edit(content)
    await until(() => said(/^Loading/).length > before, 'a change that is seen')
  }
  return { handler, folder, logged, edit, seen, said, answer: async () => Number((await call(handler)).body.toString()) }
}

test('20 edits under load: no request fails, and who comes after an edit gets the new code', async (t) => {
  const { handler, seen } = await follow(t, { workers: 2 })
  const { port } = await serve(t, handler.listener)
  const agent = new http.Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const answers = []
  let over = false
  const get = () =>
    new Promise((resolve, reject) => {
      const from = performance.now()
      const done = (status, text) => resolve({ from, status, version: Number(text) })
      http.get({ port, agent }, (res) => res.setEncoding('utf8').on('data', (text) => done(res.statusCode, text))).on('error', reject)
    })
  const clients = Array.from({ length: 4 }, async () => {
    while (!over) answers.push(await get())
  })
  const edits = []
  for (let number = 1; number <= 20; number++) {
    // The import takes longer than until the change is seen: without waiting, the old code would answer.
    await seen(version(number, 0.4))
    edits.push({ from: performance.now(), version: number })
    await sleep(100)
    // Some of the versions come to answer.
    if (number % 5 === 0) await until(() => answers.filter((answer) => answer.version === number).length > 20)
  }
  over = true
  await Promise.all(clients)
  assert.deepEqual(answers.filter(({ status }) => status !== 200), [])
  const late = answers.filter((answer) => edits.some((edited) => answer.from > edited.from && answer.version < edited.version))
  assert.deepEqual(late, [])
  assert.ok(answers.length > 50, `${answers.length} answers`)
  assert.equal((await get()).version, 20)
})

test('new code that does not start is said, and who has waited for it gets the old code', async (t) => {
  const { edit, seen, answer, said } = await follow(t)
  edit('import time\ntime.sleep(0.5)\ndef (\n')
  await seen(`import time\ntime.sleep(0.5)\nraise ValueError("no database")\n`)
  const from = performance.now()
  assert.deepEqual(await Promise.all([answer(), answer()]), [0, 0])
  assert.ok(performance.now() - from > 100, 'they have waited')
  const failed = /^The new code does not start, and the old code goes on: APP_IMPORT_FAILED: .*no database/
  // A slow machine may have loaded the first text by itself, and is at the second now.
  await until(() => said(failed).length > 0, 'the failure of the last text')
  const [{ level, err }] = said(failed)
  assert.equal(level, 'error')
  assert.match(err.traceback, /ValueError: no database/)
  await seen(version(1))
  assert.equal(await answer(), 1)
})

test('who waits for new code waits no longer than requestTimeout, and counts for maxConcurrency', async (t) => {
  const { handler, seen, answer } = await follow(t, { requestTimeout: 600, maxConcurrency: 2 })
  await seen(version(1, 2))
  const waiting = [answer(), answer()].map((promise) => assert.rejects(promise, { code: 'REQUEST_TIMEOUT' }))
  await assert.rejects(call(handler), { code: 'OVERLOADED' })
  await Promise.all(waiting)
  await until(async () => (await answer().catch(() => 0)) === 1)
})

test('handleRequestSync does not wait for files that it keeps from being looked at', async (t) => {
  const { handler, edit, said } = await follow(t, { reload: { delay: 5000 } })
  edit(version(1))
  await sleep(SEEN)
  assert.deepEqual(said(/Loading/), [])
  const from = performance.now()
  assert.equal(handler.handleRequestSync({ url: '/' }).body.toString(), '1')
  assert.ok(performance.now() - from < 4000)
  await until(() => said(/^The new code is serving, after \d+ ms$/).length === 1)
})

test('a second change while the first one is loaded: the last one answers', async (t) => {
  const { seen, answer, said } = await follow(t, { workers: 3 })
  await seen(version(1, 0.5))
  await seen(version(2))
  assert.equal(await answer(), 2)
  await until(() => said(/^The new code is serving/).length === 1)
  assert.equal(said(/^Loading the application again: \S*main\.py changed$/).length, 2)
})

test('paths, include, exclude and delay say which changes count, and when', async (t) => {
  const parts = temporaryFolder(t, { 'part.py': '', 'page.html': '', 'made.py': '', 'notes.txt': '' })
  const { edit, said } = await follow(t, { reload: { paths: parts, include: '*.html', exclude: ['made.*'], delay: 400 } })
  mkdirSync(join(parts, 'node_modules'))
  for (const name of ['node_modules/module.py', 'made.py', 'notes.txt']) writeFileSync(join(parts, name), 'changed')
  edit(version(1))
  await sleep(800)
  assert.deepEqual(said(/Loading/), [], 'none of these counts, nor a change outside of the folder')
  const from = performance.now()
  writeFileSync(join(parts, 'page.html'), 'changed')
  await sleep(100)
  writeFileSync(join(parts, 'part.py'), '# changed')
  const [{ message }] = await until(() => said(/Loading/).length > 0 && said(/Loading/))
  assert.ok(performance.now() - from > 400, 'it waits until nothing changes any more')
  assert.match(message, /page\.html, \S*part\.py changed$/)
})

test('a change while the application starts is not missed', async (t) => {
  const folder = temporaryFolder(t, { 'main.py': version(0, 1) })
  const handler = makeHandler(t, 'main:app', { docroot: folder, workers: 1, reload: true })
  await sleep(500)
  writeFileSync(join(folder, 'main.py'), version(1))
  await handler.ready()
  await until(async () => (await call(handler)).body.toString() === '1')
})

test('a handler that watches files keeps no process alive, and close() ends the watching', async (t) => {
  const folder = temporaryFolder(t, { 'main.py': version(0) })
  const { stdout, code } = await runNode(`
    const handler = new PythonHandler({ app: 'main:app', docroot: ${JSON.stringify(folder)}, workers: 1, reload: true })
    const { body } = await handler.handleRequest({ url: '/' })
    console.log(body.toString())`, { timeout: 30_000 })
  assert.deepEqual([stdout, code], ['0\n', 0])
  const { handler, edit, said } = await follow(t)
  await handler.close()
  edit(version(1))
  await sleep(2 * SEEN)
  assert.deepEqual(said(/Loading|does not start/), [])
})

test('a handler that does not start is as without the option', async (t) => {
  const folder = temporaryFolder(t, { 'main.py': 'raise ValueError("not yet")' })
  const handler = makeHandler(t, 'main:app', { docroot: folder, workers: 1, reload: true })
  await assert.rejects(handler.ready(), { code: 'APP_IMPORT_FAILED' })
  rmSync(join(folder, 'main.py'))
  await sleep(SEEN)
  await assert.rejects(handler.ready(), { code: 'APP_IMPORT_FAILED' })
})

test('what the option reload refuses', (t) => {
  const folder = temporaryFolder(t)
  const refused = (reload, message, workers = 1) => assert.throws(() => new PythonHandler({ app: 'main:app', docroot: folder, workers, reload }), { name: 'TypeError', message })
  refused(true, 'Option reload needs workers: Python in this process cannot load modules again. Set workers: 1', 0)
  refused('yes', 'Option reload must be a boolean, or an object with paths, include, exclude, delay, not "yes"')
  refused(null, /not null$/)
  refused([], /not an array$/)
  refused({ path: 'x' }, /^Unknown option "reload\.path"\. Did you mean "reload\.paths"\?$/)
  refused({ delay: 0.5 }, /^Option reload\.delay must be a whole number of milliseconds/)
  refused({ include: [1] }, /^Option reload\.include must be a string or an array of strings/)
  refused({ paths: [] }, /^Option reload\.paths is empty/)
  refused({ paths: join(folder, 'none') }, `Option reload.paths: ${join(folder, 'none')} does not exist`)
  new PythonHandler({ app: 'main:app', docroot: folder, workers: 0, reload: false }).ready().catch(() => {})
})
