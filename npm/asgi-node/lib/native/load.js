// The native half: where its files are, and the two stages that load them. libpython must be open for the whole
// process before the addon that leaves Python's symbols undefined, and only a native module can open it that way.

import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PythonError, errorFromNative } from './errors.js'

const require = createRequire(import.meta.url)
/** lib, beside which the other packages of npm are. */
const here = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * @typedef {object} NativeFiles
 * @property {string} addon addon.node
 * @property {string} loader loader.node
 * @property {string} python the folder that holds the Python package `asgi_node`
 */

/** @typedef {{ deepbind: boolean, deepbindReason: string }} Opened how libpython was opened, and why so */
/** @typedef {{ open(path: string, deepbind?: boolean): Opened, opened(): string | null }} Loader */

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
  const loader = /** @type {Loader} */ (require(files.loader))
  let opened
  try {
    opened = loader.open(choice.libpython, deepbind)
  } catch (error) {
    throw errorFromNative(error)
  }
  return { addon: require(files.addon), opened }
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
  return { addon: join(folder, 'addon.node'), loader: join(folder, 'loader.node'), python }
}

/**
 * `linux-x64-gnu` and the like, as in the name of the platform's package.
 *
 * @returns {string}
 */
export function target() {
  const libc = nodeLibc()
  const suffix = libc === 'glibc' ? '-gnu' : libc === 'musl' ? '-musl' : ''
  return `${process.platform}-${process.arch}${suffix}`
}

/** @type {'glibc' | 'musl' | null | undefined} */
let libcOfNode

/**
 * The C library that this Node runs on. One process cannot hold two, so Python's has to be the same.
 *
 * @returns {'glibc' | 'musl' | null} null where there is neither, or Node is linked statically
 */
export function nodeLibc() {
  if (libcOfNode !== undefined) return libcOfNode
  libcOfNode = null
  if (process.platform === 'linux') {
    // The path of the dynamic linker stands near the beginning of the executable. Asking process.report for the
    // same takes long, and ldd is not everywhere.
    const bytes = Buffer.alloc(4096)
    const file = openSync(process.execPath, 'r')
    try {
      const text = bytes.toString('latin1', 0, readSync(file, bytes, 0, bytes.length, 0))
      if (text.includes('/ld-musl-')) libcOfNode = 'musl'
      else if (text.includes('/ld-linux')) libcOfNode = 'glibc'
    } finally {
      closeSync(file)
    }
  }
  return libcOfNode
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
  throw missing(`the package @asgi-node/${name} is not installed, or asgi-node has no build for ${name}`)
}

/** @param {string} what */
function missing(what) {
  const help = 'Install asgi-node again with its optional dependencies (npm install --include=optional)'
  const fix = `${help}, or run \`make build\` in its repository.`
  return new PythonError('NATIVE_NOT_FOUND', `${what}. ${fix}`, { fix })
}
