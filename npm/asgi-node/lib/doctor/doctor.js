// Finds out whether a handler would start, and if not, why. It repeats no check of the handler: discovery is the handler's own,
// and the rest is found by starting a handler in a process of its own.

import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { choose } from '../python/discovery.js'
import { PythonError } from '../native/errors.js'
import { nativeFiles } from '../native/load.js'
import { nodeLibc, target } from '../native/platform.js'
import { DEFAULT } from '../native/protocol.js'
import { milliseconds } from '../options/checks.js'
import { checkOptions } from '../options/options.js'
import { run } from '../python/probe.js'
import { adviceFor, errorFinding, finding } from './findings.js'

export { textOf } from './report.js'

/** @typedef {import('./types.js').DoctorOptions} DoctorOptions */
/** @typedef {import('./types.js').DoctorReport} DoctorReport */
/** @typedef {import('./types.js').Finding} Finding */
/** @typedef {import('./types.js').LibraryFacts} LibraryFacts */
/** @typedef {import('../python/discovery.js').Choice} Choice */
/** @typedef {{ openssl: string | null, zlib: string | null, brotli: string | null, libuv: string | null, uvloopBroken: string | null, loop?: string }} Libraries what libraries.py prints */
/** @typedef {{ code: string, message: string, traceback?: string, fix?: string }} Failure */
/** @typedef {{ named: boolean, embedded: boolean }} Extent whether an app is started, too, and whether Python runs in the process of Node */
/** @typedef {{ python?: import('../index.js').PythonInfo, inside?: Libraries, failure?: Failure, app?: 'starts' | Failure }} Trial */

const TRIAL = fileURLToPath(new URL('trial.js', import.meta.url))
const SEVERITIES = ['error', 'warning', 'note']

/** @param {DoctorOptions} [options] @returns {Promise<DoctorReport>} */
export async function doctor({ trialTimeout = DEFAULT.TRIAL_TIMEOUT, askedBy, ...options } = {}) {
  milliseconds(trialTimeout, 'trialTimeout')
  const named = [options.app, options.appTarget, options.module].some((value) => value !== undefined)
  const { python, venv, docroot, config, workers } = checkOptions(named ? options : { ...options, app: 'any:app' })
  const embedded = workers === null
  /** @type {Finding[]} */
  const findings = []
  const report = {
    ok: false,
    findings,
    node: { executable: process.execPath, version: process.versions.node, libc: nodeLibc(), target: target() },
    /** @type {Choice | null} */
    python: null,
    /** @type {DoctorReport['loop']} */
    loop: null,
    /** @type {DoctorReport['deepbind']} */
    deepbind: null,
    /** @type {LibraryFacts[]} */
    libraries: [],
    app: named ? { target: /** @type {string} */ (JSON.parse(config).app), starts: false } : null,
  }
  try {
    checkFiles(embedded)
    report.python = await choose({ python, venv, appDir: docroot, embedded })
  } catch (error) {
    if (!(error instanceof PythonError)) throw error
    findings.push(errorFinding(error, null))
    return report
  }
  const { executable } = report.python
  const plain = await plainLibraries(executable, docroot)
  const trial = await start({ ...options, docroot }, { named, embedded }, trialTimeout)
  if (trial.failure) findings.push(errorFinding(trial.failure, executable))
  if (trial.python) {
    const { deepbind, deepbindReason, loopReason } = trial.python
    report.deepbind = { on: deepbind, reason: deepbindReason }
    const name = trial.inside?.loop ?? trial.python.loop
    const broken = name !== trial.python.loop
    report.loop = { name, reason: broken ? 'uvloop does not work' : isChosen(options) ? 'option loop' : loopReason }
  } else if (trial.inside?.loop) {
    report.loop = { name: trial.inside.loop, reason: isChosen(options) ? 'option loop' : reasonInWorker(trial.inside.loop, plain) }
  }
  // A worker is a process without Node: nothing of Node's can replace a library there.
  report.libraries = libraries(plain, embedded ? trial : {})
  if (report.app && trial.app) {
    report.app.starts = trial.app === 'starts'
    if (trial.app !== 'starts') findings.push(errorFinding(trial.app, executable))
  }
  findings.push(...adviceFor(report, plain?.uvloopBroken ?? null, options.loop ?? 'auto'))
  if (askedBy !== undefined && resolve(askedBy) !== executable) {
    const message = `${askedBy} asks, but a handler would run ${executable} (${report.python.source})`
    findings.push(finding('PYTHON_DIFFERS', 'note', message, 'Set ASGI_NODE_PYTHON, activate the environment that you mean, or give --python.'))
  }
  findings.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity))
  report.ok = findings.every(({ severity }) => severity !== 'error')
  return report
}

/** @param {DoctorOptions} options */
function isChosen({ loop = 'auto' }) {
  return loop !== 'auto'
}

/**
 * Why a worker runs this loop. Python inside Node says so itself; a worker does not.
 *
 * @param {string} loop
 * @param {Libraries | null} plain
 */
function reasonInWorker(loop, plain) {
  if (loop === 'uvloop') return 'uvloop is installed'
  return plain?.uvloopBroken ? 'uvloop does not work' : 'uvloop is not installed'
}

/**
 * Throws the error that loading the native half would throw for missing files.
 *
 * @param {boolean} embedded
 */
function checkFiles(embedded) {
  const files = nativeFiles()
  for (const file of embedded ? [files.loader, files.addon] : [files.workers, files.bridge]) {
    if (existsSync(file)) continue
    const fix = 'Install asgi-node again with its optional dependencies (npm install --include=optional).'
    throw new PythonError('NATIVE_NOT_FOUND', `the native file ${file} is missing. ${fix}`, { fix })
  }
}

/**
 * The libraries of a Python that is not inside Node.
 *
 * @param {string} executable
 * @param {string} cwd
 * @returns {Promise<Libraries | null>}
 */
async function plainLibraries(executable, cwd) {
  const script = join(nativeFiles().python, 'asgi_node', 'probe', 'libraries.py')
  const { stdout, failure } = await run({ file: executable, args: ['-P', script], cwd, env: process.env, timeout: 30_000 })
  if (failure !== null) return null
  try {
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
  } catch {
    return null
  }
}

/**
 * The options that can be sent to the trial's process. The others have been checked; they say what is done with requests and
 * logs, and a handler starts without them.
 *
 * @param {import('../index.js').PythonHandlerOptions} options
 * @returns {import('../index.js').PythonHandlerOptions}
 */
function sendable({ signal: _signal, upgrade: _upgrade, rewriter: _rewriter, logger: _logger, accessLog: _accessLog, stdio: _stdio, ...options }) {
  return options
}

/**
 * Starts Python, and the app if one is named, in a process of its own.
 *
 * @param {DoctorOptions} options
 * @param {Extent} extent
 * @param {number} timeout
 * @returns {Promise<Trial>}
 */
function start(options, extent, timeout) {
  return new Promise((done) => {
    /** @type {Trial} */
    const trial = {}
    let said = ''
    // As JSON, `maxBodySize: Infinity` would be null.
    const child = fork(TRIAL, { execArgv: [], serialization: 'advanced', stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    const timer = setTimeout(() => {
      trial.failure = { code: 'START_TIMEOUT', message: `the start took longer than ${timeout / 1000} seconds` }
      child.kill('SIGKILL')
    }, timeout)
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => (said = (said + text).slice(-4000)))
    child.on('message', (part) => Object.assign(trial, part))
    child.on('error', (error) => (trial.failure = { code: 'PROCESS_ENDED', message: `no process could be started: ${error.message}` }))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const answered = trial.inside && (!extent.named || trial.app)
      if (!trial.failure && (!answered || code !== 0 || signal)) {
        const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`
        trial.failure = { code: 'PROCESS_ENDED', message: `the process of the trial start ${how}${said && `. It said:\n${said.trimEnd()}`}` }
      }
      done(trial)
    })
    child.send({ options: sendable(options), extent })
  })
}

/**
 * @param {Libraries | null} plain
 * @param {Trial} trial
 * @returns {LibraryFacts[]}
 */
function libraries(plain, { inside, python }) {
  /** @type {[LibraryFacts['name'], 'openssl' | 'zlib' | 'brotli' | 'libuv', string | undefined][]} */
  const known = [
    ['OpenSSL', 'openssl', process.versions.openssl],
    ['zlib', 'zlib', process.versions.zlib],
    ['brotli', 'brotli', process.versions.brotli],
    ['libuv', 'libuv', process.versions.uv],
  ]
  const variables = /** @type {Record<string, unknown>} */ (process.config.variables)
  return known.map(([name, key, version]) => {
    const node = version ?? null
    const [own, within] = [plain?.[key] ?? null, inside?.[key] ?? null]
    // If both have the same version, only the flag can tell. Where Node was linked with the system's library there is only one,
    // and macOS keeps copies apart by itself.
    const shows = process.platform === 'linux' && variables[`node_shared_${key}`] !== true
    const replaced = within !== null && own !== null && (within !== own || (own === node && python?.deepbind === false && shows))
    return { name, node, python: own, inside: within, shadowed: replaced }
  })
}
