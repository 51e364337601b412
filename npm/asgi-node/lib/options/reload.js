import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { show } from '../native/errors.js'
import { DEFAULT } from '../native/protocol.js'
import { Watcher } from '../reload/watcher.js'
import { milliseconds } from './checks.js'
import { groupOf } from './names.js'

/** @typedef {import('../reload/watcher.js').Watched} Watched */

const NAMES = ['paths', 'include', 'exclude', 'delay']

/**
 * The option `reload`, checked; without `paths`, the docroot is watched.
 * @typedef {{ paths?: string[], include: string[], exclude: string[], delay: number }} Reload
 */

/**
 * @param {unknown} value the command passes its own watcher, which also sees changes before a handler has started
 * @returns {Reload | Watcher | null} null: nothing is watched
 */
export function reloadOf(value) {
  if (value === false) return null
  if (value instanceof Watcher) return value
  const given = value === true ? {} : groupOf(value, 'reload', NAMES, `a boolean, or an object with ${NAMES.join(', ')}`)
  const { paths, include = [], exclude = [], delay = DEFAULT.RELOAD_DELAY } = given
  const rest = { include: texts(include, 'include'), exclude: texts(exclude, 'exclude'), delay: milliseconds(delay, 'reload.delay') }
  return paths === undefined ? rest : { paths: existing(texts(paths, 'paths')), ...rest }
}

/**
 * What to watch; null for nothing.
 * @param {Reload | Watcher | null} reload
 * @param {string} docroot
 * @param {unknown} workers null if there are none
 * @returns {Watched | Watcher | null}
 */
export function watchedOf(reload, docroot, workers) {
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
