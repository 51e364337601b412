// --static DIR[:PREFIX]: serves files before the application is asked. Express uses the same library.

import { STATUS_CODES } from 'node:http'
import { resolve } from 'node:path'
import send from 'send'
import { isBelow, prefixOf, targetOf } from './paths.js'
import { UsageError } from '../errors.js'
import { isFolder } from '../settings/files.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:http').ServerResponse} ServerResponse */

/** Headers that `send` has set for the file. They do not fit an error response. */
const OF_THE_FILE = ['accept-ranges', 'cache-control', 'content-length', 'content-type', 'etag', 'last-modified']

/**
 * Serves the files of a folder. Requests for other paths go on to the next layer.
 * @param {string} text `DIR` or `DIR:PREFIX`
 * @param {import('./follower.js').Follower} follower
 * @returns {import('./front.js').Layer}
 */
export function staticFiles(text, follower) {
  const [, folder, mount = '/'] = /** @type {RegExpExecArray} */ (/^(.*?)(?::(\/.*))?$/s.exec(text))
  if (folder === '' || !isFolder(folder)) {
    throw new UsageError(`--static ${text}: ${folder === '' ? 'it must be DIR or DIR:PREFIX' : `there is no folder ${resolve(folder)}`}`)
  }
  const root = resolve(folder)
  const prefix = prefixOf(mount)
  return (req, res, next) => {
    const target = targetOf(req)
    if ((req.method !== 'GET' && req.method !== 'HEAD') || !isBelow(target, prefix)) return next()
    serveFile({ req, res, next, root, prefix, target, follow: () => follower.follow(req, res) })
  }
}

/**
 * @param {object} parts
 * @param {IncomingMessage} parts.req
 * @param {ServerResponse} parts.res
 * @param {() => void} parts.next
 * @param {string} parts.root
 * @param {string} parts.prefix
 * @param {string} parts.target
 * @param {() => void} parts.follow
 */
function serveFile({ req, res, next, root, prefix, target, follow }) {
  const [path, ...query] = target.split(/(?=[?#])/)
  const below = path.slice(prefix.length)
  let isFound = false
  const found = () => {
    if (!isFound) follow()
    isFound = true
  }
  send(req, below, { root })
    .on('headers', found)
    .on('directory', () => {
      if (below.endsWith('/')) return next()
      found()
      redirect(res, path, query.join(''))
    })
    .on('error', (/** @type {Failure} */ failure) => {
      // The file exists, but it cannot be read, or the request asks for a range or a version that does not exist.
      if (!isFound && (failure.statusCode ?? 500) < 500) return next()
      found()
      if (res.headersSent) res.destroy()
      else refuse(res, failure)
    })
    .pipe(res)
}

/**
 * Redirects to the same folder with a slash at its end, so that relative links of its page work. The path gets exactly one slash
 * at its beginning, because two would name another server.
 * @param {ServerResponse} res
 * @param {string} path
 * @param {string} query
 */
function redirect(res, path, query) {
  const location = `${path.replace(/^\/+/, '/')}/${query}`.replaceAll(/[^\w.~:/?#[\]@!$&'()*+,;=%-]/g, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
  res.writeHead(301, { location, 'content-type': 'text/plain; charset=utf-8' }).end(`Redirecting to ${location}`)
}

/** @typedef {{ statusCode?: number, headers?: Record<string, string> }} Failure as http-errors makes them */

/** @param {ServerResponse} res @param {Failure} failure */
function refuse(res, { statusCode = 500, headers }) {
  const status = statusCode >= 400 && statusCode < 500 ? statusCode : 500
  for (const name of OF_THE_FILE) res.removeHeader(name)
  const answer = { ...(status < 500 && headers), 'content-type': 'text/plain; charset=utf-8' }
  res.writeHead(status, answer).end(STATUS_CODES[status])
}
