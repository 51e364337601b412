import { resolve } from 'node:path'
import { accessLogOf, checkAccessLog } from '../log/access-log.js'
import { show } from '../native/errors.js'
import { Log, checkLogger, consoleLogger, logLevelOf } from '../log/logger.js'
import { optionOfOthers } from './misuse.js'
import { optionsOf, unknownOption } from './names.js'
import { DEFAULT, EXTENSION_NAMES } from '../native/protocol.js'
import { trustOf } from '../incoming/proxy.js'
import { withoutTrailingSlashes } from '../message/url.js'
import { rulesOf } from '../rewriter/rewriter.js'
import { reloadOf, watchedOf } from './reload.js'
import { checkUpgrade, checkWebSocket } from './websocket.js'
import { workersOf } from './workers.js'

/** @typedef {import('../index.js').PythonHandlerOptions} PythonHandlerOptions */
/** @typedef {typeof import('../native/protocol.js').CONFIG_NAMES[number]} ConfigName */
/** @typedef {typeof EXTENSION_NAMES[number]} ExtensionName */

/**
 * Checked options, in groups by the code that uses them.
 * @typedef {object} Settings
 * @property {string | undefined} python
 * @property {string | undefined} venv
 * @property {string} docroot absolute
 * @property {'auto' | boolean} deepbind
 * @property {number} highWaterMark bytes per direction and request
 * @property {number} requestTimeout milliseconds, 0 for none
 * @property {number} startupTimeout milliseconds, 0 for none
 * @property {number} shutdownTimeout milliseconds, 0 for none
 * @property {boolean} cancelOnDisconnect
 * @property {number} maxBodySize bytes
 * @property {import('../incoming/proxy.js').Trust | null} trust in proxies
 * @property {import('./websocket.js').WebSocketSettings} websocket
 * @property {AbortSignal | undefined} signal that closes the handler
 * @property {Log} log
 * @property {import('../log/types.js').LineFunction | null} stdio
 * @property {import('../log/access-log.js').AccessLog | null} accessLog
 * @property {number} unhealthyAfter milliseconds
 * @property {string | undefined} rewriter its rules, as JSON
 * @property {import('./workers.js').WorkerSettings | null} workers null: the application runs in this process
 * @property {import('../reload/watcher.js').Watched | import('../reload/watcher.js').Watcher | null} reload what is watched; null for nothing
 * @property {string} config the argument of NativeHandler's constructor, as JSON
 */

/** @typedef {(value: unknown, name: string) => void} Check */

/** @type {Check} */
const string = (value, name) => {
  if (typeof value !== 'string') throw wrong(name, 'a string', value)
  if (value === '') throw new TypeError(`Option ${name} must not be empty`)
  checkText(value, name)
}

/**
 * Refuses texts that Python could not take.
 * @param {string} text
 * @param {string} name
 */
function checkText(text, name) {
  if (text.includes('\0')) throw new TypeError(`Option ${name} must not contain NUL`)
  if (/\p{Surrogate}/u.test(text)) throw new TypeError(`Option ${name} must be text, but has half of a surrogate pair: ${show(text)}`)
}

/** @type {Check} */
const boolean = (value, name) => {
  if (typeof value !== 'boolean') throw wrong(name, 'a boolean', value)
}

/** @type {Check} */
const count = (value, name) => {
  if (!Number.isInteger(value) || Number(value) < 1 || Number(value) > 0x7fffffff) {
    throw wrong(name, 'a positive integer below 2^31', value)
  }
}

/** More threads than the limit are a mistake: each has a stack. @type {Check} */
const threads = (value, name) => {
  if (!Number.isInteger(value) || Number(value) < 1 || Number(value) > 1024) {
    throw wrong(name, 'an integer from 1 to 1024', value)
  }
}

/** @type {Check} */
const size = (value, name) => {
  if (value !== Infinity && (!Number.isSafeInteger(value) || Number(value) < 0)) {
    throw wrong(name, 'a whole number of bytes, or Infinity', value)
  }
}

/** @param {number} least @returns {Check} */
const millisecondsFrom = (least) => (value, name) => {
  // Above 2^31 - 1 a timer of Node fires at once.
  if (!Number.isInteger(value) || Number(value) < least || Number(value) > 0x7fffffff) {
    throw wrong(name, `a whole number of milliseconds from ${least} to 2^31 - 1`, value)
  }
}

export const milliseconds = millisecondsFrom(0)

/**
 * Milliseconds for which a `close()` with these options still takes requests, and then waits for those under way.
 * @param {unknown} [options]
 */
export function closeTimes(options = {}) {
  const { delay = 0, timeout = DEFAULT.CLOSE_TIMEOUT } = optionsOf(options, ['timeout', 'delay'], 'close()')
  milliseconds(delay, 'delay')
  milliseconds(timeout, 'timeout')
  return { delay: Number(delay), timeout: Number(timeout) }
}

/** @param {readonly unknown[]} allowed @returns {Check} */
const oneOf = (allowed) => (value, name) => {
  if (!allowed.includes(value)) throw wrong(name, `one of ${allowed.map((item) => show(item)).join(', ')}`, value)
}

/** @type {Check} */
const abortSignal = (value, name) => {
  if (!(value instanceof AbortSignal)) throw wrong(name, 'an AbortSignal', value)
}

/** @type {Check} */
const target = (value, name) => {
  if (typeof value !== 'string' && (typeof value !== 'object' || value === null)) {
    throw wrong(name, 'a string "module:attribute" or { module, attribute }', value)
  }
}

/** @type {Check} */
const mountPath = (value, name) => {
  if (value === '') return
  string(value, name)
  if (String(value)[0] !== '/') throw new TypeError(`Option ${name} must start with "/", but is ${show(value)}`)
}

/** @type {Check} */
const stdio = (value, name) => {
  if (value !== 'inherit' && typeof value !== 'function') throw wrong(name, "'inherit' or a function (line, stream)", value)
}

/** @type {Check} */
const extensions = (value, name) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(name, 'an object such as { pathsend: true }', value)
  for (const [key, on] of Object.entries(value)) {
    if (!EXTENSION_NAMES.some((known) => known === key)) throw unknownOption(`${name}.${key}`, EXTENSION_NAMES.map((known) => `${name}.${known}`))
    if (on !== undefined) boolean(on, `${name}.${key}`)
  }
}

/** @type {Record<string, Check>} */
const CHECKS = {
  app: target,
  appTarget: target,
  module: string,
  attribute: string,
  docroot: string,
  factory: boolean,
  interface: oneOf(['auto', 'asgi3', 'asgi2', 'wsgi']),
  wsgiThreads: threads,
  python: string,
  venv: string,
  loop: oneOf(['auto', 'asyncio', 'uvloop']),
  lifespan: oneOf(['auto', 'on', 'off']),
  startupTimeout: milliseconds,
  shutdownTimeout: milliseconds,
  exitTimeout: milliseconds,
  signal: abortSignal,
  rootPath: mountPath,
  rootPathStripped: boolean,
  rewriter: rulesOf,
  trustProxy: trustOf,
  highWaterMark: count,
  maxConcurrency: count,
  maxBodySize: size,
  requestTimeout: milliseconds,
  cancelOnDisconnect: boolean,
  extensions,
  websocket: checkWebSocket,
  upgrade: checkUpgrade,
  logger: checkLogger,
  accessLog: checkAccessLog,
  stdio,
  blockedThreshold: milliseconds,
  unhealthyAfter: millisecondsFrom(1),
  deepbind: oneOf(['auto', true, false]),
  workers: workersOf,
  reload: reloadOf
}

/**
 * @param {PythonHandlerOptions} options
 * @returns {Settings}
 */
export function checkOptions(options) {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`PythonHandler needs an options object, such as { app: 'main:app' }, not ${show(options)}`)
  }
  for (const [name, value] of Object.entries(options)) {
    // hasOwn: an option called "constructor" is unknown, not Object's.
    if (!Object.hasOwn(CHECKS, name)) throw optionOfOthers(name) ?? unknownOption(name, Object.keys(CHECKS))
    if (value !== undefined) CHECKS[name](value, name)
  }
  const { python, venv, deepbind = 'auto', highWaterMark = DEFAULT.HIGH_WATER_MARK, maxConcurrency = DEFAULT.MAX_CONCURRENCY, requestTimeout = DEFAULT.REQUEST_TIMEOUT } = options
  const { startupTimeout = DEFAULT.STARTUP_TIMEOUT, shutdownTimeout = DEFAULT.SHUTDOWN_TIMEOUT } = options
  const { cancelOnDisconnect = false, maxBodySize = Infinity, trustProxy = false } = options
  if (python !== undefined && venv !== undefined) {
    throw new TypeError('Options python and venv cannot be used together: give only one of them')
  }
  const docroot = docrootOf(options)
  const websocket = { ...checkWebSocket(options.websocket ?? {}), matches: checkUpgrade(options.upgrade ?? {}) }
  /** @satisfies {Record<ConfigName, unknown> & { extensions: Record<ExtensionName, boolean> }} */
  const config = {
    app: appOf(options),
    factory: options.factory ?? false,
    interface: options.interface ?? 'auto',
    wsgiThreads: options.wsgiThreads ?? DEFAULT.WSGI_THREADS,
    docroot,
    loop: options.loop ?? 'auto',
    lifespan: options.lifespan ?? 'auto',
    startupTimeout,
    shutdownTimeout,
    exitTimeout: options.exitTimeout ?? DEFAULT.EXIT_TIMEOUT,
    // It must not end in a slash, or `rootPath + path` would have two in a row.
    rootPath: withoutTrailingSlashes(options.rootPath ?? ''),
    rootPathStripped: options.rootPathStripped ?? false,
    highWaterMark,
    largestWindow: options.highWaterMark ?? DEFAULT.LARGEST_WINDOW,
    maxConcurrency,
    maxQueue: websocket.maxQueue,
    requestTimeout,
    cancelOnDisconnect,
    extensions: { pathsend: options.extensions?.pathsend ?? false, zerocopysend: options.extensions?.zerocopysend ?? false },
    logLevel: logLevelOf(options.logger ?? consoleLogger),
    takesLines: typeof options.stdio === 'function',
    blockedThreshold: options.blockedThreshold ?? DEFAULT.BLOCKED_THRESHOLD
  }
  const trust = trustOf(trustProxy)
  const settings = { python, venv, docroot, deepbind, highWaterMark, requestTimeout, cancelOnDisconnect, maxBodySize, trust, websocket, signal: options.signal }
  const log = new Log(options.logger ?? consoleLogger)
  const workers = workersOf(options.workers)
  return {
    ...settings,
    startupTimeout,
    shutdownTimeout,
    log,
    stdio: typeof options.stdio === 'function' ? options.stdio : null,
    accessLog: accessLogOf(options.accessLog ?? false, log),
    unhealthyAfter: options.unhealthyAfter ?? DEFAULT.UNHEALTHY_AFTER,
    rewriter: options.rewriter === undefined ? undefined : rulesOf(options.rewriter),
    workers,
    reload: watchedOf(options.reload, docroot, workers),
    config: JSON.stringify(config)
  }
}

/**
 * @param {PythonHandlerOptions} options
 */
function docrootOf({ docroot = '.' }) {
  try {
    return resolve(docroot)
  } catch (cause) {
    throw new TypeError('Option docroot must be an absolute path here: the current folder has been deleted', { cause })
  }
}

/**
 * The app as `module:attribute`, whichever option was used.
 * @param {PythonHandlerOptions} options
 */
function appOf({ app, appTarget, module, attribute }) {
  const given = [app, appTarget, module].filter((value) => value !== undefined)
  if (given.length === 0) throw new TypeError('Option app is missing: name the application, as in { app: "main:app" }')
  if (given.length > 1) throw new TypeError('Options app, appTarget and module cannot be used together: give only one of them')
  if (attribute !== undefined && module === undefined) throw new TypeError('Option attribute needs option module')
  if (module !== undefined) return joined(module, attribute ?? 'app')
  const [value] = given
  const name = app === undefined ? 'appTarget' : 'app'
  if (typeof value === 'object') {
    for (const key of Object.keys(value)) {
      if (key !== 'module' && key !== 'attribute') throw new TypeError(`Unknown key ${show(key)} in option ${name}`)
    }
    string(value.module, `${name}.module`)
    if (value.attribute !== undefined) string(value.attribute, `${name}.attribute`)
    return joined(value.module, value.attribute ?? 'app')
  }
  const text = String(value)
  checkText(text, name)
  const [before, after, ...rest] = text.split(':')
  if (!before || !after || rest.length > 0) {
    throw new TypeError(`Option ${name} must look like "module:attribute", but is ${show(text)}`)
  }
  return text
}

/**
 * @param {string} module
 * @param {string} attribute
 */
function joined(module, attribute) {
  for (const [name, value] of Object.entries({ module, attribute })) {
    if (value.includes(':')) throw new TypeError(`Option ${name} must not contain ":", but is ${show(value)}`)
  }
  return `${module}:${attribute}`
}

/**
 * @param {string} name
 * @param {string} expected
 * @param {unknown} value
 */
function wrong(name, expected, value) {
  return new TypeError(`Option ${name} must be ${expected}, not ${show(value)}`)
}
