// Asks an interpreter about itself by running python/asgi_node/probe/probe.py in it. The command to run is yielded, so the
// caller decides whether to wait synchronously.

import { execFile, spawnSync } from 'node:child_process'
import { realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { nativeFiles } from '../native/load.js'

/**
 * @typedef {object} Facts what probe.py prints
 * @property {string} executable
 * @property {string} prefix
 * @property {string} base_prefix
 * @property {string} version
 * @property {string} implementation
 * @property {boolean} free_threaded
 * @property {boolean} debug
 * @property {number} bits
 * @property {string | null} soabi
 * @property {string | null} multiarch
 * @property {string} platform
 * @property {string | null} libc
 * @property {string | null} uvloop
 * @property {string | null} libpython
 * @property {string[]} libpython_names
 * @property {string[]} libpython_folders
 * @property {{ path: string, reason: string }[]} libpython_refused
 */

/**
 * @typedef {object} Command
 * @property {string} file
 * @property {string[]} args
 * @property {string} cwd
 * @property {NodeJS.ProcessEnv} env
 * @property {number} timeout milliseconds
 */

/**
 * @typedef {object} CommandResult
 * @property {string} stdout
 * @property {string} stderr
 * @property {string | null} failure why the command failed, null if it did not
 */

/** @typedef {Omit<Command, 'file' | 'args'>} Surroundings */

/** @type {Map<string, Facts>} */
const known = new Map()

/**
 * The facts of one interpreter, or why there are none.
 *
 * @param {string} file
 * @param {Surroundings} surroundings
 * @returns {Generator<Command, Facts | { failure: string }, CommandResult>}
 */
export function* probe(file, surroundings) {
  const key = cacheKey(file, surroundings)
  const before = known.get(key)
  if (before) return before
  const script = join(nativeFiles().python, 'asgi_node', 'probe', 'probe.py')
  let outcome = yield { file, args: ['-I', script], ...surroundings }
  // Python 2 has no -I. It is asked again, only to refuse it with its version.
  if (/unknown option:? -?I/i.test(outcome.stderr))
    outcome = yield { file, args: ['-E', '-s', script], ...surroundings }
  const facts = parse(outcome.stdout)
  if (outcome.failure === null && facts) {
    known.set(key, facts)
    return facts
  }
  const said = complaint(outcome.stderr)
  return { failure: (outcome.failure ?? 'it does not answer like a Python interpreter') + (said && `: ${said}`) }
}

/**
 * The key of the cache. It has the path as given, because a venv's python is a link to its base's. It has the folder and
 * the variables, because pyenv's shims choose by them.
 *
 * @param {string} file
 * @param {Surroundings} surroundings
 */
function cacheKey(file, { cwd, env }) {
  const real = realpathSync(file)
  return JSON.stringify([file, real, statSync(real).mtimeMs, cwd, env])
}

/**
 * Finds the facts in the output: a .pth file or sitecustomize may print before the probe does.
 *
 * @param {string} stdout
 * @returns {Facts | undefined}
 */
function parse(stdout) {
  try {
    const facts = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    return typeof facts?.version === 'string' ? facts : undefined
  } catch {
    return undefined
  }
}

/**
 * Its error output, shortened: a shell's message is in the first line, Python's in the last.
 *
 * @param {string} stderr
 */
function complaint(stderr) {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
  const some = lines.length > 3 ? [lines[0], '...', ...lines.slice(-2)] : lines
  return some.join(' | ').slice(0, 500).replace(/\.$/, '')
}

/** @type {Map<string, Promise<CommandResult>>} */
const running = new Map()

/**
 * Runs a command. Handlers that start together share one.
 *
 * @param {Command} command
 * @returns {Promise<CommandResult>}
 */
export function run(command) {
  const key = JSON.stringify(command)
  const outcome = running.get(key) ?? spawned(command).finally(() => running.delete(key))
  running.set(key, outcome)
  return outcome
}

/**
 * @param {Command} command
 * @returns {Promise<CommandResult>}
 */
function spawned({ file, args, cwd, env, timeout }) {
  return new Promise((resolve) => {
    const options = {
      cwd,
      // A copy: Node writes NODE_V8_COVERAGE into it, and then it would be another key of the cache.
      env: { ...env },
      timeout,
      killSignal: /** @type {const} */ ('SIGKILL'),
      encoding: /** @type {const} */ ('utf8'),
    }
    const started = performance.now()
    try {
      const child = execFile(file, args, options, (error, stdout, stderr) => {
        const late = performance.now() - started >= timeout
        resolve({ stdout, stderr, failure: error && failureOf(error, error.code ?? null, late, timeout) })
      })
      // An interpreter that reads commands from its input must not wait for them.
      child.stdin?.on('error', () => {})
      child.stdin?.end()
    } catch (error) {
      resolve({ stdout: '', stderr: '', failure: `it cannot be run (${/** @type {Error} */ (error).message})` })
    }
  })
}

/**
 * @param {Command} command
 * @returns {CommandResult}
 */
export function runSync({ file, args, cwd, env, timeout }) {
  const started = performance.now()
  const { stdout, stderr, status, signal, error } = spawnSync(file, args, {
    cwd,
    env: { ...env },
    timeout,
    killSignal: 'SIGKILL',
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const well = !error && status === 0
  const late = performance.now() - started >= timeout
  const failure = well
    ? null
    : failureOf({ message: error?.message ?? '', signal }, error ? 'spawn' : status, late, timeout)
  return { stdout: stdout ?? '', stderr: stderr ?? '', failure }
}

/**
 * @param {{ message: string, signal?: string | null }} error
 * @param {string | number | null} code the exit code, or a text if it did not start
 * @param {boolean} late
 * @param {number} timeout
 */
function failureOf(error, code, late, timeout) {
  if (late && code !== 0) return `it did not answer within ${timeout / 1000} seconds`
  if (typeof code === 'number') return `it ended with exit code ${code}`
  return error.signal ? `it was killed by ${error.signal}` : `it cannot be run (${error.message})`
}
