// What has to be done before the process, or the worker, ends: one listener for all.

/** @type {Set<() => void>} */
const hooks = new Set()

const onExit = () => {
  for (const hook of hooks) hook()
}

/** @param {() => void} hook which must not throw, and has to be done at once */
export function addExitHook(hook) {
  if (hooks.size === 0) process.on('exit', onExit)
  hooks.add(hook)
}

/** @param {() => void} hook */
export function removeExitHook(hook) {
  if (hooks.delete(hook) && hooks.size === 0) process.off('exit', onExit)
}
