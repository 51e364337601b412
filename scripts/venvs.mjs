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
const INSTALL = join(ROOT, 'scripts', 'pip-install.sh')
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

/** @param {string} venv @param {Python} python */
async function create(venv, python) {
  const started = Date.now()
  const isPrimary = venv === PRIMARY
  rmSync(venv, { recursive: true, force: true })
  try {
    // Debian ships what installs pip separately (python3-venv): so only the first environment needs it.
    await run(python.executable, ['-m', 'venv', ...(isPrimary ? [] : ['--without-pip']), venv])
  } catch (cause) {
    const [major, minor] = python.version
    throw new Error(
      `${python.executable} -m venv failed: on Debian, apt-get install python${major}.${minor}-venv\n${text(cause)}`,
      { cause },
    )
  }
  try {
    if (isPrimary) await run(pythonOf(venv), ['-m', 'pip', 'install', '--quiet', '--no-compile', '--constraint', REQUIREMENTS, 'uv'])
    await run(INSTALL, [pythonOf(venv), '-r', REQUIREMENTS], { maxBuffer: 64 << 20 })
  } catch (cause) {
    throw new Error(`requirements-dev.txt could not be installed for ${python.executable}:\n${text(cause)}`, { cause })
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
  if (!isCurrent(first.venv, first.python)) await create(first.venv, first.python)
  const missing = others.filter(({ venv, python }) => !isCurrent(venv, python))
  const worker = async () => {
    for (let next = missing.shift(); next; next = missing.shift()) {
      await create(next.venv, next.python)
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
