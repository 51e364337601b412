// Odd surroundings: readers that have gone, no home, no folder, names that are not ASCII, files as other editors write them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { apps, pythonExecutable, run as runProgram, temporaryFolder, until } from '../node/support.mjs'
import { command, request, run, start, startServer } from './support.mjs'

const HELLO = `async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"hello"})
`

for (const workers of ['0', '1']) {
  test(`readers of stdout and stderr that have gone do not end the server (--workers ${workers})`, async (t) => {
    const server = await startServer(t, ['--workers', workers])
    server.child.stdout.destroy()
    server.child.stderr.destroy()
    for (let i = 0; i < 3; i++) {
      // INFO of the application, a line of the access log, and an error.
      assert.equal((await request({ port: server.port, path: '/log' })).status, 200)
      assert.equal((await request({ port: server.port, path: '/facts' })).status, 200)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    server.child.kill('SIGTERM')
    assert.deepEqual(await server.exited, { code: 0, signal: null })
  })
}

test('without HOME, PATH of Python, or a terminal', async (t) => {
  const env = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]))
  const server = await startServer(t, [], { env: { ...env, PATH: '/usr/bin:/bin', ASGI_NODE_PYTHON: pythonExecutable() } })
  assert.equal((await server.facts()).path, '/facts')
})

test('a folder that has been deleted is said', async (t) => {
  const folder = join(temporaryFolder(t), 'gone')
  mkdirSync(folder)
  const script = 'rmdir "$PWD" && exec "$0" "$@"'
  for (const args of [['main:app'], ['doctor'], ['--version']]) {
    const outcome = await run(t, args, { cwd: folder, through: ['sh', '-c', script] })
    assert.deepEqual(outcome, { code: 1, signal: null, stdout: '', stderr: 'asgi-node: The current folder has been deleted: go to another one\n' })
    mkdirSync(folder)
  }
})

test('colours: FORCE_COLOR is for pipes, too, NO_COLOR and --no-use-colors are stronger than a terminal', async (t) => {
  const first = async (args, env) => {
    const server = await startServer(t, args, { env })
    return server.stderr.slice(0, 5)
  }
  assert.deepEqual(await Promise.all([first([], { FORCE_COLOR: '1' }), first([], { FORCE_COLOR: '0' }), first(['--no-use-colors'], { FORCE_COLOR: '1' })]), ['\u001B[32m', 'INFO:', 'INFO:'])
})

describe('a terminal', () => {
  /** Runs the command in a terminal of its own: does what `act` says when it serves, and says how it ended. */
  const HARNESS = `import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
said = b""
def until(text):
    global said
    while text not in said:
        said += os.read(terminal, 65536)
until(b"Press CTRL+C")
exec(sys.argv[1])
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`
  for (const [what, act] of [
    ['that is closed ends the command', 'os.close(terminal)'],
    ['that was closed before SIGTERM comes', 'import signal; os.kill(pid, signal.SIGSTOP); os.close(terminal); os.kill(pid, signal.SIGTERM); os.kill(pid, signal.SIGCONT)'],
    ['with Ctrl-C ends it', 'os.write(terminal, b"\\x03"); until(b"Finished process")'],
    ['that is there has a SIGHUP mean a reload', 'os.kill(pid, 1); until(b"SIGHUP: the application runs in this process"); os.kill(pid, 15); until(b"Finished process")'],
  ]) {
    test(what, async (t) => {
      const notes = join(temporaryFolder(t), 'notes')
      const outcome = await runProgram(pythonExecutable(), ['-c', HARNESS, act, process.execPath, '--', command, 'serve_app:app', '--app-dir', apps, '--port', '0', '--no-access-log'], {
        env: { SERVE_APP_NOTES: notes, NO_COLOR: '1' },
        timeout: 60_000,
      })
      assert.equal(readFileSync(notes, 'utf8'), 'startup\nshutdown\n')
      assert.equal(outcome.stdout, '0\n', outcome.stderr)
    })
  }
})

describe('names that are not ASCII', () => {
  test('of the application, of a folder of files, of its path', async (t) => {
    const folder = join(temporaryFolder(t), 'dö r', 'ünï')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'mäin.py'), HELLO)
    writeFileSync(join(folder, 'zwölf.txt'), 'twelve')
    const server = await startServer(t, ['ünï/mäin.py', '--lifespan', 'off', '--static', 'ünï:/fïles é'], { cwd: join(folder, '..'), app: '' })
    assert.match(server.stderr, /^INFO: {5}Found mäin:app: in ünï\/mäin\.py\n/)
    assert.equal((await request({ port: server.port, path: '/' })).text, 'hello')
    assert.equal(await (await fetch(`${server.url}/fïles é/zwölf.txt`)).text(), 'twelve')
  })
})

describe('files as editors on Windows write them', () => {
  test('a byte order mark in an application, in options and in pyproject.toml', async (t) => {
    const folder = temporaryFolder(t, {
      'main.py': `\uFEFF${HELLO}`,
      'asgi-node.config.json': '\uFEFF{ "header": "x-a: json" }',
      'pyproject.toml': '\uFEFF[tool.asgi-node]\r\nlifespan = "off"\r\n',
    })
    const server = await startServer(t, [], { cwd: folder, app: '' })
    const { text, headers } = await request({ port: server.port, path: '/' })
    assert.deepEqual([text, headers['x-a']], ['hello', 'json'])
  })

  test('an application in another encoding, which its first line names', async (t) => {
    const folder = temporaryFolder(t)
    writeFileSync(join(folder, 'main.py'), Buffer.from(`# -*- coding: latin-1 -*-\n# é\n${HELLO}`, 'latin1'))
    const server = await startServer(t, ['--lifespan', 'off'], { cwd: folder, app: '' })
    assert.equal((await request({ port: server.port, path: '/' })).text, 'hello')
  })
})

test('--help to a reader that leaves after a line', async () => {
  const child = spawn('sh', ['-c', '"$0" -- "$1" --help | head -n 1', process.execPath, command], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text))
  await new Promise((resolve) => child.on('close', resolve))
  assert.match(said, /^usage: asgi-node .*\n$/)
})

test('an application that reads its input, prints very much and forks is served', async (t) => {
  const folder = temporaryFolder(t, {
    'main.py': `import os, sys\nassert sys.stdin.read() == ""\nfor i in range(20000): print("line", i, "x" * 80)\nif os.fork() == 0: os._exit(0)\nos.wait()\n${HELLO}`,
  })
  for (const workers of ['0', '1']) {
    const running = start(t, ['main:app', '--port', '0', '--lifespan', 'off', '--workers', workers], { cwd: folder })
    const [, port] = await until(() => / on http:\/\/127\.0\.0\.1:(\d+) /.exec(running.stderr), 'the server', 60_000)
    assert.equal((await request({ port, path: '/' })).text, 'hello')
    await until(() => running.stdout.includes(`line 19999 ${'x'.repeat(80)}\n`))
  }
})

test('one server a port: the second says so, and the first goes on', async (t) => {
  const first = await startServer(t, [], { cwd: apps })
  const { code, stderr } = await run(t, ['serve_app:app', '--port', String(first.port)])
  assert.equal(code, 1)
  assert.match(stderr, /^asgi-node: Port \d+ of 127\.0\.0\.1 is in use: .*\n$/)
  assert.equal((await first.facts()).path, '/facts')
})
