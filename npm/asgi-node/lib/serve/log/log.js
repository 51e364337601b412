// The command's log on stderr, in uvicorn's form: a level and a line.

import { WriteStream } from 'node:tty'
import { formatWithOptions, styleText } from 'node:util'
import { PythonError } from '../../native/errors.js'
import { inWordsOfTheCommand } from './words.js'

/** @typedef {import('../../log/types.js').Logger} Logger */
/** @typedef {import('../settings/settings.js').Level} Level */
/** @typedef {'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'} Method */

/** uvicorn's name of each level, pino's name, and uvicorn's colour. @type {readonly [Level, Method, 'blue' | 'cyan' | 'green' | 'yellow' | 'red' | 'redBright'][]} */
const LEVELS = [
  ['trace', 'trace', 'blue'],
  ['debug', 'debug', 'cyan'],
  ['info', 'info', 'green'],
  ['warning', 'warn', 'yellow'],
  ['error', 'error', 'red'],
  ['critical', 'fatal', 'redBright']
]

/** Whether to write colours to this stream. @param {boolean | undefined} asked @param {NodeJS.WriteStream} stream */
export function hasColors(asked, stream) {
  if (asked !== undefined) return asked
  // As Node itself does: also where the output is no terminal.
  if (process.env.FORCE_COLOR !== undefined) return WriteStream.prototype.getColorDepth.call(stream, process.env) > 2
  // Looks at NO_COLOR, too.
  return stream.isTTY === true && stream.hasColors()
}

/**
 * @param {Parameters<typeof styleText>[0]} format
 * @param {string} text
 * @param {boolean} colors
 */
export function styled(format, text, colors) {
  // The caller has checked the terminal already.
  return colors ? /** @type {(format: unknown, text: string, options: object) => string} */ (styleText)(format, text, { validateStream: false }) : text
}

/**
 * A logger for a handler and for the command itself.
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
  // The message of a request contains its method and its path already.
  const { logger, err, stack, method: _method, path: _path, id: _id, levelName: _level, ...fields } = object
  // Messages of our own loggers contain their fields, for example a worker's number.
  const isOurs = logger === undefined || /^asgi_node\b/.test(logger)
  if (isOurs) delete fields.worker
  const from = isOurs ? '' : `${logger}: `
  const text = isOurs ? inWordsOfTheCommand(message) : message
  const rest = Object.keys(fields).length === 0 ? '' : ` ${formatWithOptions({ breakLength: Infinity }, '%O', fields)}`
  // The JavaScript stack of a PythonError tells nothing.
  const traceback = err?.traceback ?? stack ?? (err instanceof PythonError ? undefined : err?.stack)
  process.stderr.write(`${start}${from}${text}${rest}${traceback ? `\n${traceback.trimEnd()}` : ''}\n`)
}
