// The option that names the application, in all its spellings.

import { show } from '../native/errors.js'
import { string, text } from './checks.js'
import { groupOf } from './names.js'

/**
 * The options `app` and `appTarget`, as `module:attribute`.
 * @type {import('./checks.js').Check<string>}
 */
export const target = (value, name) => {
  if (typeof value === 'string') return targetText(value, name)
  const { module, attribute = 'app' } = groupOf(value, name, ['module', 'attribute'], 'a string "module:attribute" or { module, attribute }')
  return `${part(module, `${name}.module`)}:${part(attribute, `${name}.attribute`)}`
}

/**
 * @param {string} value
 * @param {string} name
 */
function targetText(value, name) {
  const [module, attribute, ...rest] = text(value, name).split(':')
  if (module && attribute && rest.length === 0) return value
  throw new TypeError(`Option ${name} must look like "module:attribute", but is ${show(value)}`)
}

/** A module without an attribute, or the attribute. @type {import('./checks.js').Check<string>} */
export const part = (value, name) => {
  const given = string(value, name)
  if (given.includes(':')) throw new TypeError(`Option ${name} must not contain ":", but is ${show(given)}`)
  return given
}

/**
 * The app as `module:attribute`, whichever option was used.
 * @param {{ app?: string, appTarget?: string, module?: string, attribute?: string }} options checked
 */
export function appOf({ app, appTarget, module, attribute }) {
  const given = [app, appTarget, module].filter((value) => value !== undefined)
  if (given.length === 0) throw new TypeError('Option app is missing: name the application, as in { app: "main:app" }')
  if (given.length > 1) throw new TypeError('Options app, appTarget and module cannot be used together: give only one of them')
  if (attribute !== undefined && module === undefined) throw new TypeError('Option attribute needs option module')
  return module === undefined ? given[0] : `${module}:${attribute ?? 'app'}`
}
