/**
 * Whether the target is this path, or one below it: "/docs" is, and "/docs/a" and "/docs?x", but not "/docsite".
 * @param {string} target
 * @param {string} prefix without a slash at its end
 */
export function isBelow(target, prefix) {
  if (!target.startsWith(prefix)) return false
  const after = target[prefix.length]
  return after === undefined || after === '/' || after === '?'
}

/** @param {string} path */
export const withoutSlash = (path) => path.replace(/\/+$/, '')
