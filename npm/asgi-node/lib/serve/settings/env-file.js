import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { UsageError } from '../errors.js'

/**
 * Sets the variables of a file, except those that are set already. Python starts later, so it sees them.
 * @param {string} path
 */
export function loadEnvFile(path) {
  let text
  try {
    // Editors on Windows write a byte order mark at the beginning of a file.
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error)
    throw new UsageError(`The file ${path} of --env-file ${code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`}`)
  }
  for (const [name, value] of Object.entries(parseEnv(text))) process.env[name] ??= value
}
