// What a file costs over HTTP: Starlette's FileResponse behind node:http, with and without the extension pathsend, and
// behind uvicorn.
//
//   node benches/files.mjs [--connections N] [--seconds N] [--rounds N]
//
// Each server runs in a process of its own, and all are measured in turn, `--rounds` times; the medians are printed. The
// client is this process: keep-alive connections, one request at a time on each.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { median, startServer, stopServer } from './servers.mjs'

const self = fileURLToPath(import.meta.url)
const apps = fileURLToPath(new URL('../fixtures/apps', import.meta.url))
const python = process.env.ASGI_NODE_PYTHON ?? 'python3'
const APP = 'middleware_files_app:app'

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '16' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    // Internal: be the server.
    serve: { type: 'string' },
    port: { type: 'string' },
  },
})

/** Be the server, with or without the extension. */
async function serve() {
  const { PythonHandler } = await import('asgi-node')
  const handler = new PythonHandler({ app: APP, docroot: apps, extensions: { pathsend: values.serve === 'pathsend' }, ...JSON.parse(process.env.BENCH_OPTIONS ?? '{}') })
  await handler.ready()
  createServer(handler.listener).listen(Number(values.port), '127.0.0.1')
}

/** One keep-alive connection that asks again as soon as it has the whole body. */
function client(port, path, size, tally) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const request = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
  let head = ''
  let left = -1
  socket.on('connect', () => socket.write(request)).on('data', (data) => {
    if (left < 0) {
      head += data.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      if (!head.startsWith('HTTP/1.1 200') || !head.toLowerCase().includes(`content-length: ${size}\r\n`)) throw new Error(`wrong answer: ${head.slice(0, end)}`)
      left = size - (head.length - end - 4)
      head = ''
    } else left -= data.length
    if (left > 0) return
    left = -1
    tally.count += 1
    if (!tally.over) socket.write(request)
  })
  return socket
}

/** Responses a second. */
async function measure(port, path, size) {
  const tally = { count: 0, over: false }
  const sockets = Array.from({ length: Number(values.connections) }, () => client(port, path, size, tally))
  await sleep(500)
  tally.count = 0
  const begun = performance.now()
  await sleep(Number(values.seconds) * 1000)
  const rate = (tally.count / (performance.now() - begun)) * 1000
  tally.over = true
  for (const socket of sockets) socket.destroy()
  return rate
}

async function main() {
  const node = (name) => [process.execPath, (port) => [self, '--serve', name, '--port', String(port)]]
  const servers = {
    'asgi-node': node('plain'),
    'asgi-node, pathsend': node('pathsend'),
    uvicorn: [python, (port) => ['-m', 'uvicorn', APP, '--port', String(port), '--log-level', 'warning', '--no-access-log']],
  }
  const folder = mkdtempSync(join(tmpdir(), 'asgi-node-'))
  const sizes = { '1 KiB': 1024, '100 KiB': 102_400, '10 MiB': 10_485_760 }
  const rates = {}
  try {
    for (const [name, size] of Object.entries(sizes)) writeFileSync(join(folder, String(size)), Buffer.alloc(size, name))
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const [name, [command, args]] of Object.entries(servers)) {
        const { child, port, complaint } = await startServer(command, args, apps)
        if (!child) throw new Error(`${name} does not listen: ${complaint}`)
        for (const size of Object.values(sizes)) {
          const rate = await measure(port, `/named?file=${join(folder, String(size))}`, size)
          ;((rates[name] ??= {})[size] ??= []).push(rate)
        }
        await stopServer(child)
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const print = (cells) => console.log(cells.map((cell, index) => (index ? cell.padStart(10) : cell.padEnd(24))).join(' '))
  print(['responses a second', ...Object.keys(sizes)])
  for (const name of Object.keys(servers)) {
    print([name, ...Object.values(sizes).map((size) => Math.round(median(rates[name][size])).toLocaleString('en'))])
  }
}

if (values.serve) await serve()
else await main()
