// The workloads without a socket: handleRequest with 1 and 64 in flight beside the C floor, fetch, handleRequestSync, each runtime busy
// while the other works, and the start. Each runs in a process of its own (`node in-process.mjs NAME`), which prints a line of JSON.
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { median } from './statistics.mjs'
import { PYTHON } from './setup.mjs'

const SELF = fileURLToPath(import.meta.url)
const APPS = new URL('apps', import.meta.url).pathname

/** @typedef {{ title: string, unit: string, values: number[] }} Inside */

/** A handler that has answered. */
async function ready(options = {}, url = '/hello') {
  const { PythonHandler } = await import('asgi-node')
  const handler = new PythonHandler({ app: 'plain:app', docroot: APPS, ...options })
  if (url === '/hello') await ready.ask(handler)
  else await handler.handleRequest({ url })
  return handler
}
ready.ask = async (/** @type {any} */ handler) => {
  const { body } = await handler.handleRequest({ url: '/hello' })
  if (body.toString() !== 'Hello, world!') throw new Error('a wrong answer')
}

/** Requests a second of `ask` with so many in flight. @param {() => Promise<unknown>} ask @param {number} inFlight @param {number} seconds */
async function rate(ask, inFlight, seconds) {
  let count = 0
  const run = async (/** @type {number} */ until) => {
    while (performance.now() < until) {
      await ask()
      count += 1
    }
  }
  const all = (/** @type {number} */ until) => Promise.all(Array.from({ length: inFlight }, () => run(until)))
  await all(performance.now() + 500)
  count = 0
  const begun = performance.now()
  await all(begun + seconds * 1000)
  return (count / (performance.now() - begun)) * 1000
}

/** @type {Record<string, { title: string, unit: string, run: (seconds: number) => Promise<number> }>} */
const CASES = {
  one: {
    title: 'handleRequest, one in flight', unit: 'µs each', async run(seconds) {
      const handler = await ready()
      return 1e6 / (await rate(() => ready.ask(handler), 1, seconds))
    },
  },
  many: {
    title: 'handleRequest, 64 in flight', unit: 'requests/s', async run(seconds) {
      const handler = await ready()
      return rate(() => ready.ask(handler), 64, seconds)
    },
  },
  worker: {
    title: 'handleRequest, 64 in flight, 1 worker', unit: 'requests/s', async run(seconds) {
      const handler = await ready({ workers: 1 })
      return rate(() => ready.ask(handler), 64, seconds)
    },
  },
  fetch: {
    title: 'handler.fetch, one in flight', unit: 'µs each', async run(seconds) {
      const handler = await ready()
      const ask = async () => {
        const response = await handler.fetch(new Request('http://127.0.0.1/hello'))
        if ((await response.text()) !== 'Hello, world!') throw new Error('a wrong answer')
      }
      return 1e6 / (await rate(ask, 1, seconds))
    },
  },
  sync: {
    title: 'handleRequestSync', unit: 'µs each', async run(seconds) {
      const handler = await ready()
      let count = 0
      const begun = performance.now()
      while (performance.now() - begun < seconds * 1000) {
        if (handler.handleRequestSync({ url: '/hello' }).status !== 200) throw new Error('a wrong answer')
        count += 1
      }
      return ((performance.now() - begun) * 1000) / count
    },
  },
  javascript: {
    title: 'handleRequest, 64 in flight, JavaScript busy half the time', unit: 'requests/s', async run(seconds) {
      const handler = await ready()
      const timer = setInterval(() => {
        const until = performance.now() + 10
        while (performance.now() < until);
      }, 20)
      const value = await rate(() => ready.ask(handler), 64, seconds)
      clearInterval(timer)
      return value
    },
  },
  python: {
    title: 'turns of Node’s loop while Python computes', unit: 'turns/s', async run(seconds) {
      const handler = await ready()
      let over = false
      const busy = (async () => {
        while (!over) await handler.handleRequest({ url: '/busy' })
      })()
      let count = 0
      const begun = performance.now()
      while (performance.now() - begun < seconds * 1000) {
        await new Promise((resolve) => setImmediate(resolve))
        count += 1
      }
      const elapsed = performance.now() - begun
      over = true
      await busy
      return (count / elapsed) * 1000
    },
  },
  start: {
    title: 'from `new PythonHandler` to the first response', unit: 'ms', async run() {
      const begun = performance.now()
      await ready()
      return performance.now() - begun
    },
  },
  workerStart: {
    title: 'FastAPI: start of a worker to its first response', unit: 'ms', async run() {
      const handler = await ready({ app: 'api:app', workers: 1 }, '/item')
      const begun = performance.now()
      // A new worker in place of the first one: Python itself has been looked at by then.
      await handler.reload()
      await handler.handleRequest({ url: '/item' })
      return performance.now() - begun
    },
  },
  workerIdle: {
    title: 'wake-ups of Node and an idle worker', unit: 'a second', async run() {
      const handler = await ready({ workers: 1 })
      const pids = [process.pid, ...handler.health().workers.map(({ pid }) => pid)]
      await sleep(1000)
      const before = wakeUps(pids)
      await sleep(3000)
      return (wakeUps(pids) - before) / 3
    },
  },
  memory: {
    title: 'resident memory after the first response', unit: 'MiB', async run() {
      await ready()
      await sleep(500)
      return process.memoryUsage().rss / 2 ** 20
    },
  },
}

/** How often the threads of these processes have gone to sleep. @param {number[]} pids */
function wakeUps(pids) {
  const tasks = pids.flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}/status`))
  return tasks.reduce((sum, path) => sum + Number(readFileSync(path, 'utf8').match(/^voluntary_ctxt_switches:\s+(\d+)/m)?.[1] ?? 0), 0)
}

/** Node alone, for what is compared with it. @type {Record<string, { title: string, unit: string, script: string }>} */
const ALONE = {
  turns: { title: 'turns of Node’s loop with nothing else to do', unit: 'turns/s', script: 'let n=0;const b=performance.now();const t=()=>{n++;performance.now()-b<2000?setImmediate(t):console.log(n/2)};t()' },
  idle: { title: 'wake-ups of Node alone', unit: 'a second', script: `const s=()=>require('fs').readdirSync('/proc/self/task').reduce((n,t)=>n+Number(require('fs').readFileSync('/proc/self/task/'+t+'/status','utf8').match(/^voluntary_ctxt_switches:\\s+(\\d+)/m)[1]),0);setTimeout(()=>{const b=s();setTimeout(()=>console.log((s()-b)/3),3000)},1000)` },
  memory: { title: 'resident memory of Node alone', unit: 'MiB', script: 'setTimeout(()=>console.log(process.memoryUsage().rss/2**20),500)' },
}

/**
 * @param {{ rounds: number, floor: string | null, quick: boolean }} options
 * @returns {Promise<Inside[]>}
 */
export async function inProcess({ rounds, floor, quick }) {
  const env = { ...process.env, ASGI_NODE_PYTHON: PYTHON }
  const run = (/** @type {string[]} */ args, /** @type {object} */ options = {}) => execFileSync(process.execPath, args, { env, encoding: 'utf8', ...options }).trim()
  /** @type {Map<string, Inside>} */
  const found = new Map()
  const note = (/** @type {string} */ title, /** @type {string} */ unit, /** @type {number} */ value) => {
    const inside = found.get(title) ?? { title, unit, values: [] }
    inside.values.push(value)
    found.set(title, inside)
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, { title, unit }] of Object.entries(CASES)) note(title, unit, Number(run([SELF, name, quick ? '0.5' : '2'])))
    for (const { title, unit, script } of Object.values(ALONE)) note(title, unit, Number(run(['-e', script])))
    const begun = performance.now()
    execFileSync(PYTHON, ['-c', 'import fastapi, api'], { cwd: APPS })
    note('`python -c "import fastapi, api"`', 'ms', performance.now() - begun)
    if (floor) for (const line of floorLines(run, floor)) note(`the C floor, ${line.inFlight} in flight`, 'requests/s', line.perSecond)
  }
  for (const { title, unit, values } of found.values()) console.error(`${title.padEnd(62)} ${median(values).toFixed(1).padStart(10)} ${unit}`)
  return [...found.values()]
}

/** @param {(args: string[], options: object) => string} run @param {string} floor @returns {{ inFlight: number, perSecond: number }[]} */
function floorLines(run, floor) {
  const { libpython } = JSON.parse(run([SELF, 'facts'], {}))
  const env = { ...process.env, FLOOR_LIBPYTHON: libpython, FLOOR_PYTHON: PYTHON }
  return run(['bench.mjs'], { cwd: floor, env }).split('\n').map((line) => JSON.parse(line))
}

if (process.argv[1] === SELF) {
  const [, , name, seconds] = process.argv
  if (name === 'facts') {
    const { PythonHandler } = await import('asgi-node')
    await ready()
    console.log(JSON.stringify(PythonHandler.python))
  } else console.log(await CASES[name].run(Number(seconds)))
  process.exit(0)
}
