// What a request costs in process: handleRequest to the hello app, with 1 to 256 requests in flight.
//
//   node benches/hello.mjs [--floor DIR] [--rounds N] [--min N]
//
// --floor DIR   a built floor (a folder with bench.mjs and its addon): measured in turn with ours, each in a process of
//               its own, and compared
// --rounds N    how often; the best round of each counts (default: 1, with --floor 3)
// --min N       exit code 1 when fewer than N requests a second pass with 64 in flight
//
// ASGI_NODE_PYTHON names the interpreter, as everywhere. CPU is that of the whole process: Node's threads and Python's;
// `of it JS` is the share of the JavaScript thread, where the system tells it.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PythonHandler, Request } from 'asgi-node'

const TOTALS = { 1: 20_000, 8: 100_000, 64: 200_000, 256: 200_000 }
const WARM_UP = 20_000
const headers = { accept: '*/*', host: 'localhost', 'user-agent': 'bench' }
const self = fileURLToPath(import.meta.url)
const apps = fileURLToPath(new URL('../fixtures/apps', import.meta.url))

const { values } = parseArgs({
  options: {
    floor: { type: 'string' },
    rounds: { type: 'string' },
    min: { type: 'string' },
    // Internal: measure once in this process, and print what `--floor` prints too.
    once: { type: 'boolean' },
  },
})

/** CPU that the main thread has used, in microseconds; undefined where there is no schedstat. */
function javascriptCpu() {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1000
  } catch {
    return undefined
  }
}

/** Keep `inFlight` requests under way until `total` are done. */
async function load(handler, inFlight, total) {
  let left = total
  const one = async () => {
    while (left-- > 0) {
      const response = await handler.handleRequest(new Request({ url: '/hello', headers }))
      if (response.status !== 200) throw new Error(`status ${response.status}`)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, one))
}

async function measureOnce() {
  const handler = new PythonHandler({ app: 'main:app', docroot: apps })
  const first = await handler.handleRequest(new Request({ url: '/hello', headers }))
  if (first.body?.toString() !== 'Hello, world!') throw new Error('wrong answer')
  await load(handler, 64, WARM_UP)
  for (const [inFlight, total] of Object.entries(TOTALS)) {
    const thread = javascriptCpu()
    const cpu = process.cpuUsage()
    const begun = performance.now()
    await load(handler, Number(inFlight), total)
    const milliseconds = performance.now() - begun
    const { user, system } = process.cpuUsage(cpu)
    const line = {
      inFlight: Number(inFlight),
      perSecond: Math.round((total / milliseconds) * 1000),
      microseconds: (milliseconds / total) * 1000,
      cpuMicroseconds: (user + system) / total,
      javascriptMicroseconds: thread === undefined ? undefined : (javascriptCpu() - thread) / total,
    }
    console.log(JSON.stringify(line))
  }
  const { executable, libpython, version, loop } = PythonHandler.python
  console.log(JSON.stringify({ executable, libpython, version, loop }))
  await handler.close()
}

/** Run a bench in a process of its own; its lines are JSON. */
function runBench(args, options) {
  const output = execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options })
  return output.trim().split('\n').map((line) => JSON.parse(line))
}

/** Of two rounds' lines the faster ones, concurrency by concurrency. */
function better(best, lines) {
  return lines.map((line, index) => (best && best[index].perSecond > line.perSecond ? best[index] : line))
}

function report(ours, floor) {
  const cells = (line) => [
    line.perSecond.toLocaleString('en'),
    line.microseconds.toFixed(1),
    line.cpuMicroseconds.toFixed(1),
    line.javascriptMicroseconds?.toFixed(1) ?? '-',
  ]
  const rows = [['in flight', 'req/s', 'µs', 'CPU µs', 'of it JS', ...(floor ? ['floor req/s', 'of the floor'] : [])]]
  ours.forEach((line, index) => {
    const row = [String(line.inFlight), ...cells(line)]
    if (floor) {
      const { perSecond } = floor[index]
      row.push(perSecond.toLocaleString('en'), `${((line.perSecond / perSecond) * 100).toFixed(0)} %`)
    }
    rows.push(row)
  })
  for (const row of rows) console.log(row.map((cell) => cell.padStart(12)).join(' '))
}

function main() {
  const rounds = Number(values.rounds ?? (values.floor ? 3 : 1))
  let ours
  let floor
  let python
  for (let round = 0; round < rounds; round += 1) {
    const lines = runBench([self, '--once'])
    python = lines.pop()
    ours = better(ours, lines)
    if (!values.floor) continue
    const env = { ...process.env, FLOOR_LIBPYTHON: python.libpython, FLOOR_PYTHON: python.executable }
    floor = better(floor, runBench(['bench.mjs'], { cwd: resolve(values.floor), env }))
  }
  console.log(`Node ${process.versions.node}, Python ${python.version}, ${python.loop}`)
  report(ours, floor)
  const reached = ours.find(({ inFlight }) => inFlight === 64).perSecond
  if (values.min && reached < Number(values.min)) {
    console.error(`${reached} requests a second with 64 in flight: less than ${values.min}`)
    process.exitCode = 1
  }
}

if (values.once) await measureOnce()
else main()
