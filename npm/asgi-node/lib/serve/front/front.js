// What happens to a request before it reaches the application.

import { validateHeaderName, validateHeaderValue } from 'node:http'
import { healthProbe } from './health.js'
import { isWebSocket } from './paths.js'
import { UnderWay } from './under-way.js'
import { UsageError } from '../errors.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {import('../settings/settings.js').CommandSettings} CommandSettings */
/** @typedef {import('../listen/server.js').Listener} Listener */
/** @typedef {(req: IncomingMessage, res: ServerResponse, next: () => void) => void} Layer */

/**
 * @typedef {object} Front
 * @property {Listener} listener
 * @property {import('../listen/server.js').Upgrade} upgrade
 * @property {(milliseconds: number) => Promise<void>} idle fulfilled when every response has ended, or after this time
 */

/**
 * @param {object} parts
 * @param {import('../../index.js').PythonHandler} parts.handler
 * @param {CommandSettings} parts.settings
 * @param {readonly [string, string | string[]][]} parts.headers
 * @param {readonly Layer[]} parts.files
 * @param {import('./proxy.js').Proxies} parts.proxies
 * @param {{ closing: boolean }} parts.gate `closing`: each connection ends after its response
 * @param {() => void} parts.onRequest called for each request that the application gets
 * @returns {Front}
 */
export function frontOf({ handler, settings, headers, files, proxies, gate, onRequest }) {
  const { healthPath, dateHeader, timeoutKeepAlive } = settings
  const layers = [...(healthPath === undefined ? [] : [healthProbe(handler, healthPath)]), ...files, ...proxies.layers()]
  const outer = proxies.around(handler) ?? handler.listener
  /** @type {Listener} */
  const app = (req, res) => {
    onRequest()
    outer(req, res)
  }
  const underWay = new UnderWay()
  const inner = layers.reduceRight((/** @type {Listener} */ next, layer) => (req, res) => layer(req, res, () => next(req, res)), app)
  return {
    listener: (req, res) => {
      underWay.add(res)
      // HTTP/2 announces the end once for the whole connection.
      if ((gate.closing || timeoutKeepAlive === 0) && req.httpVersionMajor === 1) res.shouldKeepAlive = false
      if (!dateHeader) res.sendDate = false
      for (const [name, value] of headers) res.setHeader(name, value)
      inner(req, res)
    },
    upgrade: (req, socket, head) => {
      if (proxies.upgrade(req, socket, head)) return
      // Other upgrades come back as ordinary requests.
      if (isWebSocket(req)) onRequest()
      handler.upgrade(req, socket, head)
    },
    idle: (milliseconds) => underWay.idle(milliseconds)
  }
}

/**
 * The default headers of each response. The application's own headers replace them.
 * @param {CommandSettings} settings
 * @returns {[string, string | string[]][]}
 */
export function headersOf({ serverHeader, header }) {
  /** @type {Map<string, string[]>} */
  const found = new Map(serverHeader ? [['server', ['asgi-node']]] : [])
  const given = header.map((text) => {
    const [, name, value] = /^([^:]+):\s*(.*)$/s.exec(text) ?? []
    if (name === undefined) throw new UsageError(`--header must be NAME:VALUE, not ${JSON.stringify(text)}`)
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch {
      throw new UsageError(`--header ${JSON.stringify(text)} is not a valid header: a name has letters, digits and dashes, and a value has no control characters`)
    }
    return [name.toLowerCase(), value]
  })
  for (const [name] of given) found.delete(name)
  for (const [name, value] of given) found.set(name, [...(found.get(name) ?? []), value])
  return [...found].map(([name, values]) => [name, values.length === 1 ? values[0] : values])
}
