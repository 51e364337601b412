import { statSync } from 'node:fs'
import { STATUS_CODES } from 'node:http'
import { resolve } from 'node:path'
import serveStatic from 'serve-static'
import { isBelow, withoutSlash } from './paths.js'
import { UsageError } from '../errors.js'

/** @typedef {import('node:http').IncomingMessage & { originalUrl?: string }} Incoming */

/** What serve-static has said of the file, and not of the answer. */
const OF_THE_FILE = ['accept-ranges', 'cache-control', 'content-length', 'content-type', 'etag', 'last-modified']

/**
 * @param {import('node:http').ServerResponse} res
 * @param {{ statusCode?: number, headers?: Record<string, string> }} error as http-errors makes them
 */
function refuse(res, { statusCode = 500, headers }) {
  const status = statusCode >= 400 && statusCode < 500 ? statusCode : 500
  for (const name of OF_THE_FILE) res.removeHeader(name)
  const answer = { ...(status < 500 && headers), 'content-type': 'text/plain; charset=utf-8' }
  res.writeHead(status, answer).end(STATUS_CODES[status])
}

/**
 * Files of a folder. What is not there is the next one's.
 * @param {string} text `DIR` or `DIR:PREFIX`
 * @param {(req: import('node:http').IncomingMessage, res: import('node:http').ServerResponse) => void} follow
 * @returns {import('./front.js').Layer}
 */
export function staticFiles(text, follow) {
  const [, folder, mount = '/'] = /** @type {RegExpExecArray} */ (/^(.*?)(?::(\/.*))?$/s.exec(text))
  if (folder === '' || !statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`--static ${text}: ${folder === '' ? 'it must be DIR or DIR:PREFIX' : `there is no folder ${resolve(folder)}`}`)
  }
  const prefix = withoutSlash(mount)
  // Called when a file has been found.
  const files = serveStatic(folder, { setHeaders: (res) => follow(res.req, res) })
  return (/** @type {Incoming} */ req, res, next) => {
    const url = /** @type {string} */ (req.url)
    if ((req.method !== 'GET' && req.method !== 'HEAD') || !isBelow(url, prefix)) return next()
    // As Express mounts it.
    req.originalUrl = url
    req.url = url.slice(prefix.length).replace(/^(?!\/)/, '/')
    files(req, res, (error) => {
      // The next one finds the request as it came.
      req.url = url
      delete req.originalUrl
      if (error === undefined) return next()
      // The file is there: it cannot be read, or the request asks for a part or a version of it that is not.
      if (res.headersSent) res.destroy()
      else refuse(res, error)
    })
  }
}
