// What a request costs over HTTP: the hello app behind node:http, beside node:http alone and uvicorn alone.
//
//   node benches/http.mjs [--connections N] [--seconds N]
//
// Each server runs in a process of its own; the client is this process: keep-alive connections, one request at a time
// on each. With two cores the client takes one of them, for every server alike. uvicorn is measured when the
// interpreter (ASGI_NODE_PYTHON, default python3) has it.
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startServer, stopServer } from './servers.mjs'

const self = fileURLToPath(import.meta.url)
const apps = fileURLToPath(new URL('../fixtures/apps', import.meta.url))
const body = 'Hello, world!'
const request = Buffer.from('GET /hello HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n')

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '5' },
    // Internal: be one of the servers.
    serve: { type: 'string' },
    port: { type: 'string' },
  },
})

/** Be the server that `--serve` names. */
async function serve() {
  let listener = (incoming, response) => response.writeHead(200, { 'content-type': 'text/plain' }).end(body)
  if (values.serve === 'asgi-node') {
    const { PythonHandler } = await import('asgi-node')
    const handler = new PythonHandler({ app: 'main:app', docroot: apps })
    await handler.ready()
    listener = handler.listener
  }
  createServer(listener).listen(Number(values.port), '127.0.0.1')
}

/** One keep-alive connection that asks again as soon as it is answered; counts into `tally`. */
function client(port, tally) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let received = ''
  let begun = 0
  const ask = () => {
    received = ''
    begun = performance.now()
    socket.write(request)
  }
  socket.setEncoding('latin1').on('connect', ask).on('data', (data) => {
    received += data
    const end = /\r\ntransfer-encoding: chunked\r\n/i.test(received) ? '\r\n0\r\n\r\n' : body
    if (!received.endsWith(end)) return
    if (!received.startsWith('HTTP/1.1 200') || !received.includes(body)) throw new Error(`wrong answer: ${received}`)
    tally.latencies.push(performance.now() - begun)
    if (!tally.over) ask()
  })
  return socket
}

async function measure(port, seconds) {
  const tally = { latencies: [], over: false }
  const sockets = Array.from({ length: Number(values.connections) }, () => client(port, tally))
  await sleep(1000)
  tally.latencies = []
  const begun = performance.now()
  await sleep(seconds * 1000)
  const elapsed = performance.now() - begun
  const { latencies } = tally
  tally.over = true
  for (const socket of sockets) socket.destroy()
  latencies.sort((a, b) => a - b)
  const at = (part) => latencies[Math.floor(latencies.length * part)]?.toFixed(2) ?? '-'
  return [Math.round((latencies.length / elapsed) * 1000).toLocaleString('en'), at(0.5), at(0.99)]
}

async function main() {
  const python = process.env.ASGI_NODE_PYTHON ?? 'python3'
  const node = (name) => [process.execPath, (port) => [self, '--serve', name, '--port', String(port)]]
  const uvicorn = (port) => ['-m', 'uvicorn', 'main:app', '--port', String(port), '--log-level', 'warning', '--lifespan', 'off']
  const servers = {
    'node:http alone': node('bare'),
    'node:http + asgi-node': node('asgi-node'),
    'uvicorn alone': [python, uvicorn],
  }
  const print = (cells) => console.log(cells.map((cell, index) => (index ? cell.padStart(10) : cell.padEnd(24))).join(' '))
  print([`${values.connections} connections`, 'req/s', 'p50 ms', 'p99 ms'])
  for (const [name, [command, args]] of Object.entries(servers)) {
    const { child, port, complaint } = await startServer(command, args, apps)
    if (!child) {
      console.log(`${name.padEnd(24)} not measured: ${complaint}`)
      continue
    }
    print([name, ...(await measure(port, Number(values.seconds)))])
    await stopServer(child)
  }
}

if (values.serve) await serve()
else await main()
