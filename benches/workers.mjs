// What workers cost and bring, beside the same application in this process and beside uvicorn: ratios of one run.
//
//   node benches/workers.mjs [--seconds N] [--rounds N]
//
// Each row alternates between its two sides, and its figure is the median of the rounds' ratios. ASGI_NODE_PYTHON is the
// interpreter; uvicorn is measured when that has it.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PythonHandler } from 'asgi-node'
import { median, startServer } from './servers.mjs'

const apps = fileURLToPath(new URL('../fixtures/apps', import.meta.url))
const python = process.env.ASGI_NODE_PYTHON ?? 'python3'
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '2' }, rounds: { type: 'string', default: '3' } } })
const milliseconds = Number(values.seconds) * 1000
const rounds = Number(values.rounds)

/** How often `work` ends in a second, with so many at once. */
async function rate(work, atOnce) {
  const end = performance.now() + milliseconds
  let count = 0
  const turn = async () => {
    while (performance.now() < end) {
      await work()
      count += 1
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: atOnce }, turn))
  return count / ((performance.now() - started) / 1000)
}

async function handler(app, workers) {
  const made = new PythonHandler({ app, docroot: apps, python, workers })
  await made.ready()
  return made
}

const call = (made, url) => () => made.handleRequest({ url })

/** Serves a handler over HTTP; gives a request and the end. */
async function served(made) {
  const server = createServer(made.listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { ...client(server.address().port), server }
}

function client(port) {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const get = (path) => () =>
    new Promise((resolve, reject) => {
      const sent = request({ agent, port, host: '127.0.0.1', path }, (response) => {
        response.resume()
        response.on('end', resolve)
      })
      sent.on('error', reject).end()
    })
  return { get, agent }
}

async function compare(name, first, second, wanted) {
  const [a, b] = [[], []]
  for (let round = 0; round < rounds; round += 1) {
    a.push(await first())
    b.push(await second())
  }
  const ratio = median(a.map((value, index) => value / b[index]))
  const figures = `${Math.round(median(a)).toString().padStart(8)} ${Math.round(median(b)).toString().padStart(8)}`
  console.log(`${name.padEnd(58)}${figures}  ratio ${ratio.toFixed(2)}  (wanted ${wanted})`)
}

/** uvicorn with two workers, if it is there. */
async function uvicorn(app, count) {
  if (spawnSync(python, ['-c', 'import uvicorn'], { stdio: 'ignore' }).status !== 0) return null
  const args = (port) => ['-m', 'uvicorn', app, '--port', `${port}`, '--workers', `${count}`, '--no-access-log', '--log-level', 'error']
  const { child, port, complaint } = await startServer(python, args, apps)
  if (!child) throw new Error(`uvicorn does not listen: ${complaint}`)
  return { port, child }
}

console.log(`${''.padEnd(58)}${'first'.padStart(8)} ${'second'.padStart(8)}`)
const [inProcess, one, two] = [await handler('main:app', 0), await handler('main:app', 1), await handler('main:app', 2)]
await compare('hello, handleRequest, 64 in flight: 1 worker / in process', () => rate(call(one, '/'), 64), () => rate(call(inProcess, '/'), 64), 0.5)
await compare('hello, handleRequest, one at a time: 1 worker / in process', () => rate(call(one, '/'), 1), () => rate(call(inProcess, '/'), 1), 'no figure')
const [overHttp, overHttpHere] = [await served(one), await served(inProcess)]
await compare('hello, HTTP, 64 connections: 1 worker / in process', () => rate(overHttp.get('/'), 64), () => rate(overHttpHere.get('/'), 64), 'no figure')
const busy = [await handler('worker_process_app:app', 2), await handler('worker_process_app:app', 0)]
await compare('5 ms of computing, 8 in flight: 2 workers / in process', () => rate(call(busy[0], '/compute'), 8), () => rate(call(busy[1], '/compute'), 8), 1.8)
const rival = await uvicorn('main:app', 2)
if (rival !== null) {
  const ours = await served(two)
  const theirs = client(rival.port)
  await compare('hello, HTTP, 64 connections: 2 workers / uvicorn --workers 2', () => rate(ours.get('/'), 64), () => rate(theirs.get('/'), 64), 'no figure')
  theirs.agent.destroy()
  ours.agent.destroy()
  ours.server.close()
  rival.child.kill()
}
for (const { server, agent } of [overHttp, overHttpHere]) {
  agent.destroy()
  server.close()
}
await Promise.all([inProcess, one, two, ...busy].map((made) => made.close()))
