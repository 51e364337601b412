// What was measured, as Markdown on standard output, and with --write in benches/results, with charts.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { chart } from './charts.mjs'
import { CONTESTANTS } from './contestants.mjs'
import { FOLDER, PYTHON, ROOT } from './setup.mjs'
import { median, ratio, short } from './statistics.mjs'
import { WORKLOADS } from './workloads.mjs'

/** @typedef {import('./run.mjs').Result} Result */
/** @typedef {Record<string, Record<string, (Result | null)[]>>} Results */

const OURS = Object.keys(CONTESTANTS)[0]
const PACKAGES = /^(?:uvicorn|granian|hypercorn|gunicorn|fastpysgi|uvloop|httptools|websockets|fastapi)==/i

/** @param {(Result | null)[]} rounds @param {keyof Result} key */
const valuesOf = (rounds, key) => rounds.map((result) => result?.[key])
/** @param {(number | undefined)[]} values */
const known = (values) => values.flatMap((value) => (value === undefined || Number.isNaN(value) ? [] : [value]))
/** @param {(Result | null)[]} rounds @param {keyof Result} key */
const middle = (rounds, key) => (known(valuesOf(rounds, key)).length > 0 ? median(known(valuesOf(rounds, key))) : undefined)

/** @param {string} name @param {Results} results @param {Map<string, string>} reasons */
function table(name, results, reasons) {
  const { title, unit, client } = WORKLOADS[name]
  const idle = client.kind === 'idle'
  const bulk = client.kind === 'download' || client.kind === 'upload'
  const lines = [`### ${title}`, '']
  const each = bulk ? 'MiB' : 'each'
  const head = idle ? ['', unit] : ['', unit, 'least to most', 'ours / it', `CPU µs, ${each}`, 'p50 µs', 'p99 µs', 'memory, MiB', bulk ? 'grown by, MiB' : '']
  const columns = head.filter((cell, i) => i === 0 || cell !== '')
  lines.push(`| ${columns.join(' | ')} |`, `|${columns.map((_, i) => (i === 0 ? '---|' : '---:|')).join('')}`)
  const ours = valuesOf(results[name][OURS] ?? [], 'value')
  for (const [contestant, rounds] of Object.entries(results[name])) {
    const values = known(valuesOf(rounds, 'value'))
    if (values.length === 0) continue
    const against = contestant === OURS ? '' : short(ratio(ours, valuesOf(rounds, 'value')))
    const label = contestant === OURS ? `**${contestant}**` : contestant
    const cells = idle
      ? [label, short(median(values))]
      : [label, short(median(values)), `${short(Math.min(...values))} to ${short(Math.max(...values))}`, against, ...['cpu', 'p50', 'p99', 'memory'].map((key) => short(middle(rounds, /** @type {keyof Result} */ (key)))), ...(bulk ? [short(middle(rounds, 'growth'))] : [])]
    lines.push(`| ${cells.join(' | ')} |`)
  }
  const missing = [...reasons].filter(([key]) => key.startsWith(`${name} `)).map(([key, reason]) => `${key.slice(name.length + 1)} (${reason})`)
  if (missing.length > 0) lines.push('', `Not measured: ${missing.join('; ')}.`)
  return [...lines, '']
}

/** @param {import('./in-process.mjs').Inside[]} inside @param {string | null} floor */
function insideTable(inside, floor) {
  if (inside.length === 0) return []
  const lines = ['## In process', '', 'Without a socket, in a process of its own for each.', '', '| | median | least to most | |', '|---|---:|---:|---|']
  for (const { title, unit, values } of inside) lines.push(`| ${title} | ${short(median(values))} | ${short(Math.min(...values))} to ${short(Math.max(...values))} | ${unit} |`)
  if (!floor) lines.push('', 'Not measured: the C floor (FLOOR= names no folder).')
  return [...lines, '']
}

/** @param {{ rounds: number, seconds: number, quick: boolean }} how */
function method({ rounds, seconds, quick }) {
  const packages = execFileSync(PYTHON, ['-m', 'pip', 'freeze', '--disable-pip-version-check'], { encoding: 'utf8' }).split('\n').filter((line) => PACKAGES.test(line))
  const peers = ['@platformatic/python-node', 'undici'].map((name) => `${name} ${JSON.parse(readFileSync(join(FOLDER, 'node', 'node_modules', name, 'package.json'), 'utf8')).version}`)
  const python = execFileSync(PYTHON, ['--version'], { encoding: 'utf8' }).trim()
  const commit = execFileSync('git', ['describe', '--always', '--dirty'], { cwd: ROOT, encoding: 'utf8' }).trim()
  return [
    `${availableParallelism()} cores (${cpus()[0]?.model.trim()}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}; Node ${process.versions.node}, ${python}, asgi-node at ${commit}; ${packages.map((line) => line.replace('==', ' ')).join(', ')}, ${peers.join(', ')}.`,
    '',
    `\`${quick ? 'QUICK=1 ' : ''}node benches/compare/run.mjs --rounds ${rounds} --seconds ${seconds}\`: ${rounds === 1 ? 'one round' : `${rounds} rounds`}, ${seconds} s for each workload after a warm-up; in each round every contestant has its turn, in an order that moves on by one, with one process for the application and everything on 127.0.0.1. The figures are medians of the rounds; “ours / it” is the median of the ratios round by round. CPU is that of all the server’s processes. The client is one thread of Rust on the same cores, and compares every byte.`,
    '',
  ]
}

/**
 * @param {{ results: Results, reasons: Map<string, string>, inside: import('./in-process.mjs').Inside[], floor: string | null,
 *   rounds: number, seconds: number, quick: boolean, write: boolean }} measured
 */
export async function report({ results, reasons, inside, floor, write, ...how }) {
  const date = new Date().toISOString().slice(0, 10)
  const lines = [`# Measured on ${date}`, '', ...method(how), '## Over sockets', '', ...Object.keys(results).flatMap((name) => table(name, results, reasons)), ...insideTable(inside, floor)]
  const text = `${lines.join('\n').trimEnd()}\n`
  console.log(text)
  if (!write) return
  const folder = join(ROOT, 'benches', 'results')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${date}.md`), text)
  const charted = Object.entries(results).filter(([name]) => WORKLOADS[name].chart)
  const bars = charted.map(([name, contestants]) => ({
    title: `${WORKLOADS[name].title} (${WORKLOADS[name].unit})`,
    bars: Object.entries(contestants).flatMap(([label, rounds]) => {
      const value = middle(rounds, 'value')
      return value === undefined ? [] : [{ label, value, ours: label === OURS }]
    }),
  }))
  writeFileSync(join(folder, 'chart.svg'), chart(bars, date))
  console.error(`written: benches/results/${date}.md and chart.svg`)
}
