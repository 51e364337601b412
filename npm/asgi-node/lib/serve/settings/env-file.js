import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { UsageError } from '../errors.js'

/**
 * Sets the variables of a file that are not set yet. Python sees them, because it is not there before.
 * @param {string} path
 */
export function loadEnvFile(path) {
  let text
  try {
    // Editors on Windows begin a file with a mark of its byte order.
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error)
    throw new UsageError(`The file ${path} of --env-file ${code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`}`)
  }
  for (const [name, value] of Object.entries(parseEnv(text))) process.env[name] ??= value
}
