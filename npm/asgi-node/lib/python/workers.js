// Python in processes of its own: which one, and what the native side has to know to start it. Nothing of Python comes into this
// process.

import { choose, chooseSync } from './discovery.js'
import { loadWorkers } from '../native/load.js'

/** @typedef {import('../options/options.js').Settings} Settings */
/** @typedef {typeof import('../native/workers-binding.js')} WorkersAddon */

/**
 * @typedef {object} Found
 * @property {WorkersAddon} addon
 * @property {string} config what its NativeHandler is constructed with, as JSON
 */

/**
 * @param {Settings} settings
 * @param {NodeJS.ProcessEnv} env of the workers
 * @returns {Promise<Found>}
 */
export async function findWorkers(settings, env) {
  return found(settings, await choose(wishes(settings, env)), env)
}

/**
 * The same, blocking.
 * @param {Settings} settings
 * @param {NodeJS.ProcessEnv} env
 * @returns {Found}
 */
export function findWorkersSync(settings, env) {
  return found(settings, chooseSync(wishes(settings, env)), env)
}

/**
 * @param {Settings} settings
 * @param {NodeJS.ProcessEnv} env
 */
function wishes({ python, venv, docroot }, env) {
  return { python, venv, appDir: docroot, env, embedded: false }
}

/**
 * @param {Settings} settings
 * @param {{ executable: string }} choice
 * @param {NodeJS.ProcessEnv} env
 * @returns {Found}
 */
function found({ config, workers }, { executable }, env) {
  const { addon, files } = loadWorkers()
  const { python: packageDir, bridge } = files
  // As in this process: sys.argv[0] is the program, and Node's arguments are not Python's.
  const argv = [process.argv[1] ?? '']
  const variables = Object.entries(env).filter(([, value]) => value !== undefined)
  return { addon, config: JSON.stringify({ handler: config, workers: { ...workers, executable, packageDir, bridge, argv, env: variables } }) }
}
