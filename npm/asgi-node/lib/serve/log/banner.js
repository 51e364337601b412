import { readFileSync } from 'node:fs'
import { USER_AGENT } from './access.js'
import { styled } from './log.js'

/** Where frameworks show what they can be asked: FastAPI and Quart-Schema, Litestar. */
const DOCS = ['/docs', '/schema']

/** A server that is up says where its documentation is; it does not wait for it. */
const PATIENCE = 1000

/** @returns {string} */
export function version() {
  return JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')).version
}

/**
 * The path of the page that shows the application's OpenAPI; null where there is none.
 * @param {Started} facts
 */
async function docsPath({ handler, access, rootPath }) {
  // As a client on this machine: applications look at who asks.
  const socket = { remoteAddress: '127.0.0.1', remotePort: 0 }
  const headers = { host: '127.0.0.1', accept: 'text/html', 'user-agent': USER_AGENT }
  access.isAsking = true
  try {
    for (const url of DOCS) {
      const { status, body } = await handler.handleRequest({ url, headers, socket }, { signal: AbortSignal.timeout(PATIENCE) })
      if (status === 200 && /openapi|swagger/i.test(body.toString('latin1'))) return rootPath + url
    }
  } catch {
    // It is not there, or not quick: nothing depends on it.
  } finally {
    access.isAsking = false
  }
  return null
}

/**
 * @typedef {object} Started
 * @property {import('../../log/types.js').Logger} log
 * @property {import('../../index.js').PythonHandler} handler
 * @property {{ isAsking: boolean }} access
 * @property {string} app
 * @property {number} workers
 * @property {{ version: string, executable: string }} python
 * @property {string} url
 * @property {string} rootPath
 * @property {boolean} colors
 */

/**
 * Says what runs, and where.
 * @param {Started} facts
 */
export async function sayStarted(facts) {
  const { log, handler, app, workers, python, url, colors } = facts
  const where = workers === 0 ? '' : `, in ${workers} ${workers === 1 ? 'worker' : 'workers'}`
  log.info({}, `Python ${python.version} (${python.executable}), ${handler.health().python.loop}${where}; Node.js ${process.versions.node}; process ${process.pid}`)
  log.info({}, `asgi-node ${version()} serves ${styled('bold', app, colors)} on ${styled('bold', url, colors)} (Press CTRL+C to quit)`)
  const docs = url.startsWith('http') ? await docsPath(facts) : null
  if (docs !== null) log.info({}, `Documentation on ${styled('bold', url + docs, colors)}`)
}
