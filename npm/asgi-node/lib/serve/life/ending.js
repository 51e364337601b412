import { onSignals } from './signals.js'
import { isTerminalGone, surviveLostTerminal } from './terminal.js'

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
  surviveLostTerminal()
  onSignals({
    onStop: ending.stop,
    onInsist: (exitCode) => void ending.onInsist().finally(() => process.exit(exitCode)),
    onReload: () => {
      // Then it means the end; any other SIGHUP means a reload.
      if (isTerminalGone()) return ending.stop()
      ending.onReload()
    }
  })
  return ending
}
