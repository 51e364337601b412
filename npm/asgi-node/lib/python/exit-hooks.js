// What has to be done before the process, or the worker, ends: one listener for all.

/** @type {Set<() => void>} */
const duties = new Set()

const onExit = () => {
  for (const duty of duties) duty()
}

/** @param {() => void} duty which must not throw, and has to be done at once */
export function atExit(duty) {
  if (duties.size === 0) process.on('exit', onExit)
  duties.add(duty)
}

/** @param {() => void} duty */
export function notAtExit(duty) {
  if (duties.delete(duty) && duties.size === 0) process.off('exit', onExit)
}
