// Rules in the native side's hands. What checks and tries them is the addon that needs no Python: a rule can be made, and a mistake
// in it told, before there is an interpreter.

import { resolve } from 'node:path'
import { requestHead } from '../incoming/head.js'
import { Headers } from '../message/headers.js'
import { Request, rewrittenRequest, urlOf } from '../message/request.js'
import { errorFromNative, show } from '../native/errors.js'
import { loadLoader } from '../native/load.js'

/** @typedef {import('./specs.js').ConditionSpec} ConditionSpec */
/** @typedef {import('./specs.js').RewriterSpec} RewriterSpec */
/** @typedef {import('../native/load.js').NativeCondition} NativeCondition */
/** @typedef {import('../native/load.js').NativeRewriter} NativeRewriter */

/** What stands in front of the headers of a Request's head. */
const FIELDS = 10

/** @type {import('../native/load.js').Loader | undefined} */
let loader

/** @param {ConditionSpec} spec @returns {NativeCondition} */
export function compileCondition(spec) {
  loader ??= loadLoader()
  const { NativeCondition } = loader
  return compiled(() => new NativeCondition(JSON.stringify(spec)))
}

/** @param {RewriterSpec} spec @returns {NativeRewriter} */
export function compileRewriter(spec) {
  loader ??= loadLoader()
  const { NativeRewriter } = loader
  return compiled(() => new NativeRewriter(JSON.stringify(spec)))
}

/**
 * @template T
 * @param {() => T} compile
 */
function compiled(compile) {
  try {
    return compile()
  } catch (error) {
    throw error instanceof Error && 'code' in error && error.code === 'INVALID_RULE' ? new TypeError(error.message) : error
  }
}

/**
 * @param {NativeCondition} native
 * @param {unknown} request
 * @param {unknown} docroot
 */
export function matches(native, request, docroot) {
  const ours = checkedRequest(request)
  return native.matches(requestHead(ours, -1), folderOf(ours, docroot))
}

/**
 * @param {NativeRewriter} native
 * @param {unknown} request
 * @param {unknown} docroot
 * @returns {Request}
 */
export function rewrite(native, request, docroot) {
  const ours = checkedRequest(request)
  let head
  try {
    head = native.rewrite(requestHead(ours, -1), ours.websocket, folderOf(ours, docroot))
  } catch (error) {
    throw errorFromNative(error)
  }
  if (head === null) return rewrittenRequest(ours, ours.method, null, ours.headers)
  const [method, target, ...rest] = head.split('\0')
  const flat = rest.slice(FIELDS - 2)
  // The Host of the url was put in front, and is what the url says unless a rule has changed it.
  const { authority } = urlOf(ours)
  if (authority !== '' && !ours.headers.has('host') && flat[1] === authority) flat.splice(0, 2)
  return rewrittenRequest(ours, method, target, new Headers(flat))
}

/** @param {unknown} request @returns {Request} */
function checkedRequest(request) {
  if (request instanceof Request) return request
  throw new TypeError(`The request must be a Request of asgi-node, not ${show(request)}`)
}

/**
 * @param {Request} request
 * @param {unknown} docroot
 */
function folderOf(request, docroot) {
  const folder = docroot ?? request.docroot ?? '.'
  if (typeof folder !== 'string' || folder === '' || folder.includes('\0')) {
    throw new TypeError(`docroot must be the path of a folder, not ${show(folder)}`)
  }
  return resolve(folder)
}
