// Who is measured: how each is started on a port for an application of apps/, and what it cannot do.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../free-port.mjs'
import { PYTHON } from './setup.mjs'

const APPS = new URL('apps', import.meta.url).pathname
const SERVER = new URL('server.mjs', import.meta.url).pathname
const FASTPYSGI = new URL('fastpysgi_server.py', import.meta.url).pathname

/**
 * @typedef {object} Contestant
 * @property {(app: string, port: number, upstream: number) => string[][]} commands  programs with their arguments, all of which run
 * @property {() => Record<string, string>} [env]
 * @property {string[]} [only]  the workloads that are asked of it, where others would tell nothing new
 * @property {string[]} [cannot]  the workloads that are not asked of it: see `reason`
 * @property {string} [reason]
 */

const node = (/** @type {string[]} */ ...args) => [process.execPath, SERVER, ...args]
const uvicorn = (/** @type {string} */ app, /** @type {number} */ port) => [PYTHON, '-m', 'uvicorn', app, '--port', `${port}`, '--log-level', 'error', '--no-access-log']
const API = ['json', 'post']
const SOCKETS = ['echo64', 'echo1', 'echo64k', 'broadcast', 'idle']

const workers = (/** @type {number} */ count, /** @type {string[]} */ ...only) => ({
  commands: (/** @type {string} */ app, /** @type {number} */ port) => [node('asgi-node', `${port}`, app)],
  env: () => ({ BENCH_OPTIONS: JSON.stringify({ ...JSON.parse(process.env.BENCH_OPTIONS ?? '{}'), workers: count }) }),
  only,
})

/** @type {Record<string, Contestant>} */
export const CONTESTANTS = {
  'asgi-node': { commands: (app, port) => [node('asgi-node', `${port}`, app)] },
  'asgi-node, 1 worker': workers(1, 'hello', 'json', 'busy', 'echo1m', 'download', 'upload'),
  'asgi-node, 2 workers': workers(2, 'json', 'busy'),
  'node:http alone': { commands: (app, port) => [node('node-http', `${port}`, app)], cannot: [...API, 'busy'], reason: 'it has no Python' },
  'uvicorn': { commands: (app, port) => [uvicorn(app, port)] },
  'uvicorn, 2 workers': { commands: (app, port) => [[...uvicorn(app, port), '--workers', '2']], only: ['json', 'busy'] },
  'granian': { commands: (app, port) => [[join(PYTHON, '../granian'), '--interface', 'asgi', '--host', '127.0.0.1', '--port', `${port}`, '--no-log', app]] },
  'hypercorn': { commands: (app, port) => [[PYTHON, '-m', 'hypercorn', app, '--bind', `127.0.0.1:${port}`, '--worker-class', 'uvloop', '--log-level', 'ERROR']] },
  'gunicorn, asgi': { commands: (app, port) => [[PYTHON, '-m', 'gunicorn', app, '--worker-class', 'asgi', '--bind', `127.0.0.1:${port}`, '--log-level', 'error']] },
  'fastpysgi': { commands: (app, port) => [[PYTHON, FASTPYSGI, app, `${port}`]], cannot: SOCKETS, reason: 'it has no WebSockets' },
  'node → undici → uvicorn': {
    commands: (app, port, upstream) => [uvicorn(app, upstream), node('proxy', `${port}`, app, `${upstream}`)],
    cannot: SOCKETS,
    reason: 'undici forwards no upgrades',
  },
  '@platformatic/python-node': {
    commands: (app, port) => [node('python-node', `${port}`, app)],
    // It is linked with a libpython3.13, which its install script looks for, where npm runs such scripts.
    env: () => ({ LD_LIBRARY_PATH: execFileSync(PYTHON, ['-c', 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))'], { encoding: 'utf8' }).trim() }),
    cannot: [...SOCKETS, 'download', 'upload', 'events'],
    reason: 'no WebSockets; bodies are whole in memory',
  },
}

/** Whether something listens on the port. @param {number} port */
async function listens(port) {
  const socket = connect(port, '127.0.0.1')
  try {
    return await Promise.race([once(socket, 'connect').then(() => true), sleep(100, false)])
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** A contestant that serves; its processes and all that they have started. */
export class Running {
  /** @param {import('node:child_process').ChildProcess[]} children @param {number} port */
  constructor(children, port) {
    this.children = children
    this.port = port
  }

  /** The processes' ids. */
  get pids() {
    const parents = new Map(processes().map(({ pid, parent }) => [pid, parent]))
    const roots = new Set(this.children.map(({ pid }) => pid))
    const within = (/** @type {number | undefined} */ pid) => {
      for (let at = pid; at; at = parents.get(at)) if (roots.has(at)) return true
      return false
    }
    return [...parents.keys()].filter(within)
  }

  /** Seconds of CPU that they have used. */
  get cpu() {
    return this.pids.reduce((sum, pid) => sum + cpuOf(pid), 0)
  }

  /** From here on counts what they hold at most. */
  forgetPeak() {
    for (const pid of this.pids) writeFileSync(`/proc/${pid}/clear_refs`, '5')
  }

  /** MiB that they hold now, and have held at most. */
  get memory() {
    const lines = this.pids.map((pid) => read(`/proc/${pid}/status`))
    const sum = (/** @type {RegExp} */ pattern) => lines.reduce((all, text) => all + Number(text.match(pattern)?.[1] ?? 0), 0) / 1024
    return { now: sum(/^VmRSS:\s+(\d+)/m), peak: sum(/^VmHWM:\s+(\d+)/m) }
  }

  async stop() {
    for (const child of this.children) if (child.exitCode === null) child.kill('SIGTERM')
    const ended = Promise.all(this.children.map((child) => child.exitCode === null && child.signalCode === null && once(child, 'exit')))
    await Promise.race([ended, sleep(3000)])
    for (const child of this.children) child.kill('SIGKILL')
    await ended
  }
}

/** Starts a contestant; rejects with what it has said when it does not listen. @param {Contestant} contestant @param {string} app */
export async function start({ commands, env }, app) {
  const [port, upstream] = [await freePort(), await freePort()]
  let said = ''
  const children = commands(app, port, upstream).map(([program, ...args]) => {
    // Many sockets want many descriptors.
    const child = spawn('sh', ['-c', 'ulimit -n 65536 2>/dev/null; exec "$@"', 'sh', program, ...args], {
      cwd: APPS,
      env: { ...process.env, ...env?.(), ASGI_NODE_PYTHON: PYTHON, VIRTUAL_ENV: join(PYTHON, '../..'), PYTHONPATH: APPS },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said = (said + text).slice(-4000)))
    return child
  })
  const running = new Running(children, port)
  const until = Date.now() + 30_000
  while (Date.now() < until && children.every(({ exitCode }) => exitCode === null)) {
    if (await listens(port)) {
      // The proxy listens before what is behind it does.
      while (children.length > 1 && Date.now() < until && !(await listens(upstream))) await sleep(50)
      return running
    }
    await sleep(50)
  }
  await running.stop()
  const lines = said.trim().split('\n')
  throw new Error(lines.findLast((line) => /error/i.test(line))?.trim() || lines.at(-1) || 'it does not listen')
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** The fields of /proc/<pid>/stat after the name. @param {number} pid */
const statOf = (pid) => read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? []

/** @param {number} pid */
function cpuOf(pid) {
  const fields = statOf(pid)
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / 100
}

function processes() {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)
  return pids.map((pid) => ({ pid, parent: Number(statOf(pid)[1] ?? 0) }))
}
