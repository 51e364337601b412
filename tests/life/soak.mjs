// Requests of every kind, very many of them, and what they leave behind.
//
//   node --expose-gc tests/life/soak.mjs [COUNT]     prints lines with figures; by default 1,000,000 (`make soak`)
//
// Memory is looked at after a collection on both sides, forty times; the slope is that of the line through the last half.
// Fails when something is held that was not held before, and when the slope of a whole million is above its limit: in fewer
// requests an allocator's pools weigh more than what could leak.
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { PythonHandler, Request } from 'asgi-node'
import { WebSocket } from 'ws'
import { allHoldings, apps, callJson, residentMiB } from '../node/support.mjs'

/** Bytes of resident memory per request over the last half. */
const SLOPE = 1
const WHOLE = 1_000_000
const SAMPLES = 40
const AT_ONCE = 48

const count = Number(process.argv[2] ?? 1_000_000)
const options = { docroot: apps, logger: { debug() {}, info() {}, warn() {}, error() {} } }
const handlers = Object.fromEntries(
  ['main', 'echo_app', 'stream_app', 'slow_app', 'socket_app', 'facts_app'].map((name) => [
    name,
    new PythonHandler({ app: `${name}:app`, ...options }),
  ]),
)
const servers = { main: handlers.main, echo: handlers.echo_app, stream: handlers.stream_app, socket: handlers.socket_app }
/** @type {Record<string, number>} */
const ports = {}
const listening = []
for (const [name, handler] of Object.entries(servers)) {
  const server = createServer(handler.listener).on('upgrade', handler.upgrade).listen(0, '127.0.0.1')
  await once(server, 'listening')
  // A connection that the server ends just when the next request comes on it is no failure, but looks like one.
  server.keepAliveTimeout = 0
  ports[name] = server.address().port
  listening.push(server)
}
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })

/** One request over a connection that is kept. */
function over(port, path, body) {
  return new Promise((resolve, reject) => {
    const req = request({ agent, port, host: '127.0.0.1', path, method: body ? 'POST' : 'GET' }, (res) => {
      res.on('end', resolve).on('error', reject).resume()
    })
    req.on('error', reject).end(body)
  })
}

/** A client that says something and leaves, at some moment. */
async function leave(data) {
  const socket = connect({ port: ports.stream, host: '127.0.0.1' })
  socket.on('error', () => {}).resume()
  await once(socket, 'connect')
  socket.write(data)
  await sleep(Math.random() * 3)
  socket.destroy()
  await once(socket, 'close')
}

const get = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`
const body = Buffer.alloc(3000, 'x')

/** By how often in a thousand: what is done. */
const KINDS = [
  [600, () => handlers.main.handleRequest(new Request({ url: '/hello', headers: { host: 'x', 'x-n': String(Math.random()) } }))],
  [100, () => handlers.echo_app.handleRequest({ url: '/e?a=b', method: 'POST', body })],
  [100, async () => {
    for await (const _ of await handlers.stream_app.handleStream({ url: '/?count=5' }));
  }],
  [20, async () => (await handlers.stream_app.handleStream({ url: '/?count=500' })).return()],
  [50, async () => {
    const controller = new AbortController()
    const call = handlers.slow_app.handleRequest({ url: '/await?seconds=0.05' }, { signal: controller.signal })
    setImmediate(() => controller.abort())
    await call.catch(() => {})
  }],
  [70, () => over(ports.main, '/over')],
  [40, () => over(ports.echo, '/over', body)],
  [10, () => leave(get('/?count=100&delay=0.001'))],
  [5, () => leave('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc')],
  [5, async () => {
    const ws = new WebSocket(`ws://127.0.0.1:${ports.socket}/`)
    await once(ws, 'open')
    ws.send('hello')
    await once(ws, 'message')
    if (Math.random() < 0.5) ws.close()
    else ws.terminate()
    await once(ws, 'close')
  }],
].flatMap(([often, run]) => Array.from({ length: often }, () => run))

/** @param {number} requests */
async function load(requests) {
  let left = requests
  const one = async () => {
    while (left-- > 0) await KINDS[Math.floor(Math.random() * KINDS.length)]()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
}

/** Everything that has ended is gone, and what can be collected is. */
async function settle() {
  await sleep(150)
  await callJson(handlers.facts_app, '/threads')
  globalThis.gc?.()
  globalThis.gc?.()
}

/** The slope of the line that is nearest to these points. @param {[number, number][]} points */
function slopeOf(points) {
  const mean = (/** @type {0 | 1} */ axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const numerator = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0)
  return numerator / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
}

const step = Math.ceil(count / SAMPLES)
await load(Math.min(step, 20_000))
await settle()
const before = await allHoldings(handlers.facts_app)
const started = performance.now()
/** @type {[number, number][]} */
const memory = []
for (let done = step; done <= count; done += step) {
  await load(step)
  await settle()
  memory.push([done, residentMiB() * 1024 * 1024])
}
const seconds = (performance.now() - started) / 1000
await sleep(1000)
agent.destroy()
const after = await allHoldings(handlers.facts_app)

const last = memory.slice(-Math.floor(memory.length / 2))
const slope = slopeOf(last)
const MiB = (/** @type {number} */ bytes) => (bytes / 1024 / 1024).toFixed(1)
console.log(`node ${process.versions.node}: ${count} requests in ${seconds.toFixed(0)} s`)
console.log(`memory: ${MiB(memory[0][1])} MiB at first, ${MiB(last[0][1])} half way, ${MiB(last.at(-1)[1])} at the end; ${slope.toFixed(2)} bytes per request over the last half`)
console.log(`before: ${JSON.stringify(before)}`)
console.log(`after:  ${JSON.stringify(after)}`)
const more = Object.keys(before).filter((name) => after[name] > before[name])
if (count >= WHOLE && slope >= SLOPE) more.push('memory')
if (more.length > 0) {
  console.log(`over the limits: ${more.join(', ')}`)
  process.exitCode = 1
}
for (const server of listening) server.closeAllConnections()
for (const server of listening) server.close()
for (const handler of Object.values(handlers)) await handler.close({ timeout: 0 })
