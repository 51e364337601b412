import { inspect } from 'node:util'
import { PythonError, show, withPythonStack } from '../native/errors.js'

/** @typedef {import('./types.js').Logger} Logger */
/** @typedef {import('./types.js').LogLevel} LogLevel */

/** pino's levels with Python's numbers. @type {readonly [LogLevel, number][]} */
const LEVELS = [['trace', 5], ['debug', 10], ['info', 20], ['warn', 30], ['error', 40], ['fatal', 50]]
const SILENT = 255

/** The fields that pino itself writes into each line: another of that name would be there twice. */
const RESERVED = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'logger', 'err', 'worker'])

/**
 * @param {unknown} value the option `logger`
 * @returns {Logger}
 */
export function checkLogger(value) {
  const shape = /** @type {Record<string, unknown> | null} */ (value)
  if (shape === null || (typeof shape !== 'object' && typeof shape !== 'function')) {
    throw new TypeError(`Option logger must be an object with the methods of a pino logger, not ${show(value)}`)
  }
  for (const level of ['debug', 'info', 'warn', 'error']) {
    if (typeof shape[level] !== 'function') throw new TypeError(`Option logger must have a method ${level}(object, message), as a pino logger has`)
  }
  return /** @type {Logger} */ (value)
}

/**
 * The lowest level of records that this logger wants, in Python's numbers; 0 if it does not say.
 * @param {Logger} logger
 */
export function logLevelOf(logger) {
  if (logger === consoleLogger) return 30
  if (logger.level === 'silent') return SILENT
  return LEVELS.find(([name]) => name === logger.level)?.[1] ?? 0
}

/**
 * The name in pino of one of Python's levels.
 * @param {number} number
 * @returns {LogLevel}
 */
function nameOf(number) {
  let found = LEVELS[0][0]
  for (const [name, least] of LEVELS) if (number >= least) found = name
  return found
}

/** One line of the console, then the traceback. @type {(method: 'error' | 'warn' | 'log') => (object: object, message: string) => void} */
const print = (method) => (object, message) => {
  const { logger, err, stack, method: verb, path, id, ...fields } = /** @type {Record<string, any>} */ (object)
  // An error that is neither Python's nor ours is shown as it is.
  if (err !== undefined && !(err instanceof PythonError)) return console[method](err)
  const from = logger === undefined ? '' : `${logger}: `
  // The message already has the first two.
  const request = verb === undefined || path === undefined ? { method: verb, path, id } : {}
  for (const [name, value] of Object.entries(request)) if (value !== undefined) fields[name] = value
  const number = id === undefined || fields.id !== undefined ? '' : ` (request ${id})`
  const rest = Object.keys(fields).length > 0 ? ` ${inspect(fields, { breakLength: Infinity })}` : ''
  const traceback = err?.traceback ?? stack
  console[method](`${from}${message}${number}${rest}${traceback ? `\n${traceback.trimEnd()}` : ''}`)
}

/** The default `logger`: warnings and errors. @type {Logger} */
export const consoleLogger = {
  trace() {},
  debug() {},
  info() {},
  warn: print('warn'),
  error: print('error'),
  fatal: print('error')
}

/**
 * As `object[key] = value`, except that `__proto__` is a key like any other.
 * @param {unknown} object
 * @param {string} key
 * @param {unknown} value
 */
function setOwn(object, key, value) {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
}

/**
 * @param {string} text from a worker, which may be broken
 * @returns {Record<string, any> | null} null where it is none
 */
function recordOf(text) {
  const isObject = (/** @type {unknown} */ value) => typeof value === 'object' && value !== null
  try {
    const record = JSON.parse(text)
    const { m: message, x: extra = {}, e: exception = {} } = record
    return typeof message === 'string' && isObject(extra) && isObject(exception) ? record : null
  } catch {
    return null
  }
}

/** The log of a handler, for facts that are not reported elsewhere. */
export class Log {
  #logger
  #reported = false

  /** @param {Logger} [logger] */
  constructor(logger = consoleLogger) {
    this.#logger = logger
    /** Whether it is the user's logger: it may read the asynchronous context of a request. */
    this.isCustom = logger !== consoleLogger
  }

  /**
   * Never throws: if a logger throws, the request must not fail, and the line must not be lost.
   * @param {LogLevel} level
   * @param {Record<string, unknown>} object
   * @param {string} message
   */
  write(level, object, message) {
    const logger = this.#logger
    if (object.err instanceof PythonError) object.err = withPythonStack(object.err)
    try {
      const method = logger[level] ?? logger[level === 'fatal' ? 'error' : 'debug']
      const result = /** @type {unknown} */ (method.call(logger, object, message))
      if (result instanceof Promise) result.catch((error) => this.#broken(error, level, object, message))
    } catch (error) {
      this.#broken(error, level, object, message)
    }
  }

  /**
   * @param {unknown} error
   * @param {LogLevel} level
   * @param {Record<string, unknown>} object
   * @param {string} message
   */
  #broken(error, level, object, message) {
    try {
      if (!this.#reported) console.error('The option logger of a PythonHandler has thrown; the console is used instead:', error)
      this.#reported = true
      if (level !== 'trace' && level !== 'debug') print(level === 'info' ? 'log' : level === 'warn' ? 'warn' : 'error')(object, message)
    } catch {
      // Not even the console works: nothing more can be done.
    }
  }

  /**
   * Logs that a function of the user has thrown.
   * @param {'stdio' | 'accessLog' | 'upgrade.match'} option
   * @param {unknown} error
   */
  threw(option, error) {
    const err = error instanceof Error ? error : new Error(String(error))
    this.write('error', { option, err }, `The function of option ${option} has thrown`)
  }

  /**
   * A record of Python's `logging`.
   * @param {number} number its level
   * @param {string} text its JSON, from `asgi_node.runtime.logs`
   */
  record(number, text) {
    const record = recordOf(text)
    if (record === null) return this.write('warn', { logger: 'asgi_node', text }, 'A log record of Python cannot be read')
    const { n: logger, m: message, x: extra, e: exception, l: levelName, w: worker } = record
    /** @type {Record<string, unknown>} */
    const object = { logger }
    if (worker !== undefined) object.worker = worker
    if (levelName !== undefined) object.levelName = levelName
    if (extra !== undefined) {
      for (const [key, value] of Object.entries(extra)) {
        if (RESERVED.has(key)) setOwn((object.extra ??= {}), key, value)
        else setOwn(object, key, value)
      }
    }
    if (exception !== undefined) {
      const err = new PythonError('PYTHON_EXCEPTION', exception.m, { traceback: exception.s })
      // The JavaScript stack of this error has no useful information.
      err.stack = exception.s
      object.err = err
    }
    this.write(nameOf(number), object, message)
  }

  /**
   * Logs how many records and lines were dropped.
   * @param {number} records
   * @param {number} lines
   */
  dropped(records, lines) {
    const what = [records > 0 ? `${records} log records` : '', lines > 0 ? `${lines} lines of output` : ''].filter(Boolean)
    const message = `${what.join(' and ')} of Python were dropped: JavaScript did not take them in time`
    this.write('warn', { logger: 'asgi_node', droppedRecords: records, droppedLines: lines }, message)
  }
}
