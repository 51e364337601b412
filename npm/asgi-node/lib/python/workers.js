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
 * @returns {Promise<Found>}
 */
export async function findWorkers(settings) {
  return found(settings, await choose(wishes(settings)))
}

/**
 * The same, blocking.
 * @param {Settings} settings
 * @returns {Found}
 */
export function findWorkersSync(settings) {
  return found(settings, chooseSync(wishes(settings)))
}

/** @param {Settings} settings */
function wishes({ python, venv, docroot }) {
  return { python, venv, appDir: docroot, env: process.env, embedded: false }
}

/**
 * @param {Settings} settings
 * @param {{ executable: string }} choice
 * @returns {Found}
 */
function found({ config, workers }, { executable }) {
  const { addon, files } = loadWorkers()
  const { python: packageDir, bridge } = files
  // As in this process: sys.argv[0] is the program, and Node's arguments are not Python's.
  const argv = [process.argv[1] ?? '']
  const env = Object.entries(process.env).filter(([, value]) => value !== undefined)
  return { addon, config: JSON.stringify({ handler: config, workers: { ...workers, executable, packageDir, bridge, argv, env } }) }
}
