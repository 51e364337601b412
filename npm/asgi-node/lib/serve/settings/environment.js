import { OPTIONS, variableOf } from './table.js'
import { valueOf } from './values.js'

/** @typedef {import('./arguments.js').Given} Given */

/**
 * The options in environment variables. An empty variable is ignored. For a list, each line is one item.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Given}
 */
export function optionsOfEnvironment(env) {
  /** @type {Given} */
  const given = new Map()
  for (const option of OPTIONS.values()) {
    const variable = variableOf(option)
    if (variable === null) continue
    const [name, text] = env[variable] || option.envToo === undefined ? [variable, env[variable]] : [option.envToo, env[option.envToo]]
    if (!text) continue
    const items = option.list ? text.split('\n').filter((line) => line !== '') : [text]
    const values = items.map((item) => valueOf(option, item, name))
    given.set(option.name, option.list ? values : values[0])
  }
  return given
}
