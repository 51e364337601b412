// Chooses the Python: the first candidate that Node can host. One generator does the work and yields the commands to run;
// `choose` waits for them as promises, `chooseSync` blocks.

import { accessSync, constants, statSync } from 'node:fs'
import { parse, resolve } from 'node:path'
import { candidates, helpFor } from './candidates.js'
import { PythonError } from '../native/errors.js'
import { probe, run, runSync } from './probe.js'
import { refusalOf } from './check-interpreter.js'

/** @typedef {import('./candidates.js').Candidate} Candidate */
/** @typedef {import('./candidates.js').Tried} Tried */
/** @typedef {import('./probe.js').Command} Command */
/** @typedef {import('./probe.js').Facts} Facts */
/** @typedef {import('./probe.js').CommandResult} CommandResult */
/** @typedef {import('./check-interpreter.js').Refusal} Refusal */

/**
 * @typedef {object} ChooseOptions
 * @property {string} [python] path of an interpreter, its command name, or a virtual environment's folder
 * @property {string} [venv] a virtual environment's folder
 * @property {string} [appDir] where `.venv` and `venv` are looked for, upwards; default the current folder
 * @property {NodeJS.ProcessEnv} [env] default process.env
 * @property {boolean} [embedded] whether Node hosts it, which wants its shared library; default true
 * @property {number} [timeout] milliseconds that an interpreter may take to answer; default 10,000
 */

/**
 * @typedef {object} Choice
 * @property {string} executable the path of the interpreter; in a virtual environment the environment's own
 * @property {string} prefix its sys.prefix
 * @property {string} basePrefix its sys.base_prefix: differs from prefix in a virtual environment
 * @property {string | null} venv the virtual environment's folder
 * @property {string} version '3.11.7'
 * @property {string} implementation 'cpython'
 * @property {string} libpython the shared library to load
 * @property {string | null} soabi
 * @property {string} platform
 * @property {boolean} freeThreaded
 * @property {boolean} debug a debug build
 * @property {string | null} uvloop the version that is installed
 * @property {string} source where it was found: 'python option', 'venv option', 'ASGI_NODE_PYTHON', 'VIRTUAL_ENV',
 *   'CONDA_PREFIX', '.venv', 'venv' or 'PATH'
 * @property {Tried[]} tried the candidates before it, and why each was not taken
 */

/**
 * Chooses the Python to run. Rejects with a PythonError: PYTHON_NOT_FOUND, PYTHON_UNSUPPORTED or LIBPYTHON_NOT_FOUND.
 *
 * @param {ChooseOptions} [options]
 * @returns {Promise<Choice>}
 */
export async function choose(options) {
  const search = discover(options)
  let step = search.next()
  while (!step.done) step = search.next(await run(step.value))
  return step.value
}

/**
 * The same, blocking.
 *
 * @param {ChooseOptions} [options]
 * @returns {Choice}
 */
export function chooseSync(options) {
  const search = discover(options)
  let step = search.next()
  while (!step.done) step = search.next(runSync(step.value))
  return step.value
}

/**
 * @param {ChooseOptions} [options]
 * @returns {Generator<Command, Choice, CommandResult>}
 */
function* discover({ python, venv, appDir = '.', env = process.env, embedded = true, timeout = 10_000 } = {}) {
  const folder = resolve(appDir)
  // pyenv's shims choose by the folder in which they run. If no program can run there, loading the application reports it.
  const cwd = canRunIn(folder) ? folder : parse(folder).root
  /** @type {Tried[]} */
  const tried = []
  /** @type {Refusal[]} */
  const refusals = []
  for (const candidate of candidates({ python, venv, appDir: folder, env }, tried)) {
    const facts = yield* probe(candidate.path, { cwd, env, timeout })
    const refusal = 'failure' in facts ? broken(facts.failure) : refusalOf(facts, embedded)
    if (!refusal) return chosen(candidate, /** @type {Facts} */ (facts), tried)
    if (candidate.named) throw refused(candidate, refusal)
    refusals.push(refusal)
    tried.push({ source: candidate.source, path: candidate.path, reason: refusal.reason })
  }
  throw noneLeft(folder, env, tried, refusals)
}

/** @param {string} folder */
function canRunIn(folder) {
  try {
    accessSync(folder, constants.X_OK)
    return statSync(folder).isDirectory()
  } catch {
    return false
  }
}

/**
 * @param {string} reason
 * @returns {Refusal}
 */
function broken(reason) {
  return { code: 'PYTHON_NOT_FOUND', reason, help: '' }
}

/**
 * @param {Candidate} candidate
 * @param {Facts} facts
 * @param {Tried[]} tried
 * @returns {Choice}
 */
function chosen({ path, source }, facts, tried) {
  return {
    executable: facts.executable || path,
    prefix: facts.prefix,
    basePrefix: facts.base_prefix,
    venv: facts.prefix === facts.base_prefix ? null : facts.prefix,
    version: facts.version,
    implementation: facts.implementation,
    libpython: /** @type {string} */ (facts.libpython),
    soabi: facts.soabi,
    platform: facts.platform,
    freeThreaded: facts.free_threaded,
    debug: facts.debug,
    uvloop: facts.uvloop,
    source,
    tried,
  }
}

/**
 * @param {Candidate} candidate
 * @param {Refusal} refusal
 */
function refused({ source, path }, { code, reason, help }) {
  const fix = help || helpFor(source)
  return new PythonError(code, `${source}: ${path}: ${reason}. ${fix}`, { fix })
}

/**
 * @param {string} appDir
 * @param {NodeJS.ProcessEnv} env
 * @param {Tried[]} tried
 * @param {Refusal[]} refusals those on PATH
 */
function noneLeft(appDir, env, tried, refusals) {
  const places =
    `looked at the options \`python\` and \`venv\`, the variables ASGI_NODE_PYTHON, VIRTUAL_ENV and CONDA_PREFIX, ` +
    `.venv and venv in ${appDir} and the folders above it, python3 and python on PATH (${env.PATH ?? ''})`
  const list = tried.map(({ source, path, reason }) => `\n  ${path} (${source}): ${reason}`).join('')
  // The candidate that is easiest to correct decides: a missing library is one package, an old Python needs a new one.
  const nearest =
    refusals.find(({ code }) => code === 'LIBPYTHON_NOT_FOUND') ??
    refusals.find(({ code }) => code === 'PYTHON_UNSUPPORTED')
  const fix =
    nearest?.help ||
    'Install CPython 3.11 or newer with its shared library, or name one with the option `python` or ASGI_NODE_PYTHON.'
  const what = refusals.length > 0 ? 'no Python that Node can host' : 'no Python found'
  return new PythonError(nearest?.code ?? 'PYTHON_NOT_FOUND', `${what}: ${places}.${list}\n${fix}`, { fix })
}
