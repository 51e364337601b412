// The interpreters to consider, in their order. If one is named (by an option, a variable, or an environment that belongs to
// the app), it is the only candidate: another one would silently run the app with other packages.

import { accessSync, constants, lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { delimiter, dirname, join, resolve, sep } from 'node:path'
import { PythonError } from '../native/errors.js'

/**
 * @typedef {object} Candidate
 * @property {string} source where it was found: 'python option', 'venv option', 'ASGI_NODE_PYTHON', 'VIRTUAL_ENV',
 *   'CONDA_PREFIX', '.venv', 'venv' or 'PATH'
 * @property {string} path the interpreter, absolute
 * @property {boolean} named false if it was only found on PATH: the next one is as good
 */

/**
 * @typedef {object} Tried
 * @property {string} source
 * @property {string} path
 * @property {string} reason why it was not taken
 */

/**
 * @typedef {object} Wishes
 * @property {string} [python] path of an interpreter, its command name, or a virtual environment's folder
 * @property {string} [venv] a virtual environment's folder
 * @property {string} appDir
 * @property {NodeJS.ProcessEnv} env
 */

/** Command names on PATH, in the order of preference. */
const COMMANDS = ['python3', 'python']

/** Folders of the app that may be a virtual environment. */
const APP_VENVS = ['.venv', 'venv']

/** How to correct a broken choice, by its source. */
const HELP = {
  'python option':
    'Give `python` the path of an interpreter, its command name, or the folder of a virtual environment.',
  'venv option': 'Give `venv` the folder of a virtual environment, as made by `python3 -m venv`.',
  ASGI_NODE_PYTHON: 'Correct or unset ASGI_NODE_PYTHON.',
  VIRTUAL_ENV: 'Activate another environment, unset VIRTUAL_ENV, or set the option `python` or `venv`.',
  CONDA_PREFIX: 'Activate another environment, unset CONDA_PREFIX, or set the option `python` or `venv`.',
  '.venv': 'Make that environment again (`python3 -m venv --clear .venv`), or set the option `python` or `venv`.',
  venv: 'Make that environment again (`python3 -m venv --clear venv`), or set the option `python` or `venv`.',
}

/** @param {string} source */
export function helpFor(source) {
  return HELP[/** @type {keyof typeof HELP} */ (source)]
}

/**
 * @param {Wishes} wishes
 * @param {Tried[]} tried gets the candidates that were passed over
 * @returns {Generator<Candidate, void, void>}
 */
export function* candidates({ python, venv, appDir, env }, tried) {
  if (python !== undefined) yield interpreter('python option', python, env)
  if (venv !== undefined) yield environment('venv option', venv)
  if (env.ASGI_NODE_PYTHON) yield interpreter('ASGI_NODE_PYTHON', env.ASGI_NODE_PYTHON, env)
  if (env.VIRTUAL_ENV) yield environment('VIRTUAL_ENV', env.VIRTUAL_ENV)
  if (env.CONDA_PREFIX) {
    // A conda environment without Python is valid: conda also installs compilers and Node.
    if (kind(pythonIn(env.CONDA_PREFIX)) !== 'nothing') yield environment('CONDA_PREFIX', env.CONDA_PREFIX)
    else tried.push({ source: 'CONDA_PREFIX', path: env.CONDA_PREFIX, reason: 'this environment has no Python' })
  }
  yield* appEnvironments(appDir)
  yield* onPath(env)
}

/**
 * The candidate that the user has named: by a path, a folder, or a command.
 *
 * @param {string} source
 * @param {string} value
 * @param {NodeJS.ProcessEnv} env
 * @returns {Candidate}
 */
function interpreter(source, value, env) {
  const path = resolve(value)
  if (kind(path) === 'folder') return environment(source, path)
  if (value.includes(sep)) return checked(source, path)
  const found = commandOnPath(value, env).next().value
  if (found === undefined) throw notFound(source, `the command ${value} is in no folder of PATH (${env.PATH ?? ''})`)
  return { source, path: found, named: true }
}

/**
 * @param {string} source
 * @param {string} folder
 * @returns {Candidate}
 */
function environment(source, folder) {
  const root = resolve(folder)
  if (kind(root) === 'nothing') throw notFound(source, `the folder ${root} does not exist`)
  if (kind(root) !== 'folder') throw notFound(source, `${root} is not a folder`)
  return checked(source, pythonIn(root))
}

/**
 * @param {string} source
 * @param {string} path
 * @returns {Candidate}
 */
function checked(source, path) {
  switch (kind(path)) {
    case 'nothing':
      throw notFound(source, `${path} does not exist`)
    case 'dangling':
      throw notFound(source, `${path} leads to ${readlinkSync(path)}, which does not exist any more`)
    case 'program':
      return { source, path, named: true }
    default:
      throw notFound(source, `${path} is not an executable file`)
  }
}

/**
 * @param {string} source
 * @param {string} what
 */
function notFound(source, what) {
  const fix = helpFor(source)
  return new PythonError('PYTHON_NOT_FOUND', `${source}: ${what}. ${fix}`, { fix })
}

/**
 * `.venv`, then `venv`, beside the app and in each folder above. A folder of that name that is not an environment is skipped.
 *
 * @param {string} appDir
 * @returns {Generator<Candidate, void, void>}
 */
function* appEnvironments(appDir) {
  for (const folder of upwards(appDir)) {
    for (const name of APP_VENVS) {
      const root = join(folder, name)
      if (kind(join(root, 'pyvenv.cfg')) === 'nothing' && kind(pythonIn(root)) === 'nothing') continue
      yield environment(name, root)
    }
  }
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Generator<Candidate, void, void>}
 */
function* onPath(env) {
  const seen = new Set()
  for (const command of COMMANDS) {
    for (const path of commandOnPath(command, env)) {
      // /bin may be the same folder as /usr/bin, and python often is python3. The folder is part of the key: a venv's python
      // is a link to its base's, but another Python.
      const key = JSON.stringify([realpathSync(dirname(path)), realpathSync(path)])
      if (seen.has(key)) continue
      seen.add(key)
      yield { source: 'PATH', path, named: false }
    }
  }
}

/**
 * @param {string} command
 * @param {NodeJS.ProcessEnv} env
 * @returns {Generator<string, undefined, void>}
 */
function* commandOnPath(command, env) {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    if (!folder) continue
    const path = resolve(folder, command)
    if (kind(path) === 'program') yield path
  }
}

/**
 * @param {string} folder
 * @returns {Generator<string, void, void>}
 */
export function* upwards(folder) {
  for (let at = resolve(folder); ; at = dirname(at)) {
    yield at
    if (at === dirname(at)) return
  }
}

/** @param {string} root */
function pythonIn(root) {
  const usual = join(root, 'bin', 'python')
  const other = join(root, 'bin', 'python3')
  return kind(usual) === 'nothing' && kind(other) !== 'nothing' ? other : usual
}

/**
 * @param {string} path
 * @returns {'nothing' | 'dangling' | 'folder' | 'program' | 'file'}
 */
function kind(path) {
  try {
    if (statSync(path).isDirectory()) return 'folder'
  } catch {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? 'dangling' : 'nothing'
  }
  try {
    accessSync(path, constants.X_OK)
    return 'program'
  } catch {
    return 'file'
  }
}
