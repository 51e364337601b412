// `make autobahn`: Autobahn's fuzzing client against an echo application. Sections 1 to 10 and one compression case of each
// kind in under a minute; all 517 cases with FULL=1 (or --full).
//
//   node scripts/autobahn.mjs [--full] [--cases '9.*,12.1.1']
//
// The test suite is written for Python 2.7 (PYTHON27=, pyenv's, or one on PATH). Where there is none this says so and ends.
// What it needs is installed once into build/autobahn; the reports are there, too.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { PythonHandler } from 'asgi-node'
import { pythonOf } from './venvs.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FOLDER = join(ROOT, 'build', 'autobahn')
const VENV = join(FOLDER, 'venv')
const REPORTS = join(FOLDER, 'reports')
const SUITE = 'autobahntestsuite==25.10.1'
/** The last that make environments for Python 2.7. */
const VIRTUALENV = 'virtualenv<20.22'
const SHORT = [...Array.from({ length: 10 }, (_, i) => `${i + 1}.*`), '12.1.1', '12.2.10', '12.5.1', '13.1.1', '13.3.1', '13.7.1']
/** All cases, in parts that run beside each other: those of 12 and 13 are a thousand round trips each, and wait most of the time. */
const FULL = [SHORT.slice(0, 10), ['12.1.*', '12.2.*'], ['12.3.*', '12.4.*', '12.5.*'], ['13.1.*', '13.2.*', '13.3.*'], ['13.4.*', '13.5.*', '13.6.*', '13.7.*']]
/** Bad UTF-8 that could be told from its first fragments; `ws` looks when the message is complete. RFC 6455 allows both. */
const MAY_BE_LATE = ['6.4.1', '6.4.2', '6.4.3', '6.4.4']
/** One that takes longer hangs. The compression cases are thousands of round trips each. */
const LIMIT_MS = 60 * 60_000

const run = promisify(execFile)

/** @returns {Promise<string | null>} */
async function findPython27() {
  const pyenv = join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions')
  const installed = existsSync(pyenv) ? readdirSync(pyenv).filter((name) => name.startsWith('2.7')) : []
  const candidates = [process.env.PYTHON27, ...installed.map((name) => join(pyenv, name, 'bin', 'python')), '/usr/bin/python2.7', 'python2.7']
  for (const candidate of candidates) {
    if (!candidate) continue
    try {
      const { stdout } = await run(candidate, ['-c', 'import sys; print(sys.version[:3])'])
      if (stdout.trim() === '2.7') return candidate
    } catch {
      // The next one.
    }
  }
  return null
}

/** Installs the suite, unless it is there. @param {string} python27 */
async function install(python27) {
  const stamp = join(VENV, '.stamp')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === SUITE) return
  console.log(`${SUITE} for ${python27} …`)
  rmSync(VENV, { recursive: true, force: true })
  const tools = join(FOLDER, 'tools')
  const quiet = ['--quiet', '--disable-pip-version-check']
  await run(pythonOf(join(ROOT, '.venv')), ['-m', 'pip', 'install', ...quiet, '--upgrade', '--target', tools, VIRTUALENV])
  await run(pythonOf(join(ROOT, '.venv')), ['-m', 'virtualenv', '--quiet', '--python', python27, VENV], { env: { ...process.env, PYTHONPATH: tools } })
  await run(pythonOf(VENV), ['-m', 'pip', 'install', ...quiet, '--no-python-version-warning', SUITE])
  writeFileSync(stamp, SUITE)
}

/** @typedef {{ behavior: string, behaviorClose: string, duration: number, reportfile: string }} Result */

/** @param {string} url @param {string[]} cases @param {number} part @returns {Promise<Record<string, Result>>} */
async function fuzz(url, cases, part) {
  const reports = join(REPORTS, String(part))
  const spec = join(FOLDER, `spec-${part}.json`)
  writeFileSync(spec, JSON.stringify({ outdir: reports, servers: [{ agent: 'asgi-node', url }], cases, 'exclude-cases': [], 'exclude-agent-cases': {} }))
  // -u 0: without its web server.
  const child = spawn(join(VENV, 'bin', 'wstest'), ['-m', 'fuzzingclient', '-s', spec, '-u', '0'], { cwd: FOLDER, stdio: ['ignore', 'pipe', 'pipe'] })
  const log = createWriteStream(join(FOLDER, `wstest-${part}.log`))
  for (const stream of [child.stdout, child.stderr]) stream.pipe(log, { end: false })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
  const [code, signal] = await once(child, 'close')
  clearTimeout(timer)
  log.end()
  const index = join(reports, 'index.json')
  if (!existsSync(index)) throw new Error(`wstest ended with ${signal ?? code} and no report: see ${log.path}`)
  /** @type {Record<string, Result>} */
  const results = JSON.parse(readFileSync(index, 'utf8'))['asgi-node']
  for (const result of Object.values(results)) result.reportfile = join('build', 'autobahn', 'reports', String(part), result.reportfile)
  return results
}

/** Prints one line, and each case that is not as it should be. @param {Record<string, Result>} results @param {number} seconds */
function report(results, seconds) {
  const entries = Object.entries(results)
  const named = (/** @type {string} */ behavior) => entries.filter(([, result]) => result.behavior === behavior).map(([name]) => name)
  const good = [...named('OK'), ...named('INFORMATIONAL')]
  const late = named('NON-STRICT')
  const bad = entries.filter(([name, { behavior, behaviorClose }]) => {
    if (behavior === 'NON-STRICT') return !MAY_BE_LATE.includes(name)
    return !['OK', 'INFORMATIONAL'].includes(behavior) || !['OK', 'INFORMATIONAL'].includes(behaviorClose)
  })
  for (const [name, { behavior, behaviorClose, reportfile }] of bad) {
    console.log(`${name}: ${behavior}, its close ${behaviorClose} (${reportfile})`)
  }
  const failed = bad.filter(([, { behavior }]) => behavior !== 'NON-STRICT').length
  console.log(
    `autobahn: ${entries.length} cases, ${good.length} passed, ${late.length} non-strict${late.length > 0 ? ` (${late.join(', ')})` : ''}, ` +
      `${failed} failed, ${seconds.toFixed(0)} s`,
  )
  return bad.length === 0 && entries.length > 0
}

async function main() {
  const { values } = parseArgs({ options: { full: { type: 'boolean', default: false }, cases: { type: 'string' } } })
  const python27 = await findPython27()
  if (python27 === null) {
    console.log('autobahn: not run, because no Python 2.7 was found (PYTHON27=, pyenv, PATH): the test suite needs one')
    return
  }
  mkdirSync(FOLDER, { recursive: true })
  await install(python27)
  const python = new PythonHandler({ app: 'websocket_app:app', docroot: join(ROOT, 'fixtures', 'apps') })
  const server = createServer(python.listener).on('upgrade', python.upgrade).listen(0, '127.0.0.1')
  await Promise.all([python.ready(), once(server, 'listening')])
  const address = /** @type {import('node:net').AddressInfo} */ (server.address())
  const started = performance.now()
  rmSync(REPORTS, { recursive: true, force: true })
  const parts = values.cases ? [values.cases.split(',')] : values.full ? FULL : [SHORT]
  const results = await Promise.all(parts.map((cases, part) => fuzz(`ws://127.0.0.1:${address.port}/echo`, cases, part)))
  if (!report(Object.assign({}, ...results), (performance.now() - started) / 1000)) process.exitCode = 1
  server.close()
  await python.close({ timeout: 5000 })
}

await main()
