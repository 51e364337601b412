import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parse } from 'smol-toml'
import { show } from '../../native/errors.js'
import { nearest } from '../../options/names.js'
import { REFUSED } from './refused.js'
import { OPTIONS } from './table.js'
import { UsageError } from '../errors.js'
import { textOf } from './files.js'
import { valueOf } from './values.js'

/** @typedef {import('./arguments.js').Given} Given */

const NAMES = ['asgi-node.config.js', 'asgi-node.config.mjs', 'asgi-node.config.json']

/**
 * The options of the named configuration file, or of the one in the current folder.
 * @param {string | undefined} named
 * @returns {Promise<Given>}
 */
export async function optionsOfConfig(named) {
  const path = named ?? NAMES.find((name) => existsSync(name))
  if (path === undefined) return new Map()
  return check(await read(path), path)
}

/**
 * The options of `[tool.asgi-node]` in the current folder's pyproject.toml.
 * @returns {Given}
 */
export function optionsOfPyproject() {
  const tool = pyproject()?.tool
  const table = /** @type {Record<string, unknown> | undefined} */ (tool)?.['asgi-node']
  return table === undefined ? new Map() : check(table, '[tool.asgi-node] of pyproject.toml')
}

/** The content of pyproject.toml; undefined if there is none. */
export function pyproject() {
  if (!existsSync('pyproject.toml')) return undefined
  return reading('pyproject.toml', parse)
}

/** @param {string} path */
async function read(path) {
  if (!existsSync(path)) throw new UsageError(`The configuration file ${path} does not exist`)
  if (path.endsWith('.toml')) return reading(path, parse)
  if (path.endsWith('.json')) return reading(path, JSON.parse)
  try {
    return (await import(pathToFileURL(resolve(path)).href)).default
  } catch (error) {
    throw unreadable(path, error)
  }
}

/**
 * @template T
 * @param {string} path
 * @param {(text: string) => T} parsed
 */
function reading(path, parsed) {
  try {
    return parsed(textOf(path))
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** @param {string} path @param {unknown} error */
function unreadable(path, error) {
  const [first] = String(error instanceof Error ? error.message : error).split('\n')
  return new UsageError(`${path} cannot be read: ${first}`)
}

/**
 * @param {unknown} content
 * @param {string} path
 * @returns {Given}
 */
function check(content, path) {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new UsageError(`${path} must contain an object with options, for example { "port": 3000 }, not ${show(content)}`)
  }
  /** @type {Given} */
  const given = new Map()
  for (const [key, value] of Object.entries(content)) {
    // `logLevel` and `log-level` are the same option.
    const name = key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll('_', '-')
    const option = OPTIONS.get(name)
    if (option === undefined || option.commandLineOnly || name === 'config') throw new UsageError(unknown(key, name, path))
    given.set(name, checked(option, value, `${key} in ${path}`))
  }
  return given
}

/** @param {string} key @param {string} name @param {string} path */
function unknown(key, name, path) {
  const reason = REFUSED.get(name)
  if (reason !== undefined) return `${key} in ${path} is an option of uvicorn that asgi-node does not have: ${reason}`
  const known = [...OPTIONS.values()].filter(({ commandLineOnly }) => !commandLineOnly).map((option) => option.name)
  const suggestion = nearest(name, known)
  return `Unknown option ${show(key)} in ${path}${suggestion === null ? '' : `. Did you mean "${suggestion}"?`}`
}

/**
 * @param {import('./table.js').Option} option
 * @param {unknown} value
 * @param {string} where
 */
function checked(option, value, where) {
  const one = (/** @type {unknown} */ item) => {
    if (!['string', 'number', 'boolean'].includes(typeof item)) throw new UsageError(`${where} must be a text, a number or a boolean, not ${isPlain(item) ? 'an object' : show(item)}`)
    return valueOf(option, String(item), where)
  }
  if (option.list) return [value].flat().map(one)
  return one(value)
}

/** @param {unknown} value */
const isPlain = (value) => value !== null && typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value))
