// Reads the command line with `parseArgs` of node:util, which only splits the arguments. Help, other sources of options and
// suggestions come from our own table, because they serve more than the command line.

import { parseArgs } from 'node:util'
import { show } from '../../native/errors.js'
import { nearest } from '../../options/names.js'
import { REFUSED } from './refused.js'
import { OPTIONS, isNegatable } from './table.js'
import { UsageError } from '../errors.js'
import { valueOf } from './values.js'

/** @typedef {import('./values.js').Value} Value */
/** @typedef {Map<string, Value | Value[]>} Given the options that one source has given, by name */

const PARSED = Object.fromEntries(
  [...OPTIONS.values()].map(({ name, type, list = false }) => [
    name,
    { type: /** @type {'boolean' | 'string'} */ (type === 'flag' ? 'boolean' : 'string'), multiple: list, ...(name === 'help' && { short: 'h' }) }
  ])
)
delete PARSED.app

/** What one letter may be meant for: other servers have these. @type {Readonly<Record<string, string>>} */
const SHORT = { p: 'port', b: 'host', H: 'host', w: 'workers', k: 'loop', r: 'reload', e: 'env-file', v: 'version', V: 'version' }

/**
 * @param {readonly string[]} args
 * @returns {Given}
 */
export function optionsOf(args) {
  const { tokens } = parseArgs({ args: [...args], options: PARSED, strict: false, allowPositionals: true, tokens: true })
  /** @type {Given} */
  const given = new Map()
  for (const token of tokens) {
    if (token.kind === 'positional') add(given, 'app', token.value, 'APP')
    else if (token.kind === 'option') addOption(given, token)
  }
  return given
}

/**
 * @param {Given} given
 * @param {{ name: string, rawName: string, value: string | undefined, inlineValue?: boolean | undefined }} token
 */
function addOption(given, { name, rawName, value, inlineValue }) {
  const positive = name.startsWith('no-') ? name.slice(3) : name
  const option = OPTIONS.get(positive)
  if (option !== undefined && name !== 'app' && (positive === name || isNegatable(option))) {
    if (option.type === 'flag') {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value, but got ${show(value)}`)
      given.set(positive, positive === name)
      return
    }
    // A value that begins with a dash would be the next option, unless it follows "=" or is a number.
    if (value === undefined || (!inlineValue && /^-(?![\d.])./.test(value))) throw new UsageError(`${rawName} needs a value: ${rawName} ${option.value ?? option.choices?.join('|')}`)
    return add(given, name, value, rawName)
  }
  const reason = REFUSED.get(name)
  if (reason !== undefined) throw new UsageError(`${rawName} is an option of uvicorn that asgi-node does not have: ${reason}`)
  const suggestion = rawName.startsWith('--') ? nearest(name, known()) : (SHORT[name] ?? null)
  throw new UsageError(`Unknown option ${rawName}${suggestion === null ? ': asgi-node --help lists all' : `. Did you mean --${suggestion}?`}`)
}

/** Each option as it may be written. */
const known = () => [...OPTIONS.values()].filter(({ name }) => name !== 'app').flatMap((one) => [one.name, ...(isNegatable(one) ? [`no-${one.name}`] : [])])

/**
 * @param {Given} given
 * @param {string} name
 * @param {string} text
 * @param {string} where
 */
function add(given, name, text, where) {
  const option = /** @type {import('./table.js').Option} */ (OPTIONS.get(name))
  const value = valueOf(option, text, where)
  if (option.list) given.set(name, [...[given.get(name) ?? []].flat(), value])
  else if (name === 'app' && given.has('app')) throw new UsageError(`Only one application can be served, not both ${show(String(given.get('app')))} and ${show(text)}`)
  else given.set(name, value)
}
