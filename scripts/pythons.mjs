// Which Pythons on this machine the project can be built and tested with: every CPython >= 3.11 that comes with a libpython.
// On purpose it shares no code with npm/asgi-node/lib/python/discovery.js, which is among the things that the tests must prove.
//
//   node scripts/pythons.mjs            a table, with the reason for each one that is passed over
//   node scripts/pythons.mjs --newest   the path of the newest one that serves (PYTHON= chooses another)

import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/**
 * @typedef {object} Python
 * @property {string} executable
 * @property {string} base      the executable's own installation, not a virtual environment's
 * @property {number[]} version
 * @property {string} tag       names a virtual environment: '3.13.0', '3.11.2-usr'
 * @property {string | null} problem  why it cannot be used; null when it can
 */

const PROBE = `
import json, os, platform, sys, sysconfig
var = sysconfig.get_config_var
names = [n for n in (var("INSTSONAME"), var("LDLIBRARY")) if n and ".so" in n or n and n.endswith(".dylib")]
names.append(f"libpython3.{sys.version_info.minor}.so.1.0")
folders = [f for f in (var("LIBDIR"), var("LIBPL"), os.path.join(sys.base_prefix, "lib")) if f]
multiarch = var("MULTIARCH")
folders += [os.path.join(f, multiarch) for f in list(folders) if multiarch]
found = [p for f in folders for n in names if os.path.isfile(p := os.path.join(f, n))]
print(json.dumps({
    "version": list(sys.version_info[:3]), "release": sys.version_info.releaselevel == "final",
    "implementation": platform.python_implementation(), "base": sys.base_prefix,
    "threaded": bool(var("Py_GIL_DISABLED")), "library": found[0] if found else None,
}))
`

/** @param {string} folder @param {(name: string) => string | null} path */
function entries(folder, path) {
  try {
    return readdirSync(folder).map(path).filter((found) => found !== null)
  } catch {
    return []
  }
}

/** Every path that might be a Python; many do not exist or are the same one. */
function candidates() {
  const env = process.env
  const pyenv = [env.PYENV_ROOT ?? join(homedir(), '.pyenv'), '/opt/pyenv']
  const named = (/** @type {string} */ folder) =>
    entries(folder, (name) => (/^python3(\.\d+)?$/.test(name) ? join(folder, name) : null))
  return [
    ...pyenv.flatMap((root) => entries(join(root, 'versions'), (name) => join(root, 'versions', name, 'bin/python'))),
    ...(env.RUNNER_TOOL_CACHE
      ? entries(join(env.RUNNER_TOOL_CACHE, 'Python'), (name) =>
          join(String(env.RUNNER_TOOL_CACHE), 'Python', name, 'x64/bin/python'))
      : []),
    // pyenv's shims are scripts that run one of the above, slowly.
    ...['/usr/bin', '/usr/local/bin', ...(env.PATH ?? '').split(delimiter)].filter((path) => !/\bshims$/.test(path)).flatMap(named),
  ]
}

/** @param {string} executable @returns {Promise<Python | null>} null when it is no Python at all */
export async function inspect(executable) {
  let facts
  try {
    const { stdout } = await promisify(execFile)(executable, ['-I', '-c', PROBE], { timeout: 20_000 })
    facts = JSON.parse(stdout)
  } catch {
    return null
  }
  const [major, minor] = facts.version
  const debian = `apt-get install libpython${major}.${minor}`
  let problem = null
  if (facts.implementation !== 'CPython') problem = `is ${facts.implementation}, not CPython`
  else if (major !== 3 || minor < 11) problem = 'is older than 3.11'
  else if (!facts.release) problem = 'is a pre-release'
  else if (facts.threaded) problem = 'is a free-threaded build'
  else if (!facts.library) problem = `has no libpython (${debian}, or build it with --enable-shared)`
  const version = facts.version.join('.')
  const tag = facts.base === '/usr' ? `${version}-usr` : version
  return { executable, base: facts.base, version: facts.version, tag, problem }
}

/** @param {Python} a @param {Python} b newest first */
const byVersion = (a, b) => b.version[0] - a.version[0] || b.version[1] - a.version[1] || b.version[2] - a.version[2]

/** All Pythons found, one per installation, newest first. @returns {Promise<Python[]>} */
export async function findPythons() {
  const paths = [...new Set(candidates())]
  const found = (await Promise.all(paths.map(inspect))).filter((python) => python !== null)
  const installations = new Map(found.toReversed().map((python) => [`${python.base} ${python.tag}`, python]))
  return [...installations.values()].toSorted(byVersion)
}

/** The one that `.venv` is made from. @returns {Promise<Python>} */
export async function primaryPython() {
  const wanted = process.env.PYTHON
  if (wanted) {
    const python = await inspect(wanted)
    if (!python) throw new Error(`PYTHON=${wanted} does not run`)
    if (python.problem) throw new Error(`PYTHON=${wanted} ${python.problem}`)
    return python
  }
  const all = await findPythons()
  const usable = all.find((python) => !python.problem)
  if (usable) return usable
  const seen = all.map((python) => `\n  ${python.executable} (${python.version.join('.')}) ${python.problem}`).join('')
  throw new Error(
    `No CPython 3.11 or later with a shared libpython was found${seen ? `:${seen}` : '.'}\n` +
      'Install one, for instance: apt-get install python3 python3-venv libpython3-dev; or name one: make PYTHON=/path/to/python3',
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === '--newest') {
    const primary = await primaryPython().catch((/** @type {Error} */ error) => error)
    if (primary instanceof Error) {
      console.error(primary.message)
      process.exit(1)
    }
    console.log(primary.executable)
  } else {
    for (const python of await findPythons()) {
      console.log(`${python.tag.padEnd(14)} ${python.executable.padEnd(52)} ${python.problem ?? 'ok'}`)
    }
  }
}
