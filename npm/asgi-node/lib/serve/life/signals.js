import { constants } from 'node:os'

/** The signals that end a server. Process 1 of a container has no default action for them, so each one needs a listener. */
const ENDING = /** @type {const} */ (['SIGTERM', 'SIGINT'])

/** @typedef {typeof ENDING[number]} Ending */

/**
 * @param {object} actions
 * @param {(signal: Ending) => void} actions.onStop called for the first signal
 * @param {(exitCode: number) => void} actions.onInsist called for the second; the third ends the process by default
 * @param {() => void} actions.onReload called for SIGHUP
 */
export function onSignals({ onStop, onInsist, onReload }) {
  let count = 0
  for (const signal of ENDING) {
    process.on(signal, () => {
      const exitCode = 128 + constants.signals[signal]
      count++
      if (count === 1) onStop(signal)
      else if (count === 2) onInsist(exitCode)
      else process.exit(exitCode)
    })
  }
  process.on('SIGHUP', onReload)
}
