import { readFileSync, statSync } from 'node:fs'

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

/**
 * The text of a file, without the byte order mark that editors on Windows put first.
 * @param {string} path
 */
export const textOf = (path) => readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
