// Says whether Node can host this Python; if not, why, and what to do.

import { readFileSync } from 'node:fs'
import { nodeLibc } from '../native/platform.js'

/** @typedef {import('./probe.js').Facts} Facts */

/**
 * @typedef {object} Refusal
 * @property {'PYTHON_NOT_FOUND' | 'LIBPYTHON_NOT_FOUND' | 'PYTHON_UNSUPPORTED'} code
 * @property {string} reason completes "…/python: "
 * @property {string} help a sentence, or ''
 */

/** The oldest Python that the addon's stable ABI serves. */
const MINIMUM = [3, 11]
const NEEDED = `asgi-node needs CPython ${MINIMUM.join('.')} or newer`

/** What those want who chose a build without the GIL. */
const ALL_CORES = 'Take the ordinary build of this version: workers (option workers: N) run the application on all cores.'

/** @type {Record<string, string>} */
const NAMES = { cpython: 'CPython', pypy: 'PyPy', graalpy: 'GraalPy' }

/**
 * @param {Facts} facts
 * @param {boolean} [embedded] whether Node hosts it; a worker is a process of its own, and needs no shared library
 * @returns {Refusal | null} null if it can
 */
export function refusalOf(facts, embedded = true) {
  const unsupported = whyUnsupported(facts)
  if (unsupported) return { code: 'PYTHON_UNSUPPORTED', reason: unsupported, help: facts.free_threaded ? ALL_CORES : '' }
  if (facts.libpython || !embedded) return null
  const others = facts.libpython_refused.map(({ path, reason }) => `; ${path} is there, but ${reason}`).join('')
  const looked = `looked for ${facts.libpython_names.join(', ')} in ${facts.libpython_folders.join(', ')}`
  return {
    code: 'LIBPYTHON_NOT_FOUND',
    reason: `Python ${facts.version} has no shared library that Node could load (${looked}${others})`,
    help: `Run it in a process of its own (option workers: 1), or give it the library. ${howToGetLibrary(facts)}`,
  }
}

/** @param {Facts} facts */
function whyUnsupported(facts) {
  const { implementation, version, free_threaded: freeThreaded, bits } = facts
  if (implementation !== 'cpython') {
    return `it is ${NAMES[implementation] ?? implementation} (Python ${version}), but ${NEEDED}`
  }
  const [major, minor] = version.split('.').map(Number)
  if (major < MINIMUM[0] || (major === MINIMUM[0] && minor < MINIMUM[1])) {
    return `it is Python ${version}, but ${NEEDED}`
  }
  if (freeThreaded) return `it is a free-threaded build of Python ${version}, but ${NEEDED} with the GIL`
  if (bits !== 64) return `it is a ${bits}-bit build of Python ${version}, but ${NEEDED} for 64 bits`
  const libc = facts.libc?.split(' ')[0]
  if (libc && nodeLibc() && libc !== nodeLibc()) {
    return `it is built for ${libc}, but this Node for ${nodeLibc()}: one process cannot hold both`
  }
  return null
}

/**
 * @param {Facts} facts
 * @returns {string}
 */
function howToGetLibrary({ version, base_prefix: base }) {
  const short = version.split('.').slice(0, 2).join('.')
  if (/\/\.?pyenv\/versions\//.test(`${base}/`)) {
    return `Build it again with its library: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force ${version}`
  }
  const command = base === '/usr' ? packageCommand(short) : undefined
  if (command) return `Install the library: ${command}`
  return 'Use a Python with a shared library: one from the system, from uv or conda, or built with --enable-shared.'
}

/** @param {string} short */
function packageCommand(short) {
  const system = systemNames()
  if (system.some((name) => name === 'debian' || name === 'ubuntu')) return `apt-get install libpython${short}`
  if (system.some((name) => name === 'fedora' || name === 'rhel' || name === 'centos')) {
    return `dnf install python3-libs (or python${short}-libs)`
  }
  if (system.some((name) => name === 'suse' || name.startsWith('opensuse'))) {
    return `zypper install libpython${short.replace('.', '_')}-1_0`
  }
  return undefined
}

/**
 * ID and ID_LIKE of /etc/os-release.
 *
 * @returns {string[]}
 */
function systemNames() {
  try {
    const text = readFileSync('/etc/os-release', 'utf8')
    return [...text.matchAll(/^ID(?:_LIKE)?=(.*)$/gm)].flatMap(([, value]) => value.replaceAll('"', '').split(' '))
  } catch {
    return []
  }
}
