import { show } from '../native/errors.js'

/**
 * The parts of a request URL. `target` is sent as it is: nothing is normalised, because `//a/../b` and `/b` are
 * two different requests to an application. `host` is '' if the URL was only a path.
 * @typedef {{ scheme: 'http' | 'https', target: string, host: string, port: string, authority: string, websocket: boolean }} ParsedUrl
 */

const ABSOLUTE = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/is
const CONTROL = /[\0-\x1f\x7f]/
const UNSAFE = /[^\x21-\x7e]/

/**
 * @param {unknown} url a string or a URL
 * @returns {ParsedUrl}
 */
export function parseUrl(url) {
  const text = url instanceof URL ? url.href : url
  if (typeof text !== 'string') throw new TypeError(`url must be a string or a URL, not ${show(url)}`)
  if (text[0] === '/' || text === '*') {
    return { scheme: 'http', target: safe(text), host: '', port: '', authority: '', websocket: false }
  }
  const match = ABSOLUTE.exec(text)
  if (!match) throw new TypeError(`Invalid url ${show(text)}: neither a path that starts with "/" nor http(s)://…`)
  const [, scheme, authority, rest] = match
  const origin = parseOrigin(scheme.toLowerCase(), authority, text)
  return { ...origin, target: safe(rest[0] === '/' ? rest : `/${rest}`) }
}

/**
 * Removes the slashes at the end of a path. Not by a regular expression: it would try again at every slash inside.
 * @param {string} path
 */
export function withoutTrailingSlashes(path) {
  let end = path.length
  while (end > 0 && path[end - 1] === '/') end--
  return path.slice(0, end)
}

/** The text before the path of a parsed url. @param {string} url */
export function originOf(url) {
  const match = ABSOLUTE.exec(url)
  return match === null ? '' : `${match[1]}://${match[2]}`
}

/** @type {{ key: string, origin: Omit<ParsedUrl, 'target'> } | undefined} */
let latest

/**
 * @param {string} scheme
 * @param {string} authority
 * @param {string} text the whole URL, for the message
 */
function parseOrigin(scheme, authority, text) {
  // Callers use one origin again and again, and `new URL` costs more than the rest of a request in JavaScript.
  const key = `${scheme}://${authority}`
  if (latest?.key === key) return latest.origin
  const websocket = scheme === 'ws' || scheme === 'wss'
  if (!websocket && scheme !== 'http' && scheme !== 'https') {
    throw new TypeError(`Invalid url ${show(text)}: the scheme must be http, https, ws or wss`)
  }
  let parsed
  try {
    parsed = new URL(key)
  } catch (cause) {
    throw new TypeError(`Invalid url ${show(text)}: bad host ${show(authority)}`, { cause })
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw new TypeError('Invalid url: credentials belong in an authorization header, not in the url')
  }
  const secure = scheme === 'https' || scheme === 'wss'
  const origin = {
    scheme: /** @type {'http' | 'https'} */ (secure ? 'https' : 'http'),
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port || (secure ? '443' : '80'),
    authority: parsed.host,
    websocket
  }
  latest = { key, origin }
  return origin
}

/**
 * The target as a request line may have it: spaces and all characters outside ASCII percent-encoded, as clients do.
 * @param {string} target
 */
function safe(target) {
  if (!UNSAFE.test(target)) return target
  if (CONTROL.test(target)) throw new TypeError(`Invalid url: control character in ${show(target)}`)
  try {
    return target.replace(/[^\x21-\x7e]+/g, encodeURIComponent)
  } catch (cause) {
    throw new TypeError(`Invalid url: lone surrogate in ${show(target)}`, { cause })
  }
}
