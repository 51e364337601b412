// Virtual environments with the packages of requirements-dev.txt. One that is up to date is left alone.
//
//   node scripts/venvs.mjs primary   .venv, from the newest Python (or PYTHON=)
//   node scripts/venvs.mjs all       and .venvs/<tag> for every other Python: what the test matrix runs under

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { findPythons, primaryPython } from './pythons.mjs'

/** @typedef {import('./pythons.mjs').Python} Python */

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const REQUIREMENTS = join(ROOT, 'requirements-dev.txt')
export const PRIMARY = join(ROOT, '.venv')
const run = promisify(execFile)

/** @param {string} venv */
export const pythonOf = (venv) => join(venv, 'bin', 'python')

/** What a finished environment was made from: when this changes, it is made anew. @param {Python} python */
function recipe(python) {
  const pins = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex')
  return `${python.base} ${python.version.join('.')}\n${pins}\n`
}

/** @param {string} venv @param {Python} python */
function isCurrent(venv, python) {
  const stamp = join(venv, '.stamp')
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === recipe(python)
}

/**
 * @param {string} venv
 * @param {Python} python
 * @param {string | null} installer  the Python whose pip is used; null: the environment gets a pip of its own, which Debian
 *   ships separately (python3-venv): so only the first one needs it
 */
async function create(venv, python, installer) {
  const started = Date.now()
  rmSync(venv, { recursive: true, force: true })
  try {
    await run(python.executable, ['-m', 'venv', ...(installer ? ['--without-pip'] : []), venv])
  } catch (cause) {
    const [major, minor] = python.version
    throw new Error(
      `${python.executable} -m venv failed: on Debian, apt-get install python${major}.${minor}-venv\n${text(cause)}`,
      { cause },
    )
  }
  const target = installer ? ['--python', pythonOf(venv)] : []
  // Without --no-compile pip spends most of its time on modules that nobody imports.
  const options = ['--quiet', '--disable-pip-version-check', '--no-compile', '--only-binary', ':all:']
  try {
    await run(installer ?? pythonOf(venv), ['-m', 'pip', ...target, 'install', ...options, '-r', REQUIREMENTS], { maxBuffer: 64 << 20 })
  } catch (cause) {
    throw new Error(`pip could not install requirements-dev.txt for ${python.executable}:\n${text(cause)}`, { cause })
  }
  writeFileSync(join(venv, '.stamp'), recipe(python))
  console.log(`${venv.slice(ROOT.length)}: Python ${python.version.join('.')}, ${((Date.now() - started) / 1000).toFixed(0)} s`)
}

/** What the command itself said. @param {any} error */
const text = (error) => `${error.stdout ?? ''}${error.stderr ?? ''}`.trim() || String(error.message)

/** The environment for each usable Python; the primary one first. @returns {Promise<{ python: Python, venv: string }[]>} */
export async function plan() {
  const primary = await primaryPython()
  const others = (await findPythons()).filter(
    (python) => !python.problem && (python.base !== primary.base || python.tag !== primary.tag),
  )
  return [
    { python: primary, venv: PRIMARY },
    ...others.map((python) => ({ python, venv: join(ROOT, '.venvs', python.tag) })),
  ]
}

/** @param {boolean} all */
async function main(all) {
  const [first, ...others] = all ? await plan() : [{ python: await primaryPython(), venv: PRIMARY }]
  if (!isCurrent(first.venv, first.python)) await create(first.venv, first.python, null)
  const missing = others.filter(({ venv, python }) => !isCurrent(venv, python))
  const worker = async () => {
    for (let next = missing.shift(); next; next = missing.shift()) {
      await create(next.venv, next.python, pythonOf(first.venv))
    }
  }
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), 4) }, worker))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(process.argv[2] === 'all').catch((error) => {
    console.error(error.message)
    process.exitCode = 1
  })
}
