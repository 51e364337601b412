// --access-log, with optional colours. The same log has the requests that reach the application and those that do not.

import { forClf, forJson, forUvicorn } from '../../log/access-formats.js'
import { AccessLog } from '../../log/access-log.js'
import { Lines } from '../../log/access-lines.js'
import { Log } from '../../log/logger.js'
import { hasColors, styled } from './log.js'

/** @typedef {import('../../log/types.js').AccessEntry} AccessEntry */
/** @typedef {import('../settings/settings.js').CommandSettings} CommandSettings */

/** @param {number} status */
const colorOf = (status) => (status >= 500 ? 'redBright' : status >= 400 ? 'red' : status >= 300 ? 'yellow' : 'green')

/** @param {AccessEntry} entry */
function coloured(entry) {
  const [, client, request, outcome] = /** @type {RegExpExecArray} */ (/^INFO:( +\S+ - )("(?:[^"\\]|\\.)*")(.*)$/s.exec(forUvicorn(entry)))
  return `${styled('green', 'INFO', true)}:${client}${styled('bold', request, true)}${styled(colorOf(entry.status), outcome, true)}`
}

/**
 * @param {CommandSettings} settings
 * @param {import('../../log/types.js').Logger} logger
 * @returns {AccessLog | null}
 */
export function accessLogFor({ accessLog, accessLogFormat, useColors }, logger) {
  if (!accessLog) return null
  const log = new Log(logger)
  const lines = new Lines(log)
  const uvicorn = hasColors(useColors, process.stdout) ? coloured : forUvicorn
  const format = { uvicorn, combined: forClf, json: forJson }[accessLogFormat]
  return new AccessLog((entry) => lines.add(format(entry)), { detailed: accessLogFormat !== 'uvicorn' }, log)
}
