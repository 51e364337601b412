// What large bodies cost over HTTP: a download in 64 KiB sends, an upload, and an echo of 1 MB over many connections.
//
//   node benches/bulk.mjs [--only download,upload,echo] [--rounds N] [--mib N] [--connections N] [--seconds N] [--before DIR]
//
// --before DIR   a folder that holds another build (in DIR/node_modules/asgi-node): measured in turn with this one
//
// Each server runs in a process of its own; all are measured in turn, in every round. Printed are medians: the time or the
// rate, the CPU of the server (both runtimes, and all processes), and by how much the resident set of a process grew: of that
// which grew most. uvicorn and granian are measured when
// the interpreter (ASGI_NODE_PYTHON, default python3) has them. The client of a single body is a small Python program, which
// reads and writes 1 MiB at a time: it is not the limit.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
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
const MiB = 1024 * 1024

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'download,upload,echo' },
    rounds: { type: 'string', default: '3' },
    mib: { type: 'string', default: '1024' },
    connections: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '3' },
    before: { type: 'string' },
    servers: { type: 'string' },
    // Internal: be a server, or the client of the echo.
    serve: { type: 'string' },
    workers: { type: 'boolean' },
    echo: { type: 'boolean' },
    port: { type: 'string' },
  },
})
const size = Number(values.mib) * MiB

const CLIENT = `
import socket, sys, time
port, what, size = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
s = socket.create_connection(("127.0.0.1", port))
begun = time.perf_counter()
room = memoryview(bytearray(1 << 20))
if what == "download":
    s.sendall(b"GET /download?%d HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n" % size)
else:
    s.sendall(b"POST /upload HTTP/1.1\\r\\nHost: h\\r\\nContent-Length: %d\\r\\n\\r\\n" % size)
    for _ in range(size >> 20):
        s.sendall(room)
head = b""
while b"\\r\\n\\r\\n" not in head:
    head += s.recv(65536)
head, _, body = head.partition(b"\\r\\n\\r\\n")
assert head.startswith(b"HTTP/1.1 200"), head
got = len(body)
if what == "download":
    while got < size:
        n = s.recv_into(room)
        assert n, "cut off"
        got += n
    assert got == size
else:
    while len(body) < len(str(size)):
        body += s.recv(100)
    assert body == b"%d" % size, body
print(time.perf_counter() - begun)
`

/** node:http alone, doing the same. */
function bare(incoming, response) {
  const { pathname, search } = new URL(incoming.url, 'http://h')
  if (pathname === '/download') {
    const piece = Buffer.alloc(64 * 1024)
    let left = Number(search.slice(1))
    response.writeHead(200, { 'content-length': left })
    const more = () => {
      let room = true
      while (left > 0 && room) {
        left -= piece.length
        room = response.write(piece)
      }
      if (left === 0) response.end()
      else response.once('drain', more)
    }
    return more()
  }
  const pieces = []
  let received = 0
  incoming.on('data', (piece) => {
    received += piece.length
    if (pathname === '/echo') pieces.push(piece)
  })
  incoming.on('end', () => {
    const body = pathname === '/echo' ? Buffer.concat(pieces) : Buffer.from(String(received))
    response.writeHead(200, { 'content-length': body.length }).end(body)
  })
}

/** Be the server that `--serve` names. */
async function serve() {
  let listener = bare
  if (values.serve !== 'bare') {
    const name = values.serve === 'here' || values.serve === 'worker' ? 'asgi-node' : pathToFileURL(join(resolve(values.serve), 'node_modules/asgi-node/lib/index.js')).href
    const { PythonHandler } = await import(name)
    const handler = new PythonHandler({ app: APP, docroot: benches, lifespan: 'off', ...((values.serve === 'worker' || values.workers) && { workers: 1, python }), ...JSON.parse(process.env.BENCH_OPTIONS ?? '{}') })
    await handler.ready()
    listener = handler.listener
  }
  createServer(listener).listen(Number(values.port), '127.0.0.1')
}

/** The client of the echo: prints the rate. */
async function echo() {
  const body = Buffer.alloc(1_000_000, 'echo')
  const head = Buffer.from(`POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n`)
  const request = Buffer.concat([head, body])
  const room = Buffer.alloc(MiB)
  let count = 0
  const open = () => {
    let left = -1
    const socket = connect({
      port: Number(values.port), host: '127.0.0.1', noDelay: true,
      onread: {
        buffer: room,
        callback(length) {
          if (left < 0) {
            const text = room.toString('latin1', 0, Math.min(length, 1000))
            const end = text.indexOf('\r\n\r\n')
            if (end < 0 || !text.startsWith('HTTP/1.1 200')) throw new Error(`wrong answer: ${text}`)
            left = body.length + end + 4
          }
          left -= length
          if (left > 0) return true
          if (left < 0) throw new Error('too much')
          left = -1
          count += 1
          socket.write(request)
          return true
        },
      },
    })
    socket.on('connect', () => socket.write(request))
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

/** The processes of a server: granian has a worker, and so may we, which one of our threads has started. */
function processes(pid) {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').trim().split(' '))
  return [pid, ...children.filter((child) => child !== '').flatMap((child) => processes(Number(child)))]
}

/** Seconds of CPU and MiB resident: now and at most. */
function usage(pid) {
  const all = processes(pid).map((id) => {
    const status = readFileSync(`/proc/${id}/status`, 'latin1')
    const field = (name) => Number(status.match(new RegExp(`${name}:\\s+(\\d+)`))?.[1] ?? 0) / 1024
    return { id, cpu: cpuOf(id), now: field('VmRSS'), peak: field('VmHWM') }
  })
  return { all, cpu: all.reduce((total, each) => total + each.cpu, 0) }
}

/** By how much the process grew that grew most. */
function growthOf(before, after) {
  return Math.max(...after.all.map(({ id, peak }) => peak - (before.all.find((each) => each.id === id)?.now ?? 0)))
}

/** Forget the peak. */
function resetPeak(pid) {
  for (const id of processes(pid)) writeFileSync(`/proc/${id}/clear_refs`, '5')
}

async function measure(what, { child, port }) {
  const client = (bytes) =>
    what === 'echo'
      ? clientNumber(process.execPath, [self, '--echo', '--port', port, '--connections', values.connections, '--seconds', values.seconds])
      : clientNumber(python, ['-c', CLIENT, String(port), what, String(bytes)])
  // Once before: what every process takes for its first request is not the body's.
  if (what !== 'echo') await client(64 * MiB)
  resetPeak(child.pid)
  const before = usage(child.pid)
  const result = await client(size)
  const after = usage(child.pid)
  const cpu = after.cpu - before.cpu
  // Of an echo: for each request, in ms. The half second before the measurement counts, too.
  const each = what === 'echo' ? (cpu / (result * (Number(values.seconds) + 0.5))) * 1000 : cpu
  return { result, cpu: each, growth: growthOf(before, after) }
}

async function main() {
  const node = (name) => [process.execPath, (port) => [self, '--serve', name, '--port', String(port)]]
  const servers = {
    'node:http alone': node('bare'),
    ...(values.before && { before: node(values.before) }),
    'asgi-node': node('here'),
    '1 worker': node('worker'),
    ...(values.before && { 'before, 1 worker': [process.execPath, (port) => [self, '--serve', values.before, '--workers', '--port', String(port)]] }),
    uvicorn: [python, (port) => ['-m', 'uvicorn', APP, '--port', String(port), '--log-level', 'critical', '--no-access-log', '--lifespan', 'off']],
    granian: [python, (port) => ['-m', 'granian', '--interface', 'asginl', APP, '--port', String(port), '--no-ws', '--log-level', 'critical']],
  }
  const chosen = values.servers?.split(';') ?? Object.keys(servers)
  for (const what of values.only.split(',')) {
    const found = {}
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const name of chosen) {
        const [command, args] = servers[name]
        const server = await startServer(command, args, benches)
        if (!server.child) continue
        ;(found[name] ??= []).push(await measure(what, server))
        await stopServer(server.child)
      }
    }
    const unit = what === 'echo' ? 'req/s' : 's'
    const row = (cells) => console.log(cells.map((cell, index) => (index ? cell.padStart(12) : cell.padEnd(18))).join(' '))
    row([what, unit, 'CPU', 'grown MiB', 'all'])
    for (const [name, all] of Object.entries(found)) {
      const [result, cpu, growth] = ['result', 'cpu', 'growth'].map((key) => median(all.map((each) => each[key])))
      const show = (number) => number.toFixed(what === 'echo' ? 0 : 2)
      row([name, show(result), `${cpu.toFixed(2)} ${what === 'echo' ? 'ms' : 's'}`, growth.toFixed(1), all.map((each) => show(each.result)).join(' ')])
    }
  }
}

if (values.serve) await serve()
else if (values.echo) await echo()
else await main()
