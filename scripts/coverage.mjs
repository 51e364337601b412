// `make coverage`: which lines of npm/asgi-node/lib and of python/asgi_node the tests of one Node and one Python reach, with
// a figure for each and the lines that none reaches. A process that is killed, or leaves by os._exit, tells nothing of what it
// has run, so a line that is listed may have been reached in one of those.
//
//   node scripts/coverage.mjs [--report]    --report: only the figures of the run before
//
// The timed tests are left out, because they would measure the measuring, and the one with a read-only file system, where
// nothing can be written down.
//
// What no test reaches, and is meant to stay so:
// - what a process runs on its way to os._exit or SIGKILL, which are tested from outside: the end of a forked child
//   (runtime/fork.py), the last flush of stdio.py and exit.py, the servers of websocket-floods;
// - systems that this machine is not: package names of Fedora and SUSE, musl, PyPy, a Python without ctypes or brotli, an
//   environment without httpx or Starlette;
// - the last resort where two things have gone wrong: a console that cannot be written to, an application that swallows its
//   cancellation at the end of the process;
// - methods of interfaces that others call: the pipe transport that subprocesses.py hands through.
// The rest is for tests: reading times out in the asynchronous client (testing/async_transport.py, async_websocket.py), and
// rules of conformance/ about applications that nobody has written wrongly enough yet.

import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FOLDER = join(ROOT, 'build', 'coverage')
const V8 = join(FOLDER, 'v8')
const LIBRARY = join('npm', 'asgi-node', 'lib')
const PYTHON = join(ROOT, '.venv', 'bin', 'python')
const CONFIG = join(ROOT, 'pyproject.toml')

const env = {
  ...process.env,
  NODE_V8_COVERAGE: V8,
  COVERAGE_PROCESS_START: CONFIG,
  COVERAGE_FILE: join(FOLDER, 'python'),
  // The default tracer does not see the threads that Node's addon makes.
  COVERAGE_CORE: 'sysmon',
}

/** @param {string} program @param {string[]} args @param {NodeJS.ProcessEnv} [environment] */
function run(program, args, environment = process.env) {
  return spawnSync(program, args, { cwd: ROOT, env: environment, stdio: 'inherit' }).status ?? 1
}

/** V8 tells of every script, and c8 would read all of it: only ours is kept. */
function keepOurs() {
  const prefix = pathToFileURL(join(ROOT, LIBRARY)).href
  for (const name of readdirSync(V8)) {
    const path = join(V8, name)
    let result = []
    try {
      result = JSON.parse(readFileSync(path, 'utf8')).result
    } catch {
      // Its process was killed while it wrote.
    }
    const ours = result.filter((/** @type {{ url: string }} */ { url }) => url.startsWith(prefix))
    if (ours.length === 0) rmSync(path)
    else writeFileSync(path, JSON.stringify({ result: ours }))
  }
}

function measure() {
  rmSync(FOLDER, { recursive: true, force: true })
  mkdirSync(V8, { recursive: true })
  // A test starts a process of another user.
  chmodSync(V8, 0o777)
  const status = run(process.execPath, ['scripts/test.mjs', '--primary'], env)
  keepOurs()
  run(PYTHON, ['-m', 'coverage', 'combine', '--quiet', '--rcfile', CONFIG], env)
  return status
}

const status = process.argv.includes('--report') ? 0 : measure()
console.log('\nJavaScript, by c8:')
run(join(ROOT, 'node_modules', '.bin', 'c8'), ['report', '--temp-directory', V8, '--all', '--src', LIBRARY, '--include', `${LIBRARY}/**/*.js`, '--reporter', 'text', '--reporter', 'text-summary'])
console.log('\nPython, by coverage.py:')
run(PYTHON, ['-m', 'coverage', 'report', '--rcfile', CONFIG, '--show-missing', '--skip-covered'], env)
process.exitCode = status
