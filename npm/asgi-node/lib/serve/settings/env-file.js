import { parseEnv } from 'node:util'
import { UsageError } from '../errors.js'
import { textOf } from './files.js'

/**
 * Sets the variables of a file, except those that are set already. Python starts later, so it sees them.
 * @param {string} path
 */
export function loadEnvFile(path) {
  let text
  try {
    text = textOf(path)
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error)
    throw new UsageError(`The file ${path} of --env-file ${code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`}`)
  }
  for (const [name, value] of Object.entries(parseEnv(text))) process.env[name] ??= value
}
