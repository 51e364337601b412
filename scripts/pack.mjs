// The npm packages as they are published: node scripts/pack.mjs DIRECTORY. Prints the path of each tarball.
//
//   --all           every platform's package, and an error where native files are missing. Otherwise those that are built.
//   --native DIR    where the native files are, in a folder for each platform (default: npm)
//
// The main package names the platforms' packages as its optional dependencies here, not in its own manifest: a version
// that no registry has yet would keep `npm ci` from working in the repository.
//
// The platform's package carries the Python package. It is put together in a folder of its own: a copy of python/ beside
// npm/<platform>/addon.node would be what the repository's own tests run, and grow old there.

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { target } from '../npm/asgi-node/lib/native/platform.js'
import { TARGETS } from './targets.mjs'

// What only tests of Python applications use: it comes with the Python package from PyPI.
const NOT_IN_NODE = ['conformance', 'host', 'pytest_plugin', 'testing', '__main__.py']

const BRIDGE = '_native.abi3.so'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const { values, positionals } = parseArgs({
  options: { all: { type: 'boolean', default: false }, native: { type: 'string', default: join(ROOT, 'npm') } },
  allowPositionals: true,
})
const destination = resolve(positionals[0] ?? join(ROOT, 'build', 'packages'))
const stage = join(destination, 'stage')

/** @typedef {{ name: string, version: string, files: string[], optionalDependencies?: Record<string, string> }} Manifest */

/** The folders of npm/ that are packed. */
function packages() {
  const built = TARGETS.filter(({ name }) => values.all || existsSync(join(values.native, name, 'addon.node')))
  if (built.length === 0) throw new Error('no native files are there: make build')
  return ['asgi-node', ...built.map(({ name }) => name)]
}

/** @param {string} folder */
function copyPython(folder) {
  rmSync(join(folder, 'python'), { recursive: true, force: true })
  const python = join(ROOT, 'python', 'asgi_node')
  const left = new Set(NOT_IN_NODE.map((part) => join(python, part)))
  cpSync(python, join(folder, 'python', 'asgi_node'), {
    recursive: true,
    filter: (path) => !left.has(path) && !/__pycache__|\.(so|pyc)$/.test(path),
  })
}

/** @param {string} name @returns {string} the tarball */
function pack(name) {
  const folder = join(stage, name)
  mkdirSync(folder, { recursive: true })
  cpSync(join(ROOT, 'npm', name), folder, { recursive: true })
  const native = join(resolve(values.native), name)
  if (existsSync(native)) cpSync(native, folder, { recursive: true, filter: (path) => path === native || /\.(node|so)$/.test(path) })
  for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) cpSync(join(ROOT, licence), join(folder, licence))
  /** @type {Manifest} */
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  if (name === 'asgi-node') {
    cpSync(join(ROOT, 'README.md'), join(folder, 'README.md'))
    manifest.optionalDependencies = Object.fromEntries(TARGETS.map((one) => [`@asgi-node/${one.name}`, manifest.version]))
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  }
  if (manifest.files.includes('python')) copyPython(folder)
  // What workers load; in the repository this machine's lies in the Python package.
  const bridge = join(ROOT, 'python', 'asgi_node', BRIDGE)
  if (name === target() && !existsSync(join(folder, BRIDGE)) && existsSync(bridge)) cpSync(bridge, join(folder, BRIDGE))
  for (const file of manifest.files) {
    if (!existsSync(join(folder, file))) throw new Error(`${manifest.name} lacks ${file}: make build`)
  }
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--loglevel=error', '--pack-destination', destination, folder], { encoding: 'utf8' }),
  )
  return join(destination, packed.filename)
}

rmSync(stage, { recursive: true, force: true })
for (const name of packages()) console.log(pack(name))
rmSync(stage, { recursive: true })
