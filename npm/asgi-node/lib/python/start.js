import { isMainThread } from 'node:worker_threads'
import { choose, chooseSync } from './discovery.js'
import { errorFromFailure } from '../native/errors.js'
import { load, nativeFiles } from '../native/load.js'
import { programArguments, wishesOf } from './wishes.js'

/** @typedef {import('./wishes.js').PythonSettings & { deepbind: 'auto' | boolean }} StartSettings */
/** @typedef {import('../native/errors.js').NativeFailure} NativeFailure */
/** @typedef {import('../native/exchanges.js').Native} Native */
/** @typedef {import('../native/exchanges.js').Deliver} Deliver */

/**
 * The exports of the addon; its build writes their types. It does not throw or reject with errors for the user: it returns
 * them as values.
 * @typedef {typeof import('../native/binding.js')} Addon
 * @typedef {import('../native/binding.js').NativeHandler} NativeHandler
 * @typedef {import('../native/binding.js').StartOptions} StartOptions
 * @typedef {import('../native/binding.js').StartOutcome} StartOutcome
 * @typedef {import('../native/binding.js').SyncOutcome} SyncOutcome
 */

/** @type {import('../index.js').PythonInfo | null} */
let running = null

/** The interpreter of this process, or null before this thread has started or joined it. */
export function pythonInfo() {
  return running
}

/**
 * Finds Python, loads the addon against it and starts it, once per process. A second call joins the running one.
 * @param {StartSettings} settings
 * @returns {Promise<Addon>}
 */
export async function startPython(settings) {
  const choice = await choose(wishesOf(settings, { env: process.env, embedded: true }))
  const { addon, options } = loaded(choice, settings)
  runExitHooksOfPython(addon)
  remember(choice, await addon.startPython(options))
  return addon
}

/**
 * The same, blocking.
 * @param {StartSettings} settings
 * @returns {Addon}
 */
export function startPythonSync(settings) {
  const choice = chooseSync(wishesOf(settings, { env: process.env, embedded: true }))
  const { addon, options } = loaded(choice, settings)
  runExitHooksOfPython(addon)
  remember(choice, addon.startPythonSync(options))
  return addon
}

let watched = false

/**
 * Makes Python run its `atexit` functions and flush before the process ends. The addon also does so by itself when exit() is
 * called, but by then libraries that Python's threads use may be gone.
 * @param {Addon} addon
 */
function runExitHooksOfPython(addon) {
  if (watched || !isMainThread) return
  watched = true
  // A string of digits is an exit code too.
  process.once('exit', (code) => addon.runExitHooks(Number(code)))
}

/**
 * @param {{ executable: string, libpython: string }} choice
 * @param {StartSettings} settings
 * @returns {{ addon: Addon, options: StartOptions }}
 */
function loaded(choice, { deepbind }) {
  const { addon, opened } = load(choice, deepbind === 'auto' ? undefined : deepbind)
  const { executable, libpython } = choice
  return { addon, options: { executable, libpython, packageDir: nativeFiles().python, ...opened, argv: programArguments() } }
}

/**
 * @param {object} choice
 * @param {StartOutcome} outcome
 */
function remember(choice, { facts, failure }) {
  if (failure) throw errorFromFailure(failure)
  running ??= Object.freeze({ ...choice, ...JSON.parse(facts ?? '{}') })
}
