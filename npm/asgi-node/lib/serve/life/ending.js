import { closeSync, openSync } from 'node:fs'
import { onSignals } from './signals.js'

/** @typedef {ReturnType<typeof endingOf>} Ending */

/**
 * The process is asked to end by signals, or by `stop`.
 * @param {import('../../log/types.js').Logger} log
 * @param {string} noReload logged at SIGHUP while a reload is not possible
 */
export function endingOf(log, noReload) {
  let stop = () => {}
  const asked = /** @type {Promise<void>} */ (new Promise((resolve) => (stop = resolve)))
  const ending = { asked, isAsked: false, stop: () => {}, onInsist: async () => {}, onReload: () => log.warn({}, noReload) }
  ending.stop = () => {
    ending.isAsked = true
    stop()
  }
  onSignals({
    onStop: ending.stop,
    onInsist: (exitCode) => void ending.onInsist().finally(() => process.exit(exitCode)),
    onReload: () => {
      if (isTerminalGone()) return ending.stop()
      ending.onReload()
    }
  })
  return ending
}

/** Whether the terminal was closed. Its SIGHUP means the end of the process; any other SIGHUP means a reload. */
function isTerminalGone() {
  if (!process.stderr.isTTY) return false
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return false
  } catch {
    return true
  }
}
