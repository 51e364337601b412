import { optionsOf } from './settings/arguments.js'
import { version } from './log/banner.js'
import { helpText } from './settings/help.js'
import { serve } from './serve.js'
import { settingsOf } from './settings/settings.js'
import { Silent, StartError, UsageError } from './errors.js'

/** The defaults of `asgi-node dev`. @type {import('./settings/arguments.js').Given} */
const DEV = new Map([['reload', true]])

/** @typedef {{ stdout: { write(text: string): unknown }, stderr: { write(text: string): unknown } }} Streams */

/**
 * @param {string[]} args
 * @param {Streams} streams
 * @param {boolean} [isDev] `asgi-node dev`: --reload is the default
 * @returns {Promise<number>} the exit status
 */
export async function main(args, { stdout, stderr }, isDev = false) {
  const say = (/** @type {string} */ text) => {
    stdout.write(text)
    return 0
  }
  try {
    const given = optionsOf(args)
    if (given.get('help')) return say(helpText())
    if (given.get('version')) return say(`asgi-node ${version()}, Node.js ${process.versions.node}\n`)
    return await serve(await settingsOf(given, isDev ? DEV : undefined))
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof StartError)) throw error
    if (!(error instanceof Silent)) stderr.write(`asgi-node: ${error.message}\n`)
    return error instanceof StartError ? error.exitCode : 2
  }
}
