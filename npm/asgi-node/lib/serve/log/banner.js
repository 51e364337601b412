import { readFileSync } from 'node:fs'
import { styled } from './log.js'

/** @returns {string} */
export function version() {
  return JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')).version
}

/**
 * @typedef {object} Started
 * @property {import('../../log/types.js').Logger} log
 * @property {import('../../index.js').PythonHandler} handler
 * @property {string} app
 * @property {number} workers
 * @property {{ version: string, executable: string }} python
 * @property {string} url
 * @property {boolean} colors
 */

/**
 * Logs what is being served, and where.
 * @param {Started} facts
 */
export function sayStarted({ log, handler, app, workers, python, url, colors }) {
  const where = workers === 0 ? '' : `, in ${workers} ${workers === 1 ? 'worker' : 'workers'}`
  log.info({}, `Python ${python.version} (${python.executable}), ${handler.health().python.loop}${where}; Node.js ${process.versions.node}; process ${process.pid}`)
  log.info({}, `asgi-node ${version()} serves ${styled('bold', app, colors)} on ${styled('bold', url, colors)} (Press CTRL+C to quit)`)
}
