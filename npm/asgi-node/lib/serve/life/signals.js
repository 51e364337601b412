import { constants } from 'node:os'

/** What ends a server. As process 1 of a container it gets no other's default action, so that each has a listener. */
const ENDING = /** @type {const} */ (['SIGTERM', 'SIGINT'])

/** @typedef {typeof ENDING[number]} Ending */

/**
 * @param {object} actions
 * @param {(signal: Ending) => void} actions.onStop the first
 * @param {(exitCode: number) => void} actions.onInsist the second; with the third the process ends by itself
 * @param {() => void} actions.onReload SIGHUP
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
