// The native half: where its files are, and the two stages that load them. libpython must be open for the whole
// process before the addon that leaves Python's symbols undefined, and only a native module can open it that way.
// A handler whose application runs in workers needs neither: workers.node is the same addon without Python.

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PythonError, errorFromNative } from './errors.js'
import { target } from './platform.js'

/** This file: what a bundler has made of it has another name, and as CommonJS no import.meta.url. (`node -e` has a __filename, too.) */
const self = import.meta.url ? fileURLToPath(import.meta.url) : __filename
const require = createRequire(self)
/** lib, beside which the other packages of npm are. */
const here = dirname(dirname(self))

const BRIDGE = '_native.abi3.so'

/**
 * @typedef {object} NativeFiles
 * @property {string} addon addon.node
 * @property {string} loader loader.node
 * @property {string} workers workers.node
 * @property {string} bridge _native.abi3.so, the native half of the Python package in a worker
 * @property {string} python the folder that holds the Python package `asgi_node`
 */

/** @typedef {{ deepbind: boolean, deepbindReason: string }} Opened how libpython was opened, and why so */
/** @typedef {{ matches(head: string, docroot: string): boolean }} NativeCondition */
/** @typedef {{ rewrite(head: string, isWebSocket: boolean, docroot: string): string | null }} NativeRewriter */

/**
 * What loader.node exports.
 * @typedef {object} Loader
 * @property {(path: string, deepbind?: boolean) => Opened} open
 * @property {() => string | null} opened
 * @property {(data: Uint8Array, key: number) => void} unmask a WebSocket's payload, in place
 * @property {new (spec: string) => NativeCondition} NativeCondition
 * @property {new (spec: string) => NativeRewriter} NativeRewriter
 */

/**
 * Opens `choice.libpython` for the whole process and loads the addon against it. Called again, in this thread or
 * in a worker, it returns the addon of that thread; with another libpython it throws PYTHON_CONFLICT.
 *
 * @param {{ libpython: string }} choice
 * @param {boolean} [deepbind] whether Python finds its own libraries before Node's; left out, the loader decides
 * @returns {{ addon: any, opened: Opened }} what addon.node exports
 */
export function load(choice, deepbind) {
  const files = nativeFiles()
  for (const file of [files.loader, files.addon]) {
    if (!existsSync(file)) throw missing(`the native file ${file} is missing`)
  }
  const loader = loadLoader()
  let opened
  try {
    opened = loader.open(choice.libpython, deepbind)
  } catch (error) {
    throw errorFromNative(error)
  }
  return { addon: require(files.addon), opened }
}

/**
 * The addon that needs no Python.
 *
 * @returns {Loader}
 */
export function loadLoader() {
  const { loader } = nativeFiles()
  if (!existsSync(loader)) throw missing(`the native file ${loader} is missing`)
  return require(loader)
}

/**
 * The addon for applications that run in workers.
 *
 * @returns {{ addon: any, files: NativeFiles }}
 */
export function loadWorkers() {
  const files = nativeFiles()
  for (const file of [files.workers, files.bridge]) {
    if (!existsSync(file)) throw missing(`the native file ${file} is missing`)
  }
  return { addon: require(files.workers), files }
}

/**
 * Where the native files of this platform and the Python package are. Says nothing about addon.node and loader.node
 * being there: `load` does.
 *
 * @returns {NativeFiles}
 */
export function nativeFiles() {
  const folder = platformFolder()
  const places = [join(folder, 'python'), join(here, '../../../python')]
  const python = places.find((place) => existsSync(join(place, 'asgi_node', 'probe', 'probe.py')))
  if (python === undefined) throw missing(`the Python package asgi_node is in none of ${places.join(', ')}`)
  // In the repository it lies in the Python package, where its tests find it.
  const [bridge] = [join(folder, BRIDGE), join(python, 'asgi_node', BRIDGE)].filter(existsSync)
  const file = (/** @type {string} */ name) => join(folder, `${name}.node`)
  return { addon: file('addon'), loader: file('loader'), workers: file('workers'), bridge: bridge ?? join(folder, BRIDGE), python }
}

/** @returns {string} */
function platformFolder() {
  const name = target()
  try {
    return dirname(require.resolve(`@asgi-node/${name}/package.json`))
  } catch {
    // In the repository the package lies beside this one, also before npm has linked it.
    const beside = join(here, '../..', name)
    if (existsSync(join(beside, 'package.json'))) return beside
  }
  throw missing(`the package @asgi-node/${name} is not installed`)
}

/** @param {string} what */
function missing(what) {
  const again = 'Install asgi-node again with its optional dependencies (npm install --include=optional)'
  const build = 'or run `make build` in its repository'
  const external =
    "Where a bundler has taken asgi-node in, keep it external (esbuild: --external:asgi-node; webpack and rollup: external; " +
    "Next.js: serverExternalPackages: ['asgi-node'])"
  const fix = `${again}, ${build}. ${external}.`
  return new PythonError('NATIVE_NOT_FOUND', `${what}. ${fix}`, { fix })
}
