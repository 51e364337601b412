// What a WebSocket message costs: an echo, with one message at a time on each connection.
//
//   node benches/messages.mjs [--sizes 64,65536] [--connections N] [--rounds N] [--seconds N] [--before DIR] [--servers a,b]
//
// --before DIR   a folder that holds another build (in DIR/node_modules/asgi-node): measured in turn with this one
//
// Each server runs in a process of its own; all are measured in turn, in every round; printed are the medians of messages a
// second, and the server's CPU for each. The client is a process of its own that writes one frame, masked beforehand, again and
// again, and counts the bytes that come back. uvicorn is measured when the interpreter (ASGI_NODE_PYTHON) has it.
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { clientNumber, cpuOf, median, startServer, stopServer } from './servers.mjs'

const self = fileURLToPath(import.meta.url)
const benches = fileURLToPath(new URL('.', import.meta.url))
const python = process.env.ASGI_NODE_PYTHON ?? 'python3'
const APP = 'bulk_app:app'

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '64,65536' },
    connections: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '2' },
    before: { type: 'string' },
    servers: { type: 'string' },
    // Internal: be a server, or the client.
    serve: { type: 'string' },
    client: { type: 'boolean' },
    port: { type: 'string' },
  },
})

/** Be the server that `--serve` names. */
async function serve() {
  const name = values.serve === 'here' ? 'asgi-node' : pathToFileURL(join(resolve(values.serve), 'node_modules/asgi-node/lib/index.js')).href
  const { PythonHandler } = await import(name)
  const handler = new PythonHandler({ app: APP, docroot: benches, lifespan: 'off' })
  await handler.ready()
  createServer(handler.listener).on('upgrade', handler.upgrade).listen(Number(values.port), '127.0.0.1')
}

/** A binary frame of a client, with a mask. */
function frame(size) {
  const head = size < 126 ? Buffer.from([0x82, 0x80 | size]) : Buffer.from([0x82, 0x80 | 127, 0, 0, 0, 0, size >>> 24, size >>> 16, size >>> 8, size])
  const mask = Buffer.from([1, 2, 3, 4])
  return Buffer.concat([head, mask, Buffer.from(Array.from({ length: size }, (_, at) => at ^ mask[at & 3]))])
}

/** Be the client: prints the rate. */
async function beClient() {
  const size = Number(values.sizes)
  const message = frame(size)
  const length = size + (size < 126 ? 2 : size < 65_536 ? 4 : 10)
  const room = Buffer.alloc(1024 * 1024)
  let count = 0
  const open = () => {
    let left = -1
    const callback = (bytes) => {
      if (left < 0) {
        const text = room.toString('latin1', 0, bytes)
        if (!text.startsWith('HTTP/1.1 101') || !text.endsWith('\r\n\r\n')) throw new Error(`wrong answer: ${text}`)
        left = 0
      } else {
        left -= bytes
        if (left > 0) return true
        if (left < 0) throw new Error('too much')
        count += 1
      }
      left = length
      socket.write(message)
      return true
    }
    const socket = connect({ port: Number(values.port), host: '127.0.0.1', noDelay: true, onread: { buffer: room, callback } })
    const fields = ['Host: h', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==']
    socket.on('connect', () => socket.write(`GET / HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`))
    return socket
  }
  const sockets = Array.from({ length: Number(values.connections) }, open)
  await sleep(500)
  count = 0
  const begun = performance.now()
  await sleep(Number(values.seconds) * 1000)
  console.log((count / (performance.now() - begun)) * 1000)
  for (const socket of sockets) socket.destroy()
}

async function measure(size, { child, port }) {
  const before = cpuOf(child.pid)
  const options = ['--sizes', String(size), '--port', String(port), '--connections', values.connections, '--seconds', values.seconds]
  const rate = await clientNumber(process.execPath, [self, '--client', ...options])
  // The half second before the measurement counts, too.
  return { rate, cpu: ((cpuOf(child.pid) - before) * 1e6) / (rate * (Number(values.seconds) + 0.5)) }
}

async function main() {
  const node = (name) => [process.execPath, (port) => [self, '--serve', name, '--port', String(port)]]
  const servers = {
    ...(values.before && { before: node(values.before) }),
    'asgi-node': node('here'),
    uvicorn: [python, (port) => ['-m', 'uvicorn', APP, '--port', String(port), '--log-level', 'critical', '--lifespan', 'off', '--ws-per-message-deflate', 'false']],
  }
  const chosen = values.servers?.split(',') ?? Object.keys(servers)
  for (const size of values.sizes.split(',').map(Number)) {
    const found = {}
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const name of chosen) {
        const [command, args] = servers[name]
        const server = await startServer(command, args, benches)
        if (!server.child) continue
        ;(found[name] ??= []).push(await measure(size, server))
        await stopServer(server.child)
      }
    }
    const row = (cells) => console.log(cells.map((cell, index) => (index ? cell.padStart(14) : cell.padEnd(18))).join(' '))
    row([`${size} bytes`, 'messages/s', 'CPU µs each', 'all'])
    for (const [name, all] of Object.entries(found)) {
      const rates = all.map((each) => each.rate)
      row([name, median(rates).toFixed(0), median(all.map((each) => each.cpu)).toFixed(1), rates.map((rate) => rate.toFixed(0)).join(' ')])
    }
  }
}

if (values.serve) await serve()
else if (values.client) await beClient()
else await main()
