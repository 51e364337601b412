// What `make bench` needs, in build/bench: the peers from PyPI and npm, the client, and the C floor where FLOOR names its sources.
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PRIMARY, pythonOf } from '../../scripts/venvs.mjs'

const HERE = fileURLToPath(new URL('.', import.meta.url))
export const ROOT = resolve(HERE, '../..')
export const FOLDER = join(ROOT, 'build', 'bench')
export const PYTHON = join(FOLDER, 'python', 'bin', 'python')
export const CLIENT = join(FOLDER, 'client', 'release', 'bench-client')

/** @param {string} program @param {string[]} args @param {object} [options] */
const run = (program, args, options) => execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options })

/** Does `work` unless it was done with the same `recipe` file. */
function once(name, recipe, work) {
  const stamp = join(FOLDER, `${name}.stamp`)
  const text = readFileSync(recipe, 'utf8')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === text) return
  console.error(`${name} …`)
  work()
  writeFileSync(stamp, text)
}

/** @returns {{ floor: string | null }} the folder of the built floor */
export function setUp() {
  mkdirSync(join(FOLDER, 'node'), { recursive: true })
  once('python', join(HERE, 'requirements.txt'), () => {
    run(pythonOf(PRIMARY), ['-m', 'venv', '--clear', join(FOLDER, 'python')])
    run(PYTHON, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary', ':all:', '-r', join(HERE, 'requirements.txt')])
  })
  once('node', join(HERE, 'package.json'), () => {
    copyFileSync(join(HERE, 'package.json'), join(FOLDER, 'node', 'package.json'))
    // Not npm ci: the lock file of python-node's optional packages is never in step with what npm finds.
    run('npm', ['install', '--no-package-lock', '--no-fund', '--no-audit', '--loglevel=error'], { cwd: join(FOLDER, 'node') })
  })
  run('cargo', ['build', '--quiet', '--release', '--locked', '--manifest-path', join(HERE, 'client', 'Cargo.toml'), '--target-dir', join(FOLDER, 'client')])
  return { floor: floor() }
}

/** The C floor is not of this repository: FLOOR is the folder of its sources. */
function floor() {
  const sources = process.env.FLOOR
  if (!sources) return null
  const options = { cwd: resolve(ROOT, sources), env: { ...process.env, PYTHON: PYTHON }, encoding: 'utf8' }
  return execFileSync('./build.sh', [], options).trim()
}
