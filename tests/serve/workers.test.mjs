// --workers, --reload, SIGHUP and `asgi-node dev`: new code without a request that fails.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pythonExecutable, repository, run as runProgram, temporaryFolder, until } from '../node/support.mjs'
import { request, run, start, startServer } from './support.mjs'

/** An application that says which version of it answers. */
const version = (number) => `import os
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-pid", str(os.getpid()).encode())]})
    await send({"type": "http.response.body", "body": b"version ${number}"})
`

const EDITS = 100

/** Asks all the time until it is stopped; `failures` is what was no 200. */
function load(t, port) {
  const agent = new http.Agent({ keepAlive: true })
  const result = { failures: [], count: 0 }
  let stopped = false
  const loop = async () => {
    while (!stopped) {
      const outcome = await request({ port, path: '/', agent }).then(({ status }) => status, (error) => error.code)
      result.count++
      if (outcome !== 200) result.failures.push(outcome)
    }
  }
  const loops = [loop(), loop(), loop(), loop()]
  result.stop = async () => {
    stopped = true
    await Promise.all(loops)
    agent.destroy()
  }
  t.after(result.stop)
  return result
}

const serveVersions = async (t, args, options = {}) => {
  const folder = options.cwd ?? temporaryFolder(t, { 'main.py': version(0) })
  const server = await startServer(t, ['--lifespan', 'off', '--no-access-log', ...args], { cwd: folder, app: 'main:app', ...options })
  server.folder = folder
  server.write = (text, name = 'main.py') => writeFileSync(join(folder, name), text)
  server.text = async () => (await request({ port: server.port, path: '/' })).text
  return server
}

describe('--workers', () => {
  test('the application runs in so many processes; SIGHUP replaces them under load, and no request fails', async (t) => {
    const server = await serveVersions(t, ['--workers', '2'])
    assert.match(server.stderr, /, in 2 workers; Node\.js /)
    const pid = async () => (await request({ port: server.port, path: '/' })).headers['x-pid']
    const under = load(t, server.port)
    const before = new Set()
    await until(async () => before.add(await pid()).size === 2, 'both workers')
    assert.ok(!before.has(String(server.pid)))
    server.write(version(1))
    server.child.kill('SIGHUP')
    await until(() => server.stderr.includes('The new code is serving, after'), server.stderr)
    assert.equal(await server.text(), 'version 1')
    assert.ok(!before.has(await pid()))
    await under.stop()
    assert.deepEqual(under.failures, [])
    assert.ok(under.count > 50)
    server.child.kill('SIGTERM')
    assert.deepEqual(await server.exited, { code: 0, signal: null })
  })

  test('the start says on which loop they run', async (t) => {
    for (const loop of ['asyncio', 'uvloop']) {
      const server = await serveVersions(t, ['--workers', '1', '--loop', loop])
      assert.match(server.stderr, new RegExp(`, ${loop}, in 1 worker; `))
    }
  })

  test('Ctrl-C goes to every process of the terminal, and --drain-delay counts: workers finish what they have', async (t) => {
    const server = await startServer(t, ['--workers', '1', '--drain-delay', '0.5', '--health-path', '/healthz'], { through: ['setsid'] })
    const slow = request({ port: server.port, path: '/slow?seconds=1.2' })
    await until(async () => JSON.parse((await request({ port: server.port, path: '/healthz' })).text).inFlight === 1, 'the request')
    process.kill(-server.pid, 'SIGINT')
    await until(() => server.stderr.includes('Shutting down'))
    assert.equal((await request({ port: server.port, path: '/healthz/ready' })).status, 503)
    assert.equal((await request({ port: server.port, path: '/facts' })).status, 200)
    assert.equal((await slow).status, 200)
    assert.deepEqual(await server.exited, { code: 0, signal: null })
  })

  test('--limit-max-requests replaces a worker, and the server goes on; WEB_CONCURRENCY counts', async (t) => {
    const server = await serveVersions(t, ['--limit-max-requests', '5'], { env: { WEB_CONCURRENCY: '1' } })
    const pids = new Set()
    await until(async () => {
      const { status, headers } = await request({ port: server.port, path: '/' })
      assert.equal(status, 200)
      return pids.add(headers['x-pid']).size === 3
    }, 'a third worker')
  })
})

test('a Python without its shared library serves with workers, and is refused without', async (t) => {
  const probe = join(repository, 'python', 'asgi_node', 'probe', 'probe.py')
  const facts = JSON.parse((await runProgram(pythonExecutable(), ['-I', probe])).stdout)
  const folder = temporaryFolder(t, {
    'main.py': version(0),
    python: `#!/bin/sh\ncase "$*" in *probe.py*) cat "$(dirname "$0")/facts.json" ;; *) exec ${pythonExecutable()} "$@" ;; esac\n`,
    'facts.json': JSON.stringify({ ...facts, libpython: null, libpython_names: [], libpython_folders: [] }),
  })
  const args = ['--python', join(folder, 'python')]
  const refused = await run(t, ['main.py', '--port', '0', ...args], { cwd: folder })
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /^ERROR: {4}LIBPYTHON_NOT_FOUND: .*--workers 1.*\nasgi-node: Python could not be started: asgi-node doctor says more\n$/)
  const running = start(t, ['main.py', '--port', '0', '--lifespan', 'off', '--workers', '1', ...args], { cwd: folder })
  const [, port] = await until(() => / on http:\/\/127\.0\.0\.1:(\d+) /.exec(running.stderr), 'the server', 60_000)
  assert.equal((await request({ port, path: '/' })).text, 'version 0')
})

describe('--reload', () => {
  test(`${EDITS} edits under load: no request fails, and the last version is served`, async (t) => {
    const server = await serveVersions(t, ['--reload'])
    assert.match(server.stderr, /, in 1 worker; /)
    const under = load(t, server.port)
    for (let edit = 1; edit <= EDITS; edit++) {
      server.write(version(edit))
      await sleep(20)
      // Now and then long enough for a reload of its own.
      if (edit % 20 === 0) await until(async () => (await server.text()) === `version ${edit}`, `version ${edit}: ${server.stderr}`, 30_000)
    }
    await under.stop()
    assert.deepEqual(under.failures, [])
    // Most of them wait for new code, which is there five times at least.
    assert.ok(under.count >= 20, `${under.count} requests`)
    const times = [...server.stderr.matchAll(/The new code is serving, after (\d+) ms/g)].map(([, time]) => Number(time))
    assert.ok(times.length >= 5)
    t.diagnostic(`${times.length} reloads of ${times.toSorted((a, b) => a - b)[times.length >> 1]} ms (median), ${under.count} requests`)
  })

  test('a syntax error is said, and the old code goes on until it is mended', async (t) => {
    const server = await serveVersions(t, ['--reload'])
    server.write('def (\n')
    await until(() => server.stderr.includes('ERROR:    The new code does not start, and the old code goes on: APP_IMPORT_FAILED: '), server.stderr)
    await until(() => server.stderr.includes('SyntaxError: invalid syntax'))
    assert.equal(await server.text(), 'version 0')
    server.write(version(2))
    await until(async () => (await server.text()) === 'version 2')
  })

  test('--reload-dir, --reload-include, --reload-exclude and --reload-delay say which changes count, and when', async (t) => {
    const parts = temporaryFolder(t, { 'part.py': '', 'page.html': '', 'made.py': '', 'notes.txt': '' })
    for (const name of ['.venv', 'node_modules']) {
      mkdirSync(join(parts, name))
      writeFileSync(join(parts, name, 'module.py'), '')
    }
    const server = await serveVersions(t, ['--reload', '--reload-dir', parts, '--reload-include', '*.html', '--reload-exclude', 'made.*', '--reload-delay', '0.6'])
    const reloads = () => server.stderr.match(/Loading the application again: .*/g) ?? []
    for (const name of ['.venv/module.py', 'node_modules/module.py', 'made.py', 'notes.txt']) writeFileSync(join(parts, name), 'changed')
    server.write(version(1))
    await sleep(1000)
    assert.deepEqual(reloads(), [], 'none of these counts, nor a change outside of the folder')
    const from = performance.now()
    writeFileSync(join(parts, 'page.html'), 'changed')
    await sleep(100)
    writeFileSync(join(parts, 'part.py'), '# changed')
    await until(() => reloads().length === 1)
    assert.ok(performance.now() - from > 600, 'it waits until nothing changes any more')
    assert.match(reloads()[0], /page\.html, \S*part\.py changed$/)
    await until(async () => (await server.text()) === 'version 1')
  })

  test('asgi-node dev is that, also for an application that does not start the first time', async (t) => {
    const folder = temporaryFolder(t, { 'main.py': 'async def app(scope, receive, send):\n    pass\nraise ValueError("not yet")\n' })
    const running = start(t, ['dev', '--port', '0', '--lifespan', 'off'], { cwd: folder })
    await until(() => running.stderr.includes('Waiting for a change of its files'), running.stderr)
    assert.match(running.stderr, /ERROR: {4}APP_IMPORT_FAILED: .*not yet/)
    writeFileSync(join(folder, 'main.py'), version(7))
    const [, port] = await until(() => / on http:\/\/127\.0\.0\.1:(\d+) /.exec(running.stderr), running.stderr)
    assert.equal((await request({ port, path: '/' })).text, 'version 7')
    rmSync(join(folder, 'main.py'))
    running.child.kill('SIGTERM')
    assert.deepEqual(await running.exited, { code: 0, signal: null })
  })

  test('asgi-node dev --no-reload is asgi-node', async (t) => {
    const server = await startServer(t, ['main:app', '--no-reload', '--lifespan', 'off'], { cwd: temporaryFolder(t, { 'main.py': version(0) }), app: 'dev' })
    assert.equal((await request({ port: server.port, path: '/' })).headers['x-pid'], String(server.pid))
  })

  test('without a name, a file with a syntax error is shown, and a change of it is waited for', async (t) => {
    const folder = temporaryFolder(t, { 'main.py': 'x = 1\ndef (:\n' })
    const running = start(t, ['dev', '--port', '0', '--lifespan', 'off'], { cwd: folder })
    const waits = (count) => until(() => running.stderr.split('Waiting for a change of its files').length > count || running.child.exitCode !== null, running.stderr)
    await waits(1)
    assert.match(running.stderr, /^ERROR: {4}main\.py cannot be read: SyntaxError: invalid syntax, line 2\n {2}File ".*main\.py", line 2\n {4}def \(:\n/)
    // As an editor does it that writes a new file and renames it.
    rmSync(join(folder, 'main.py'))
    await waits(2)
    assert.match(running.stderr, /ERROR: {4}No application was found in /)
    writeFileSync(join(folder, 'main.py'), version(3))
    const [, port] = await until(() => / on http:\/\/127\.0\.0\.1:(\d+) /.exec(running.stderr), running.stderr)
    assert.equal((await request({ port, path: '/' })).text, 'version 3')
    writeFileSync(join(folder, 'main.py'), version(4))
    await until(async () => (await request({ port, path: '/' })).text === 'version 4')
    running.child.kill('SIGTERM')
    assert.deepEqual(await running.exited, { code: 0, signal: null })
  })

  test('a signal ends the waiting, and without --reload a broken file ends the command', async (t) => {
    const folder = temporaryFolder(t, { 'main.py': 'def (:\n' })
    const running = start(t, ['dev', '--port', '0'], { cwd: folder })
    await until(() => running.stderr.includes('Waiting for a change'), running.stderr)
    running.child.kill('SIGINT')
    assert.deepEqual(await running.exited, { code: 0, signal: null })
    assert.equal((await run(t, ['--port', '0'], { cwd: folder })).code, 3)
  })

  test('an edit while the application starts is not lost', async (t) => {
    const slow = `import time\nopen("imported", "w").close()\ntime.sleep(1)\n${version(0)}`
    const folder = temporaryFolder(t, { 'main.py': slow })
    const running = start(t, ['dev', 'main:app', '--port', '0', '--lifespan', 'off'], { cwd: folder })
    await until(() => existsSync(join(folder, 'imported')), 'the import', 60_000)
    writeFileSync(join(folder, 'main.py'), version(1))
    const [, port] = await until(() => / on http:\/\/127\.0\.0\.1:(\d+) /.exec(running.stderr), running.stderr)
    await until(async () => (await request({ port, path: '/' })).text === 'version 1', running.stderr)
  })
})
