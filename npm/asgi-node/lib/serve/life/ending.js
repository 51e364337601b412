import { closeSync, openSync } from 'node:fs'
import { onSignals } from './signals.js'

/** @typedef {ReturnType<typeof endingOf>} Ending */

/**
 * The process is asked to end by signals, or by `stop`.
 * @param {import('../../log/types.js').Logger} log
 * @param {string} noReload said at SIGHUP until there is something to load anew
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

/** Whoever closes a terminal wants what runs in it to end, and sends the signal that elsewhere is a reload. */
function isTerminalGone() {
  if (!process.stderr.isTTY) return false
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return false
  } catch {
    return true
  }
}
