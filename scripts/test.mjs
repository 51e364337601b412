// `make test`: every suite with the current Node and .venv, then, for every other combination of a Node (tests/nodes)
// and a Python (.venvs), the suites that start Python in Node. Ends with a table and one line of totals.
//
//   node scripts/test.mjs [--only TEXT] [--list]    only the steps whose name contains TEXT

import { spawn } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { count } from './counts.mjs'
import { plan, pythonOf } from './venvs.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const LOGS = join(ROOT, 'build', 'test')
/** A suite that takes longer hangs. */
const STEP_LIMIT_MS = 10 * 60_000

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {'cargo' | 'node' | 'pytest'} runner
 * @property {string[]} command
 * @property {Record<string, string>} [env]
 */

/** @typedef {{ step: Step, counts: import('./counts.mjs').Counts, seconds: number, ok: boolean, log: string }} Outcome */

/** The Nodes of the matrix. @returns {{ version: string, executable: string }[]} */
function nodes() {
  const folder = join(ROOT, 'tests', 'nodes', 'node_modules')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => /^node\d+$/.test(name))
    .map((name) => ({
      version: JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')).version.replace(/^v/, ''),
      executable: join(folder, name, 'bin', 'node'),
    }))
}

/** @param {string} folder */
const testFiles = (folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.test.mjs'))
    .toSorted()
    .map((name) => join(folder, name))

/** @param {string} name @param {string} node @param {string} venv @returns {Step} */
function nodeStep(name, node, venv) {
  return {
    name,
    runner: 'node',
    command: [
      node,
      '--test',
      '--test-reporter=spec',
      // One file at a time: some tests measure time, and the machine may have two cores.
      '--test-concurrency=1',
      '--test-timeout=120000',
      ...testFiles('tests/node'),
      ...testFiles('tests/e2e'),
    ],
    env: {
      ASGI_NODE_PYTHON: pythonOf(venv),
      NODE_OPTIONS: '--unhandled-rejections=strict',
      // What tests start as `node` is this Node, too.
      PATH: [dirname(node), process.env.PATH].join(delimiter),
    },
  }
}

/** @returns {Promise<Step[]>} */
async function allSteps() {
  const environments = (await plan()).filter(({ venv }) => existsSync(join(venv, '.stamp')))
  const [primary] = environments
  const current = { version: process.versions.node, executable: process.execPath }
  const label = (/** @type {string} */ node, /** @type {import('./pythons.mjs').Python} */ python) =>
    `node ${node}, python ${python.tag}`
  // The current Node stands for its line only when tests/nodes does not hold one.
  const line = (/** @type {string} */ version) => version.split('.')[0]
  const pinned = nodes()
  const versions = pinned.some(({ version }) => line(version) === line(current.version)) ? pinned : [current, ...pinned]
  const others = versions
    .flatMap((node) => environments.map((environment) => ({ node, ...environment })))
    .filter(({ node, venv }) => node.version !== current.version || venv !== primary.venv)
  return [
    { name: 'core, Rust', runner: 'cargo', command: ['cargo', 'test', '--package', 'asgi-node-core'] },
    ...environments.map(({ python, venv }) => ({
      name: `pytest, python ${python.tag}`,
      runner: /** @type {const} */ ('pytest'),
      command: [pythonOf(venv), '-m', 'pytest', '-p', 'no:cacheprovider'],
    })),
    nodeStep(label(current.version, primary.python), current.executable, primary.venv),
    ...others.map(({ node, python, venv }) => nodeStep(`matrix: ${label(node.version, python)}`, node.executable, venv)),
  ]
}

/** @param {Step} step @returns {Promise<Outcome>} */
async function run(step) {
  const started = Date.now()
  const log = join(LOGS, `${step.name.replaceAll(/[^a-z0-9.]+/gi, '-')}.log`)
  const file = createWriteStream(log)
  const [program, ...args] = step.command
  // In a group of its own: what hangs is ended together with the processes that it started.
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, ...step.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const end = () => child.pid && process.kill(-child.pid, 'SIGKILL')
  let late = false
  const timer = setTimeout(() => {
    late = true
    end()
  }, STEP_LIMIT_MS)
  process.once('SIGINT', end)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
      file.write(text)
    })
  }
  /** @type {number | null} */
  const exitCode = await new Promise((resolve) => {
    child.on('error', (error) => {
      output += `${error.message}\n`
      resolve(127)
    })
    child.on('close', resolve)
  })
  clearTimeout(timer)
  process.removeListener('SIGINT', end)
  if (late) output += `\nended after ${STEP_LIMIT_MS / 60_000} minutes\n`
  file.end()
  const counts = count(step.runner, output, exitCode)
  const ok = counts.failed === 0
  if (!ok) console.log(`\n----- ${step.name} failed: the end of ${log.slice(ROOT.length)}\n${output.slice(-12_000)}\n-----`)
  return { step, counts, seconds: (Date.now() - started) / 1000, ok, log: log.slice(ROOT.length) }
}

/** @param {Outcome} outcome */
function row({ step, counts, seconds, ok }) {
  const numbers = [counts.passed, counts.failed, counts.skipped].map((value) => String(value).padStart(7)).join('')
  return `${ok ? 'ok  ' : 'FAIL'} ${step.name.padEnd(46)}${numbers} ${seconds.toFixed(1).padStart(8)} s`
}

async function main() {
  const { values } = parseArgs({ options: { only: { type: 'string', default: '' }, list: { type: 'boolean' } } })
  const steps = (await allSteps()).filter(({ name }) => name.includes(values.only))
  if (values.list) {
    for (const { name } of steps) console.log(name)
    return
  }
  if (steps.length === 0) throw new Error(`No step's name contains '${values.only}'`)
  rmSync(LOGS, { recursive: true, force: true })
  mkdirSync(LOGS, { recursive: true })

  /** @type {Outcome[]} */
  const outcomes = []
  for (const step of steps) {
    const outcome = await run(step)
    outcomes.push(outcome)
    console.log(row(outcome))
  }

  const total = (/** @type {'passed' | 'failed' | 'skipped'} */ key) =>
    outcomes.reduce((sum, { counts }) => sum + counts[key], 0)
  console.log(`\n${' '.repeat(51)} passed failed skipped     time`)
  for (const outcome of outcomes) console.log(row(outcome))
  console.log(`\n${total('passed')} passed, ${total('failed')} failed`)
  if (outcomes.some(({ ok }) => !ok)) process.exitCode = 1
}

main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
