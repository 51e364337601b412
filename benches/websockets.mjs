// What open WebSockets cost: memory and CPU of very many idle ones, beside uvicorn and a bare `ws` server, and what is left when
// they are gone. One line per figure; ends with 1 when something is left.
//
//   node benches/websockets.mjs [--sockets N] [--churn N] [--idle SECONDS] [--only TEXT]
//
// Each server runs in a process of its own, the clients are this process: plain sockets on several addresses of 127.0.0.0/8,
// which send one message of 2 KiB, take its echo, and then only answer pings. uvicorn is measured when the interpreter
// (ASGI_NODE_PYTHON, default python3) has it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { constants, deflateRawSync } from 'node:zlib'
import { cpuOf } from './servers.mjs'

const self = fileURLToPath(import.meta.url)
const apps = fileURLToPath(new URL('../fixtures/apps', import.meta.url))
const ADDRESSES = 50
const AT_ONCE = 200
/** What a process may have more after so many sockets than before: caches fill, allocators keep pages. */
const ALLOWED = { descriptors: 0, handles: 0, timers: 0, tasks: 0, blocks: 2000, heap: 1 << 20, resident: 16 << 20 }

const { values } = parseArgs({
  options: {
    sockets: { type: 'string', default: '10000' },
    churn: { type: 'string', default: '50000' },
    idle: { type: 'string', default: '20' },
    only: { type: 'string', default: '' },
    // Internal: be one of the servers.
    serve: { type: 'string' },
    options: { type: 'string', default: '{}' },
  },
})

// --- the servers

async function serve() {
  const options = JSON.parse(values.options)
  const { deflate, pings = true } = options
  const server = createServer()
  if (values.serve === 'asgi-node') {
    const { PythonHandler } = await import('asgi-node')
    const websocket = { perMessageDeflate: deflate, ...(pings ? {} : { pingInterval: 0 }) }
    const handler = new PythonHandler({ app: 'socket_app:app', docroot: apps, websocket })
    await handler.ready()
    server.on('request', handler.listener).on('upgrade', handler.upgrade)
  } else {
    const { WebSocketServer } = await import('ws')
    // Once with our compression, so that only what we add differs.
    const ours = { serverMaxWindowBits: 12, clientMaxWindowBits: 12, zlibDeflateOptions: { memLevel: 5 } }
    const sockets = new WebSocketServer({ server, perMessageDeflate: deflate && (options.defaults || ours) })
    sockets.on('connection', (ws) => ws.on('message', (data, binary) => ws.send(data, { binary })))
  }
  server.listen(0, '127.0.0.1', 4096)
  await once(server, 'listening')
  process.on('message', () => {
    globalThis.gc()
    const resources = process.getActiveResourcesInfo()
    const timers = resources.filter((name) => name === 'Timeout').length
    const handles = resources.length - timers
    process.send({ heap: process.memoryUsage().heapUsed, timers, handles })
  })
  process.on('disconnect', () => process.exit())
  process.send({ port: server.address().port })
}

/** @param {string} kind */
async function startServer(kind, options) {
  if (kind === 'uvicorn') return startUvicorn(options)
  const args = ['--expose-gc', self, '--serve', kind, '--options', JSON.stringify(options)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [{ port }] = await once(child, 'message')
  const facts = async () => {
    child.send('facts')
    return (await once(child, 'message'))[0]
  }
  return { child, port, facts }
}

async function startUvicorn({ deflate }) {
  const python = process.env.ASGI_NODE_PYTHON ?? 'python3'
  const flags = ['--port', '0', '--no-access-log', '--lifespan', 'off', '--backlog', '4096', '--ws-per-message-deflate', String(deflate)]
  const child = spawn(python, ['-m', 'uvicorn', 'socket_app:app', ...flags], { cwd: apps, stdio: ['ignore', 'ignore', 'pipe'] })
  let text = ''
  const port = await new Promise((resolve) => {
    child.on('close', () => resolve(0))
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
      const [, found] = /running on http:\/\/127\.0\.0\.1:(\d+)/.exec(text) ?? []
      if (found) resolve(Number(found))
    })
  })
  return port === 0 ? null : { child, port, facts: async () => ({}) }
}

/** Resident bytes and CPU seconds of a process, as the kernel counts them. */
function usage(pid) {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return { resident: Number(kib) * 1024, cpu: cpuOf(pid) }
}

// --- the clients

const text = 'What is said is echoed: '.repeat(86).slice(0, 2048)
const packed = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH, windowBits: 12 }).subarray(0, -4)

/** A text frame, masked with zeros. */
function textFrame(data, compressed) {
  const head = data.length < 126 ? Buffer.alloc(6) : Buffer.alloc(8)
  head[0] = compressed ? 0xc1 : 0x81
  head[1] = 0x80 | Math.min(data.length, 126)
  if (data.length >= 126) head.writeUInt16BE(data.length, 2)
  return Buffer.concat([head, data])
}

const messages = { plain: textFrame(Buffer.from(text), false), deflate: textFrame(packed, true) }
const GOODBYE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])
let opened = 0

/** Opens one, and resolves with its socket when its message has come back. */
function openOne(port, deflate) {
  const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (opened++ % ADDRESSES)}` })
  socket.write(
    'GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${deflate ? 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12\r\n' : ''}\r\n`,
  )
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.once('data', (head) => {
      if (!head.toString('latin1').startsWith('HTTP/1.1 101')) return reject(new Error(head.toString('latin1')))
      socket.write(deflate && head.includes('permessage-deflate') ? messages.deflate : messages.plain)
      socket.once('data', () => {
        socket.off('error', reject)
        socket.on('error', () => {})
        socket.on('data', answer)
        resolve(socket)
      })
    })
  })
}

/** Pings get their pong. @this {import('node:net').Socket} */
function answer(data) {
  if (data[0] !== 0x89) return
  this.write(Buffer.concat([Buffer.from([0x8a, 0x80 | data[1], 0, 0, 0, 0]), data.subarray(2, 2 + data[1])]))
}

async function openMany(port, deflate, count) {
  const sockets = []
  while (sockets.length < count) {
    const wave = Math.min(AT_ONCE, count - sockets.length)
    sockets.push(...(await Promise.all(Array.from({ length: wave }, () => openOne(port, deflate)))))
  }
  return sockets
}

/** Half of them say goodbye, the others just go. */
async function closeMany(sockets) {
  await Promise.all(
    sockets.map((socket, index) => {
      const closed = once(socket, 'close')
      if (index % 2) socket.end(GOODBYE)
      else socket.destroy()
      return closed
    }),
  )
  await sleep(500)
}

// --- the figures

const number = (value) => Math.round(value).toLocaleString('en')
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`

async function idle(kind, options) {
  const { deflate, pings, defaults } = options
  const name = `${kind}, ${deflate ? `${defaults ? 'its own ' : ''}deflate` : 'no deflate'}${pings === false ? ', no pings' : ''}`
  if (!name.includes(values.only)) return
  const server = await startServer(kind, options)
  if (server === null) return console.log(`${name}: not measured, ${process.env.ASGI_NODE_PYTHON ?? 'python3'} has no uvicorn`)
  const { child, port, facts } = server
  try {
    await closeMany(await openMany(port, deflate, AT_ONCE))
    await facts()
    const before = usage(child.pid)
    const sockets = await openMany(port, deflate, Number(values.sockets))
    await sleep(2000)
    await facts()
    const start = usage(child.pid)
    await sleep(Number(values.idle) * 1000)
    const cpu = (usage(child.pid).cpu - start.cpu) / Number(values.idle)
    console.log(`${name}: ${kib((start.resident - before.resident) / sockets.length)} per socket, ${(cpu * 100).toFixed(1)} % CPU for ${number(sockets.length)} idle ones`)
    for (const socket of sockets) socket.destroy()
  } finally {
    child.kill('SIGKILL')
    await once(child, 'close')
  }
}

/** Opens and closes very many, and compares what is held after the first fifth with what is held at the end. */
async function churn() {
  if (!'churn'.includes(values.only)) return
  const total = Number(values.churn)
  const { child, port, facts } = await startServer('asgi-node', { deflate: true })
  const held = async () => {
    const { tasks, blocks } = await (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).json()
    await sleep(200)
    const node = await facts()
    return { descriptors: readdirSync(`/proc/${child.pid}/fd`).length, ...node, tasks, blocks, resident: usage(child.pid).resident }
  }
  const run = async (count) => {
    for (let done = 0; done < count; done += 1000) await closeMany(await openMany(port, true, Math.min(1000, count - done)))
  }
  await run(total / 5)
  const before = await held()
  await run((total * 4) / 5)
  const after = await held()
  child.disconnect()
  const left = Object.keys(ALLOWED).map((key) => [key, after[key] - before[key]])
  console.log(`churn: ${number(total)} opened and closed; from the ${number(total / 5)}th on: ${left.map(([key, more]) => `${key} ${more > 0 ? '+' : ''}${number(more)}`).join(', ')}`)
  const bad = left.filter(([key, more]) => more > ALLOWED[key])
  if (bad.length > 0) {
    console.log(`churn: more than allowed is left of ${bad.map(([key]) => key).join(', ')}`)
    process.exitCode = 1
  }
}

/** The sockets of this process and of each server count against the limit of descriptors. */
function checkLimit() {
  const [, limit] = /Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))
  if (Number(limit) >= Number(values.sockets) + 200) return
  throw new Error(`ulimit -n is ${limit}: too few for ${values.sockets} sockets; raise it, or use --sockets`)
}

async function main() {
  checkLimit()
  for (const deflate of [true, false]) {
    for (const kind of ['asgi-node', 'ws', 'uvicorn']) await idle(kind, { deflate })
  }
  await idle('ws', { deflate: true, defaults: true })
  await idle('asgi-node', { deflate: false, pings: false })
  await churn()
}

await (values.serve ? serve() : main())
