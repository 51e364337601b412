// `make bench`: what a request, a large body and a WebSocket cost here, beside the servers that one could pick instead.
//
//   node benches/compare/run.mjs [--only TEXT] [--contestant TEXT]... [--rounds N] [--seconds N] [--write]
//   QUICK=1: a round of the most telling workloads, in four minutes. FLOOR=DIR: the sources of a C floor (benches/hello.mjs)
//
// In each round every contestant has its turn with each workload, in an order that moves on by one, on 127.0.0.1, with one
// process for the application, or with so many workers as it says. The client (client/) checks every byte. With --write the report and its charts go to
// benches/results. Needs Linux: processor time and memory are read from /proc.
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { CONTESTANTS, start } from './contestants.mjs'
import { inProcess } from './in-process.mjs'
import { report } from './report.mjs'
import { CLIENT, setUp } from './setup.mjs'
import { WORKLOADS } from './workloads.mjs'

const quick = Boolean(process.env.QUICK)
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    contestant: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string', default: quick ? '1' : '3' },
    seconds: { type: 'string', default: quick ? '1' : '2' },
    write: { type: 'boolean', default: false },
  },
})
/** A client that takes longer hangs. */
const LIMIT_SECONDS = 60

/**
 * @typedef {object} Result
 * @property {number} value  in the workload's unit
 * @property {number} [cpu]  microseconds of the server's processes for each answer, message or MiB
 * @property {number} [p50]  microseconds
 * @property {number} [p99]
 * @property {number} memory  MiB at most
 * @property {number} growth  MiB of memory that the workload added
 */

/** Runs the client. @param {object} workload @param {(line: string, child: import('node:child_process').ChildProcess) => void} [onLine] */
async function client(workload, onLine) {
  const child = spawn('sh', ['-c', 'ulimit -n 65536 2>/dev/null; exec "$@"', 'sh', CLIENT, JSON.stringify(workload)], { stdio: ['pipe', 'pipe', 'pipe'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_SECONDS * 1000)
  let out = ''
  let complaint = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text
    if (out.includes('\n')) onLine?.(out.trim(), child)
  })
  child.stderr.setEncoding('utf8').on('data', (text) => (complaint += text))
  const code = await new Promise((resolve) => child.on('close', resolve))
  clearTimeout(timer)
  if (code !== 0) throw new Error(complaint.trim().split('\n')[0] || `the client has not ended within ${LIMIT_SECONDS} s`)
  return JSON.parse(out.trim().split('\n').at(-1) ?? '')
}

/** @param {import('./contestants.mjs').Running} server @param {string} name @returns {Promise<Result>} */
async function measure(server, name) {
  const { client: asked, unit } = WORKLOADS[name]
  // Otherwise an earlier workload's peak would be this one's growth.
  server.forgetPeak()
  const before = server.memory.now
  if (asked.kind === 'idle') return idle(server, asked)
  const cpu = server.cpu
  // V8 wants that long.
  const warmUp = 1
  const { perSecond, count, p50, p99 } = await client({ ...asked, port: server.port, warmUp, seconds: Number(values.seconds) })
  const { peak } = server.memory
  // What is counted is what came after the warm-up; the processor time is that of both.
  const share = asked.kind === 'download' || asked.kind === 'upload' ? 1 : Number(values.seconds) / (Number(values.seconds) + warmUp)
  const mebi = unit === 'MiB/s' ? 2 ** 20 : 1
  return { value: perSecond / mebi, cpu: ((server.cpu - cpu) * share * 1e6) / (count / mebi), p50, p99, memory: peak, growth: peak - before }
}

/** What sockets cost that do nothing. @param {import('./contestants.mjs').Running} server @param {Record<string, any>} asked */
async function idle(server, asked) {
  const connections = quick ? 1000 : asked.connections
  const before = server.memory.now
  let value = NaN
  let memory = 0
  await client({ ...asked, connections, port: server.port }, async (_, child) => {
    await sleep(1000)
    const { now, peak } = server.memory
    value = ((now - before) * 1024) / connections
    memory = peak
    child.stdin?.end()
  })
  return { value, memory, growth: memory - before }
}

/** Of a list, from the n-th on. @template T @param {T[]} list @param {number} n */
const rotated = (list, n) => list.map((_, i) => list[(i + n) % list.length])

async function main() {
  const { floor } = setUp()
  const names = Object.keys(WORKLOADS).filter((name) => (name.includes(values.only) || WORKLOADS[name].title.includes(values.only)) && (!quick || WORKLOADS[name].quick || values.only))
  const contestants = Object.keys(CONTESTANTS).filter((name) => values.contestant.length === 0 || values.contestant.some((text) => name.includes(text)))
  /** @type {Record<string, Record<string, (Result | null)[]>>} */
  const results = Object.fromEntries(names.map((name) => [name, Object.fromEntries(contestants.map((contestant) => [contestant, []]))]))
  /** @type {Map<string, string>} */
  const reasons = new Map()
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const app of ['plain:app', 'api:app']) {
      const asked = names.filter((name) => WORKLOADS[name].app === app)
      for (const contestant of rotated(contestants, round)) {
        const { cannot = [], reason = '', only = asked } = CONTESTANTS[contestant]
        for (const unable of asked.filter((name) => cannot.includes(name))) reasons.set(`${unable} ${contestant}`, reason)
        const able = asked.filter((name) => !cannot.includes(name) && only.includes(name))
        if (able.length > 0) await turn(contestant, app, able, results, reasons)
      }
    }
  }
  const inside = values.contestant.length > 0 || (values.only && !'in process'.includes(values.only)) ? [] : await inProcess({ rounds: Number(values.rounds), floor, quick })
  await report({ results, reasons, inside, floor, rounds: Number(values.rounds), seconds: Number(values.seconds), quick, write: values.write })
}

/** One contestant, in a process of its own, does what it is asked to. */
async function turn(/** @type {string} */ contestant, /** @type {string} */ app, /** @type {string[]} */ names, /** @type {any} */ results, /** @type {Map<string, string>} */ reasons) {
  let server
  for (const name of names) {
    try {
      server ??= await start(CONTESTANTS[contestant], app)
      const result = await measure(server, name)
      results[name][contestant].push(result)
      console.error(`${contestant.padEnd(28)} ${WORKLOADS[name].title.padEnd(56)} ${result.value.toFixed(0).padStart(8)} ${WORKLOADS[name].unit}`)
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      console.error(`${contestant.padEnd(28)} ${WORKLOADS[name].title.padEnd(56)} ${text}`)
      reasons.set(`${name} ${contestant}`, text)
      results[name][contestant].push(null)
      // It may be in any state.
      await server?.stop()
      server = undefined
    }
  }
  await server?.stop()
}

await main()
