import { resolve } from 'node:path'
import { accessLogOf, checkAccessLog } from '../log/access-log.js'
import { show } from '../native/errors.js'
import { Log, checkLogger, consoleLogger, logLevelOf } from '../log/logger.js'
import { DEFAULT, EXTENSION_NAMES, LIMIT } from '../native/protocol.js'
import { trustOf } from '../incoming/proxy.js'
import { withoutTrailingSlashes } from '../message/url.js'
import { rulesOf } from '../rewriter/rewriter.js'
import { appOf, part, target } from './app.js'
import { abortSignal, boolean, milliseconds, oneOf, size, string, whole, wrong } from './checks.js'
import { optionOfOthers } from './misuse.js'
import { groupOf, isRecord, optionsOf, unknownOption } from './names.js'
import { reloadOf, watchedOf } from './reload.js'
import { matchOf, webSocketOf } from './websocket.js'
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

/** @template T @typedef {import('./checks.js').Check<T>} Check */

/**
 * Milliseconds for which a `close()` with these options still takes requests, and then waits for those under way.
 * @param {unknown} [options]
 */
export function closeTimes(options = {}) {
  const { delay = 0, timeout = DEFAULT.CLOSE_TIMEOUT } = optionsOf(options, ['timeout', 'delay'], 'close()')
  return { delay: milliseconds(delay, 'delay'), timeout: milliseconds(timeout, 'timeout') }
}

/** @type {Check<string>} */
const mountPath = (value, name) => {
  if (value === '') return value
  const path = string(value, name)
  if (path[0] !== '/') throw new TypeError(`Option ${name} must start with "/", but is ${show(path)}`)
  return path
}

/** @type {Check<'inherit' | import('../log/types.js').LineFunction>} */
const stdio = (value, name) => {
  if (value === 'inherit') return value
  if (typeof value !== 'function') throw wrong(name, "'inherit' or a function (line, stream)", value)
  return /** @type {import('../log/types.js').LineFunction} */ (value)
}

/** @type {Check<Record<ExtensionName, boolean>>} */
const extensions = (value, name) => {
  const given = groupOf(value, name, EXTENSION_NAMES)
  const entries = EXTENSION_NAMES.map((key) => [key, given[key] === undefined ? false : boolean(given[key], `${name}.${key}`)])
  return Object.fromEntries(entries)
}

/** @satisfies {Record<keyof PythonHandlerOptions, Check<unknown>>} */
const CHECKS = {
  app: target,
  appTarget: target,
  module: part,
  attribute: part,
  docroot: string,
  factory: boolean,
  interface: oneOf(['auto', 'asgi3', 'asgi2', 'wsgi']),
  wsgiThreads: whole('threads', 1, LIMIT.WSGI_THREADS),
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
  highWaterMark: whole('bytes', 1),
  maxConcurrency: whole('requests', 1),
  maxBodySize: size,
  requestTimeout: milliseconds,
  cancelOnDisconnect: boolean,
  extensions,
  websocket: webSocketOf,
  upgrade: matchOf,
  logger: checkLogger,
  accessLog: checkAccessLog,
  stdio,
  blockedThreshold: milliseconds,
  unhealthyAfter: whole('milliseconds', 1),
  deepbind: oneOf(['auto', true, false]),
  workers: workersOf,
  reload: reloadOf
}

/** What the checks return. @typedef {{ [Name in keyof typeof CHECKS]?: ReturnType<typeof CHECKS[Name]> }} Given */

/**
 * @param {PythonHandlerOptions} options
 * @returns {Given}
 */
function checked(options) {
  if (!isRecord(options)) throw new TypeError(`PythonHandler needs an options object, such as { app: 'main:app' }, not ${show(options)}`)
  /** @type {Record<string, Check<unknown>>} */
  const checks = CHECKS
  const given = Object.entries(options).map(([name, value]) => {
    // hasOwn: an option called "constructor" is unknown, not Object's.
    if (!Object.hasOwn(checks, name)) throw optionOfOthers(name) ?? unknownOption(name, Object.keys(checks))
    return [name, value === undefined ? undefined : checks[name](value, name)]
  })
  return Object.fromEntries(given)
}

/**
 * @param {PythonHandlerOptions} options
 * @returns {Settings}
 */
export function checkOptions(options) {
  const given = checked(options)
  const { python, venv, logger = consoleLogger, workers = null } = given
  if (python !== undefined && venv !== undefined) {
    throw new TypeError('Options python and venv cannot be used together: give only one of them')
  }
  const docroot = docrootOf(given)
  const shared = {
    docroot,
    highWaterMark: given.highWaterMark ?? DEFAULT.HIGH_WATER_MARK,
    requestTimeout: given.requestTimeout ?? DEFAULT.REQUEST_TIMEOUT,
    startupTimeout: given.startupTimeout ?? DEFAULT.STARTUP_TIMEOUT,
    shutdownTimeout: given.shutdownTimeout ?? DEFAULT.SHUTDOWN_TIMEOUT,
    cancelOnDisconnect: given.cancelOnDisconnect ?? false
  }
  const websocket = { ...(given.websocket ?? webSocketOf({})), matches: given.upgrade ?? matchOf({}) }
  /** @satisfies {Record<ConfigName, unknown>} */
  const config = { ...shared, ...configOf(given, logger), maxQueue: websocket.maxQueue }
  const log = new Log(logger)
  return {
    ...shared,
    python,
    venv,
    deepbind: given.deepbind ?? 'auto',
    maxBodySize: given.maxBodySize ?? Infinity,
    trust: given.trustProxy ?? null,
    websocket,
    signal: given.signal,
    log,
    stdio: typeof given.stdio === 'function' ? given.stdio : null,
    accessLog: accessLogOf(given.accessLog ?? false, log),
    unhealthyAfter: given.unhealthyAfter ?? DEFAULT.UNHEALTHY_AFTER,
    rewriter: given.rewriter,
    workers,
    reload: watchedOf(given.reload ?? null, docroot, workers),
    config: JSON.stringify(config)
  }
}

/**
 * What only native code needs.
 * @param {Given} given
 * @param {import('../log/types.js').Logger} logger
 */
function configOf(given, logger) {
  return {
    app: appOf(given),
    factory: given.factory ?? false,
    interface: given.interface ?? 'auto',
    wsgiThreads: given.wsgiThreads ?? DEFAULT.WSGI_THREADS,
    loop: given.loop ?? 'auto',
    lifespan: given.lifespan ?? 'auto',
    exitTimeout: given.exitTimeout ?? DEFAULT.EXIT_TIMEOUT,
    // It must not end in a slash, or `rootPath + path` would have two in a row.
    rootPath: withoutTrailingSlashes(given.rootPath ?? ''),
    rootPathStripped: given.rootPathStripped ?? false,
    largestWindow: given.highWaterMark ?? DEFAULT.LARGEST_WINDOW,
    maxConcurrency: given.maxConcurrency ?? DEFAULT.MAX_CONCURRENCY,
    extensions: given.extensions ?? extensions({}, 'extensions'),
    logLevel: logLevelOf(logger),
    takesLines: typeof given.stdio === 'function',
    blockedThreshold: given.blockedThreshold ?? DEFAULT.BLOCKED_THRESHOLD
  }
}

/**
 * @param {Given} given
 */
function docrootOf({ docroot = '.' }) {
  try {
    return resolve(docroot)
  } catch (cause) {
    throw new TypeError('Option docroot must be an absolute path here: the current folder has been deleted', { cause })
  }
}
