// `make test`: every suite with the current Node and .venv; then the suites that start Python in Node with the other Nodes
// (tests/nodes) and Pythons (.venvs): each Node and each Python at least once, with what their versions may change
// (suites.mjs). `make test-fast` (--fast): the units, with the current Node and .venv. `make matrix` (--all): every test in
// every combination, and what is repeated is repeated more often. Ends with a table and one line of totals.
//
//   node scripts/test.mjs [--only TEXT] [--all | --fast | --primary] [--list] [--slowest]
//
// --only: the steps whose name contains TEXT. --primary: the current Node and .venv, without timed tests (coverage.mjs).
// --slowest: the slowest tests of each step, too.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { count, slowestOf } from './counts.mjs'
import { IMPOSSIBLE, PYTEST_BY_TURN, SLOW_PYTEST, filesOf, inTurn } from './suites.mjs'
import { PRIMARY, plan, pythonOf } from './venvs.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const LOGS = join(ROOT, 'build', 'test')
/** A command of a step that takes longer hangs. */
const LIMIT_MINUTES = 10
/** More files than cores, because much of their time is waiting. Timed tests run alone, at the end. */
const FILES_AT_ONCE = 3 * availableParallelism()
/** The tests of Python wait less. */
const PYTEST_AT_ONCE = 2 * availableParallelism()
/** A file that fails beside others is run again alone, unless more of a step fail: that is no matter of time then. */
const MOST_UNSTEADY = 2
/**
 * The environments are installed without bytecode: what is imported first keeps it for the thousand processes that follow. (Tests
 * that edit an application forbid it for themselves: Python tells two versions of a second apart by their size alone.)
 */
const BYTECODE = { PYTHONDONTWRITEBYTECODE: undefined }
/** So many of a step's slowest tests are told. */
const SLOWEST = 20

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {'cargo' | 'node' | 'pytest'} runner
 * @property {string[][]} commands  run in this order, all of them
 * @property {Record<string, string>} [env]
 * @property {(path: string) => string[]} [alone]  the command for one of its files
 * @property {boolean} [compiles]  whether most of it is to compile: it runs beside those of pytest, which wait for much of their time
 */

/** @typedef {{ step: Step, counts: import('./counts.mjs').Counts, seconds: number, ok: boolean }} Outcome */

/** What has failed, said again at the end, where it is looked for. @type {string[]} */
const failures = []
/** What has failed beside other files and passed alone: told at the end, because it wants looking at. @type {string[]} */
const unsteady = []

/** How to end what runs at the moment. @type {Set<() => void>} */
const running = new Set()

/** The part of a runner's output that says what has failed and why. @param {string} output */
function failuresIn(output) {
  const starts = ['\u2716 failing tests:', '= FAILURES =', '= ERRORS =', '\nfailures:\n'].map((mark) => output.indexOf(mark))
  const at = Math.min(...starts.filter((start) => start >= 0))
  return Number.isFinite(at) ? output.slice(at, at + 12_000) : output.slice(-12_000)
}

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

/**
 * @param {string} name
 * @param {string} node
 * @param {string} venv
 * @param {import('./suites.mjs').Extent} extent
 * @param {boolean} soak  whether what is repeated is repeated as often as it takes to find what a few would not; then nothing is run again, either
 * @param {import('./suites.mjs').Turn} [turn]
 * @returns {Step}
 */
function nodeStep(name, node, venv, extent, soak, turn) {
  const { together, alone } = filesOf(extent, venv === PRIMARY, turn)
  // Of a file, too. What counts the lines makes all of it slower.
  const timeout = extent === 'counted' ? 480_000 : 120_000
  /** @param {number} limit @param {string[]} paths */
  const command = (limit, paths) => [node, 'scripts/node-tests.mjs', '--at-once', `${limit}`, '--timeout', `${timeout}`, ...paths]
  return {
    name,
    runner: 'node',
    commands: [command(FILES_AT_ONCE, together), ...(alone.length > 0 ? [command(1, alone)] : [])],
    ...(!soak && { alone: (/** @type {string} */ path) => command(1, [path]) }),
    env: {
      ASGI_NODE_PYTHON: pythonOf(venv),
      ...(soak && { ASGI_NODE_SOAK: '1' }),
      ...(extent === 'workers' && { ASGI_NODE_TEST_WORKERS: '1' }),
      NODE_OPTIONS: '--unhandled-rejections=strict',
      // What tests start as `node` is this Node, too.
      PATH: [dirname(node), process.env.PATH].join(delimiter),
    },
  }
}

/** @param {string} name @param {string} venv @param {string[]} [options] @returns {Step} */
function pytestStep(name, venv, options = []) {
  // A file stays whole, for what its tests share.
  const command = [pythonOf(venv), '-m', 'pytest', '-p', 'no:cacheprovider', '-n', String(PYTEST_AT_ONCE), '--dist', 'loadfile', ...options]
  return { name, runner: 'pytest', commands: [command] }
}

/** @param {{ all: boolean, fast: boolean, primary: boolean, slowest: boolean }} options @returns {Promise<Step[]>} */
async function allSteps({ all, fast, primary: only, slowest }) {
  const environments = (await plan()).filter(({ venv }) => existsSync(join(venv, '.stamp')))
  const [primary] = environments
  const current = { version: process.versions.node, executable: process.execPath }
  const label = (/** @type {string} */ node, /** @type {import('./pythons.mjs').Python} */ python) =>
    `node ${node}, python ${python.tag}`
  const durations = slowest ? [`--durations=${SLOWEST}`] : []
  /** @type {Step} */
  const core = {
    name: 'core, rewriter and worker, Rust',
    runner: 'cargo',
    compiles: true,
    commands: [
      ['cargo', 'test', '--package', 'asgi-node-core', '--package', 'asgi-node-rewriter', '--package', 'asgi-node-worker', '--package', 'asgi-node-supervisor'],
      // One file of the addon, which as a whole needs Node to be linked. One command, because each must have run tests.
      ['bash', '-c', 'rustc --edition 2024 -C debug-assertions --test -o build/lent-tests crates/addon/src/lent/ffi.rs && build/lent-tests'],
    ],
  }
  if (fast) {
    const ignored = SLOW_PYTEST.map((path) => `--ignore=${path}`)
    return [
      core,
      pytestStep(`pytest, python ${primary.python.tag}, units`, primary.venv, [...ignored, ...durations]),
      nodeStep(`${label(current.version, primary.python)}, units`, current.executable, primary.venv, 'fast', false),
    ]
  }
  if (only) {
    const step = nodeStep(label(current.version, primary.python), current.executable, primary.venv, 'counted', false)
    return [pytestStep(`pytest, python ${primary.python.tag}`, primary.venv, durations), step]
  }
  return [
    core,
    { name: 'core in every order of its threads, loom', runner: 'cargo', compiles: true, commands: [['make', '--silent', 'loom']] },
    ...environments.map(({ python, venv }, i) => {
      const turn = inTurn(PYTEST_BY_TURN, { index: i - 1, of: environments.length - 1 })
      const ignored = all || i === 0 ? [] : PYTEST_BY_TURN.filter((path) => !turn.includes(path))
      return pytestStep(`pytest, python ${python.tag}`, venv, [...ignored.map((path) => `--ignore=${path}`), ...durations])
    }),
    { name: `wheel, python ${primary.python.tag}`, runner: 'pytest', compiles: true, commands: [['scripts/wheel.sh']] },
    nodeStep(label(current.version, primary.python), current.executable, primary.venv, 'whole', all),
    nodeStep(`${label(current.version, primary.python)}, workers: 1`, current.executable, primary.venv, 'workers', false),
    ...cells(current, environments, all).map(({ node, python, venv }, index, { length: of }) =>
      nodeStep(`matrix: ${label(node.version, python)}`, node.executable, venv, all ? 'whole' : 'cell', all, { index, of })
    ),
  ]
}

/**
 * The combinations beside that of the current Node and the primary Python.
 * @param {{ version: string, executable: string }} current
 * @param {Awaited<ReturnType<typeof plan>>} environments
 * @param {boolean} all every one, or only as many as it takes to have each Node and each Python once
 */
function cells(current, environments, all) {
  const [primary] = environments
  // The current Node stands for its line only when tests/nodes does not hold one.
  const line = (/** @type {string} */ version) => version.split('.')[0]
  const pinned = nodes()
  const versions = pinned.some(({ version }) => line(version) === line(current.version)) ? pinned : [current, ...pinned]
  // The current Node comes first: with the primary Python it has its own, longer step.
  versions.sort((a, b) => Number(b.version === current.version) - Number(a.version === current.version))
  // The primary Python has had the longer step, which is the only one where there is no other Python.
  const rest = environments.length > 1 ? environments.slice(1) : environments
  const pairs = all
    ? versions.flatMap((node) => environments.map((environment) => ({ node, ...environment })))
    : Array.from({ length: Math.max(versions.length, rest.length) }, (_, i) => ({
        node: versions[i % versions.length],
        ...rest[i % rest.length],
      }))
  return pairs.filter(({ node, venv }) => node.version !== current.version || venv !== primary.venv)
}

/**
 * @param {string[]} command
 * @param {Record<string, string> | undefined} env
 * @param {(text: string) => void} write
 * @param {number} minutes that it may take
 * @returns {Promise<number>} its exit code
 */
async function execute([program, ...args], env, write, minutes) {
  // In a group of its own: what hangs is ended together with the processes that it started.
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, ...BYTECODE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const end = () => child.pid && process.kill(-child.pid, 'SIGKILL')
  const timer = setTimeout(() => {
    write(`\nended after ${minutes} minutes\n`)
    end()
  }, minutes * 60_000)
  running.add(end)
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', write)
  try {
    const [code, signal] = await once(child, 'close')
    if (signal) write(`\nended by ${signal}\n`)
    return code ?? 1
  } catch (error) {
    write(`${error}\n`)
    return 127
  } finally {
    clearTimeout(timer)
    running.delete(end)
  }
}

/**
 * The test files of node:test that have failed.
 * @param {string} output
 */
function failedFiles(output) {
  const text = output.replaceAll(/\u001B\[[\d;]*m/g, '')
  return [...new Set([...text.matchAll(/^test at (\S+\.test\.mjs):/gm)].map(([, path]) => path))]
}

/**
 * Whether each file that failed beside others passes alone. On a busy machine a test may wait too long for something else; what
 * is wrong fails again.
 * @param {Step} step
 * @param {string} output
 * @param {(text: string) => void} write
 * @returns {Promise<string[]>} the files; none where one has failed again, or too many have failed
 */
async function passAlone({ alone, env }, output, write) {
  const files = failedFiles(output)
  if (!alone || files.length === 0 || files.length > MOST_UNSTEADY) return []
  for (const file of files) {
    write(`\n----- ${file}, alone\n`)
    if ((await execute(alone(file), env, write, LIMIT_MINUTES)) !== 0) return []
  }
  return files
}

/** @param {Step} step @param {{ slowest: boolean, primary: boolean }} options @returns {Promise<Outcome>} */
async function run(step, { slowest, primary }) {
  const started = Date.now()
  const path = join(LOGS, `${step.name.replaceAll(/[^a-z0-9.]+/gi, '-')}.log`)
  const log = createWriteStream(path)
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const command of step.commands) {
    let output = ''
    const write = (/** @type {string} */ text) => {
      output += text
      log.write(text)
    }
    // What measures which lines are reached is slow.
    const exitCode = await execute(command, step.env, write, primary ? 4 * LIMIT_MINUTES : LIMIT_MINUTES)
    const own = count(step.runner, output, exitCode)
    const steady = own.failed === 0 ? [] : await passAlone(step, output, (text) => log.write(text))
    if (steady.length > 0) {
      unsteady.push(`${step.name}: ${steady.join(', ')} failed beside other files and passed alone; all of it: ${path.slice(ROOT.length)}\n${failuresIn(output)}`)
      console.log(`\n${unsteady.at(-1)}`)
      own.passed += own.failed
      own.failed = 0
    } else if (own.failed > 0) {
      failures.push(`----- ${step.name} failed; all of it: ${path.slice(ROOT.length)}\n${failuresIn(output)}\n-----`)
      console.log(`\n${failures.at(-1)}`)
    }
    if (slowest) for (const line of slowestOf(step.runner, output, SLOWEST)) console.log(`     ${line}`)
    counts.passed += own.passed
    counts.failed += own.failed
    counts.skipped += own.skipped
  }
  log.end()
  return { step, counts, seconds: (Date.now() - started) / 1000, ok: counts.failed === 0 }
}

/** @param {Outcome} outcome */
function row({ step, counts, seconds, ok }) {
  const numbers = [counts.passed, counts.failed, counts.skipped].map((value) => String(value).padStart(7)).join('')
  return `${ok ? 'ok  ' : 'FAIL'} ${step.name.padEnd(46)}${numbers} ${seconds.toFixed(1).padStart(8)} s`
}

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      all: { type: 'boolean', default: false },
      fast: { type: 'boolean', default: false },
      primary: { type: 'boolean', default: false },
      list: { type: 'boolean' },
      slowest: { type: 'boolean', default: false },
    },
  })
  const steps = (await allSteps(values)).filter(({ name }) => name.includes(values.only))
  if (values.list) {
    for (const { name } of steps) console.log(name)
    return
  }
  if (steps.length === 0) throw new Error(`No step's name contains '${values.only}'`)
  process.once('SIGINT', () => {
    for (const end of running) end()
    process.exit(130)
  })
  rmSync(LOGS, { recursive: true, force: true })
  mkdirSync(LOGS, { recursive: true })

  /** @type {Map<Step, Outcome>} */
  const ended = new Map()
  const inOrder = async (/** @type {Step[]} */ some) => {
    for (const step of some) {
      const outcome = await run(step, values)
      ended.set(step, outcome)
      console.log(row(outcome))
    }
  }
  const node = steps.filter(({ runner }) => runner === 'node')
  const others = steps.filter((step) => !node.includes(step))
  await Promise.all([inOrder(others.filter(({ compiles }) => compiles)), inOrder(others.filter(({ compiles }) => !compiles))])
  await inOrder(node)
  const outcomes = steps.flatMap((step) => ended.get(step) ?? [])

  for (const failure of failures) console.log(`\n${failure}`)
  const total = (/** @type {'passed' | 'failed' | 'skipped'} */ key) =>
    outcomes.reduce((sum, { counts }) => sum + counts[key], 0)
  console.log(`\n${' '.repeat(51)} passed failed skipped     time`)
  for (const outcome of outcomes) console.log(row(outcome))
  for (const text of unsteady) console.log(`\nUNSTEADY ${text.split('\n', 1)[0]}`)
  for (const [name, reason] of IMPOSSIBLE) console.log(`\ntests/${name}.test.mjs was not run: ${reason}`)
  console.log(`\n${total('passed')} passed, ${total('failed')} failed`)
  if (outcomes.some(({ ok }) => !ok)) process.exitCode = 1
}

main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
