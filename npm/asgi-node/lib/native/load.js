// Finds the native files and loads them, in two stages. The addon leaves Python's symbols undefined, so libpython must be open
// for the whole process before. Only a native module can open it in that way. A handler with workers needs neither:
// workers.node is the same addon without Python.

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PythonError, errorFromNative } from './errors.js'
import { target } from './platform.js'

/** The path of this file. A bundler gives it another name. As CommonJS it has no import.meta.url. (`node -e` has a __filename, too.) */
const self = import.meta.url ? fileURLToPath(import.meta.url) : __filename
const require = createRequire(self)
/** The folder lib. npm installs the other packages beside it. */
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

/** @typedef {{ deepbind: boolean, deepbindReason: string }} Opened how libpython was opened, and why */
/** @typedef {{ matches(head: string, docroot: string): boolean }} NativeCondition */
/** @typedef {{ rewrite(head: string, isWebSocket: boolean, docroot: string): string | null }} NativeRewriter */

/**
 * What loader.node exports.
 * @typedef {object} Loader
 * @property {(path: string, deepbind?: boolean) => Opened} open
 * @property {() => string | null} opened
 * @property {(data: Uint8Array, key: number) => void} unmask unmasks a WebSocket's payload in place
 * @property {new (spec: string) => NativeCondition} NativeCondition
 * @property {new (spec: string) => NativeRewriter} NativeRewriter
 */

/**
 * Opens `choice.libpython` for the whole process and loads the addon. A second call, in this thread or in a worker thread,
 * returns the addon of that thread. Throws PYTHON_CONFLICT for another libpython.
 *
 * @param {{ libpython: string }} choice
 * @param {boolean} [deepbind] whether Python finds its own libraries before Node's; the loader decides by default
 * @returns {{ addon: any, opened: Opened }} the exports of addon.node, and how libpython was opened
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
 * The paths of this platform's native files and of the Python package. Does not check that addon.node and loader.node exist:
 * `load` does.
 *
 * @returns {NativeFiles}
 */
export function nativeFiles() {
  const folder = platformFolder()
  const places = [join(folder, 'python'), join(here, '../../../python')]
  const python = places.find((place) => existsSync(join(place, 'asgi_node', 'probe', 'probe.py')))
  if (python === undefined) throw missing(`the Python package asgi_node is in none of ${places.join(', ')}`)
  // In the repository it is inside the Python package, where its tests find it.
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
    // In the repository the package is beside this one, even before npm has linked it.
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
