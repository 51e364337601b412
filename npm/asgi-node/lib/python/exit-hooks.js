// Hooks for the end of the process or the worker: one listener runs all of them.

/** @type {Set<() => void>} */
const hooks = new Set()

const onExit = () => {
  for (const hook of hooks) hook()
}

/** @param {() => void} hook which must not throw, and must be synchronous */
export function addExitHook(hook) {
  if (hooks.size === 0) process.on('exit', onExit)
  hooks.add(hook)
}

/** @param {() => void} hook */
export function removeExitHook(hook) {
  if (hooks.delete(hook) && hooks.size === 0) process.off('exit', onExit)
}
