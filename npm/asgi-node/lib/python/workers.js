// Python in processes of its own: which one, and what the native side has to know to start it. Nothing of Python comes into this
// process.

import { choose, chooseSync } from './discovery.js'
import { loadWorkers } from '../native/load.js'
import { programArguments, wishesOf } from './wishes.js'

/** @typedef {import('./wishes.js').PythonSettings & { config: string, workers: object | null }} WorkersSettings */
/** @typedef {typeof import('../native/workers-binding.js')} WorkersAddon */

/**
 * @typedef {object} Found
 * @property {WorkersAddon} addon
 * @property {string} config what its NativeHandler is constructed with, as JSON
 */

/**
 * @param {WorkersSettings} settings
 * @param {NodeJS.ProcessEnv} env of the workers
 * @returns {Promise<Found>}
 */
export async function findWorkers(settings, env) {
  return found(settings, await choose(wishesOf(settings, { env, embedded: false })), env)
}

/**
 * The same, blocking.
 * @param {WorkersSettings} settings
 * @param {NodeJS.ProcessEnv} env
 * @returns {Found}
 */
export function findWorkersSync(settings, env) {
  return found(settings, chooseSync(wishesOf(settings, { env, embedded: false })), env)
}

/**
 * @param {WorkersSettings} settings
 * @param {{ executable: string }} choice
 * @param {NodeJS.ProcessEnv} env
 * @returns {Found}
 */
function found({ config, workers }, { executable }, env) {
  const { addon, files } = loadWorkers()
  const { python: packageDir, bridge } = files
  const variables = Object.entries(env).filter(([, value]) => value !== undefined)
  const own = { executable, packageDir, bridge, argv: programArguments(), env: variables }
  return { addon, config: JSON.stringify({ handler: config, workers: { ...workers, ...own } }) }
}
