import { closeSync, openSync } from 'node:fs'
import { isatty } from 'node:tty'

/** The standard streams that were a terminal at the start. */
const terminals = [0, 1, 2].filter((fd) => isatty(fd))

/** Whether the terminal was closed. */
export function isTerminalGone() {
  if (!process.stderr.isTTY) return false
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return false
  } catch {
    return true
  }
}

/**
 * Node 20 resets the mode of its terminal when the process ends. If the terminal has gone by then, it aborts. It leaves alone what
 * is another file.
 */
export function surviveLostTerminal() {
  process.on('exit', () => {
    for (const fd of terminals) {
      if (isatty(fd)) continue
      try {
        closeSync(fd)
      } catch {
        // Somebody has closed it already, and Node leaves that alone, too.
        continue
      }
      openSync('/dev/null', 'r+')
    }
  })
}
