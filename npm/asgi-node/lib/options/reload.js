import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { show } from '../native/errors.js'
import { RELOAD_DELAY, Watcher } from '../reload/watcher.js'
import { optionsOf } from './names.js'

/** @typedef {import('../reload/watcher.js').Watched} Watched */

const NAMES = ['paths', 'include', 'exclude', 'delay']

/**
 * The option `reload`, checked.
 * @param {unknown} value the command passes its own watcher, which also sees changes before a handler has started
 * @returns {{ paths?: string[], include: string[], exclude: string[], delay: number } | Watcher | null} without `paths`: the docroot; null: nothing is watched
 */
export function reloadOf(value) {
  if (value === undefined || value === false) return null
  if (value instanceof Watcher) return value
  if (value !== true && (typeof value !== 'object' || value === null || Array.isArray(value))) {
    throw new TypeError(`Option reload must be a boolean, or an object with ${NAMES.join(', ')}, not ${show(value)}`)
  }
  const { paths, include = [], exclude = [], delay = RELOAD_DELAY } = value === true ? {} : optionsOf(value, NAMES, 'option reload')
  if (!Number.isInteger(delay) || Number(delay) < 0 || Number(delay) > 0x7fffffff) {
    throw new TypeError(`Option reload.delay must be a whole number of milliseconds from 0 to 2^31 - 1, not ${show(delay)}`)
  }
  const rest = { include: texts(include, 'include'), exclude: texts(exclude, 'exclude'), delay: Number(delay) }
  return paths === undefined ? rest : { paths: existing(texts(paths, 'paths')), ...rest }
}

/**
 * What to watch; null for nothing.
 * @param {unknown} value the option `reload`
 * @param {string} docroot
 * @param {unknown} workers null if there are none
 * @returns {Watched | Watcher | null}
 */
export function watchedOf(value, docroot, workers) {
  const reload = reloadOf(value)
  if (reload === null) return null
  if (workers === null) throw new TypeError('Option reload needs workers: Python in this process cannot load modules again. Set workers: 1')
  return reload instanceof Watcher ? reload : { paths: [docroot], ...reload }
}

/**
 * @param {unknown} value
 * @param {string} name
 * @returns {string[]}
 */
function texts(value, name) {
  const list = Array.isArray(value) ? value : [value]
  const wrong = list.find((one) => typeof one !== 'string' || one === '')
  if (wrong !== undefined || list.includes(undefined)) throw new TypeError(`Option reload.${name} must be a string or an array of strings, not ${show(value)}`)
  return list
}

/** @param {string[]} paths */
function existing(paths) {
  if (paths.length === 0) throw new TypeError('Option reload.paths is empty: name the folders to watch, or leave it out for the docroot')
  const missing = paths.find((one) => !existsSync(one))
  if (missing !== undefined) throw new TypeError(`Option reload.paths: ${resolve(missing)} does not exist`)
  return paths
}
