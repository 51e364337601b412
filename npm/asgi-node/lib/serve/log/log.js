// What the command says: on stderr as uvicorn says it, a level and a line.

import { formatWithOptions, styleText } from 'node:util'
import { PythonError } from '../../native/errors.js'
import { inWordsOfTheCommand } from './words.js'

/** @typedef {import('../../log/types.js').Logger} Logger */
/** @typedef {import('../settings/settings.js').Level} Level */
/** @typedef {'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'} Method */

/** uvicorn's name, pino's, and uvicorn's colour. @type {readonly [Level, Method, 'blue' | 'cyan' | 'green' | 'yellow' | 'red' | 'redBright'][]} */
const LEVELS = [
  ['trace', 'trace', 'blue'],
  ['debug', 'debug', 'cyan'],
  ['info', 'info', 'green'],
  ['warning', 'warn', 'yellow'],
  ['error', 'error', 'red'],
  ['critical', 'fatal', 'redBright']
]

/** Whether colours are wanted on this stream. @param {boolean | undefined} asked @param {NodeJS.WriteStream} stream */
export function hasColors(asked, stream) {
  if (asked !== undefined) return asked
  // Looks at NO_COLOR and FORCE_COLOR, too.
  return stream.isTTY === true && stream.hasColors()
}

/**
 * @param {Parameters<typeof styleText>[0]} format
 * @param {string} text
 * @param {boolean} colors
 */
export function styled(format, text, colors) {
  // Whether there is a terminal has been asked before.
  return colors ? /** @type {(format: unknown, text: string, options: object) => string} */ (styleText)(format, text, { validateStream: false }) : text
}

/**
 * A logger for a handler, which also says what the command has to say.
 * @param {Level} level
 * @param {boolean} colors
 * @returns {Logger & Required<Pick<Logger, 'level'>>}
 */
export function loggerFor(level, colors) {
  const from = LEVELS.findIndex(([name]) => name === level)
  const methods = LEVELS.map(([name, method, color], index) => [
    method,
    index < from ? () => {} : (/** @type {Record<string, unknown>} */ object, /** @type {string} */ message) => write(prefix(name, color, colors), object, message)
  ])
  return /** @type {Logger & { level: string }} */ ({ level: LEVELS[from][1], ...Object.fromEntries(methods) })
}

/** @param {Level} level @param {typeof LEVELS[number][2]} color @param {boolean} colors */
const prefix = (level, color, colors) => `${styled(color, level.toUpperCase(), colors)}:${' '.repeat(9 - level.length)}`

/**
 * @param {string} start
 * @param {Record<string, any>} object
 * @param {string} message
 */
function write(start, object, message) {
  // A message about a request has its method and its path in it already.
  const { logger, err, stack, method: _method, path: _path, id: _id, levelName: _level, ...fields } = object
  // What our own loggers say has it in its words, the number of a worker too.
  const isOurs = logger === undefined || /^asgi_node\b/.test(logger)
  if (isOurs) delete fields.worker
  const from = isOurs ? '' : `${logger}: `
  const text = isOurs ? inWordsOfTheCommand(message) : message
  const rest = Object.keys(fields).length === 0 ? '' : ` ${formatWithOptions({ breakLength: Infinity }, '%O', fields)}`
  // Where a PythonError was made in JavaScript says nothing.
  const traceback = err?.traceback ?? stack ?? (err instanceof PythonError ? undefined : err?.stack)
  process.stderr.write(`${start}${from}${text}${rest}${traceback ? `\n${traceback.trimEnd()}` : ''}\n`)
}
