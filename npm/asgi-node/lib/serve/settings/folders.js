import { statSync } from 'node:fs'

/**
 * Whether a folder is there, and may be reached.
 * @param {string} path
 */
export function isFolder(path) {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
