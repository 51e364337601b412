// The servers of `make bench` that are Node's: `node server.mjs NAME PORT APP`.
//
// Packages come from build/bench/node (setup.mjs), asgi-node from this repository.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { FOLDER } from './setup.mjs'

const [name, port, app, upstream] = process.argv.slice(2)
const apps = new URL('apps', import.meta.url).pathname
const installed = createRequire(join(FOLDER, 'node', 'package.json'))
const ZEROS = Buffer.alloc(64 << 10)

/** What node:http costs by itself: the same answers, and no Python. */
const ROUTES = {
  '/hello': (_, response) => response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 13 }).end('Hello, world!'),
  '/echo': (incoming, response) => {
    const chunks = []
    incoming.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
      const body = Buffer.concat(chunks)
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length }).end(body)
    })
  },
  '/download': (_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 1 << 30 })
    let left = (1 << 30) / ZEROS.length
    const write = () => {
      while (left > 0) {
        left -= 1
        if (!response.write(ZEROS)) return response.once('drain', write)
      }
      return response.end()
    }
    write()
  },
  '/upload': (incoming, response) => {
    let count = 0
    incoming.on('data', (chunk) => (count += chunk.length)).on('end', () => {
      const body = String(count)
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length }).end(body)
    })
  },
  '/events': (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const timer = setInterval(() => response.write('data: tick\n\n'), 50)
    response.on('close', () => clearInterval(timer))
  },
}

/** ws with its default options, and no Python. */
async function bareSockets(server) {
  const { WebSocketServer } = await import('ws')
  const wss = new WebSocketServer({ server, perMessageDeflate: true })
  wss.on('connection', (socket, { url }) => {
    socket.on('message', (data) => {
      if (url === '/echo') socket.send(data)
      else for (const other of wss.clients) other.send(data)
    })
  })
}

async function listenerOf() {
  if (name === 'node-http') return { listener: (incoming, response) => ROUTES[incoming.url](incoming, response), extra: bareSockets }
  if (name === 'asgi-node') {
    const { PythonHandler } = await import('asgi-node')
    const python = new PythonHandler({ app, docroot: apps, ...JSON.parse(process.env.BENCH_OPTIONS ?? '{}') })
    await python.ready()
    return { listener: python.listener, extra: (server) => server.on('upgrade', python.upgrade) }
  }
  if (name === 'proxy') {
    const { Pool } = installed('undici')
    const pool = new Pool(`http://127.0.0.1:${upstream}`, { connections: 64 })
    return {
      listener: (incoming, response) => {
        const { url: path, method, headers } = incoming
        delete headers.connection
        const body = method === 'POST' ? incoming : null
        pool.stream({ path, method, headers, body, opaque: response }, ({ statusCode, headers: answered, opaque }) => opaque.writeHead(statusCode, answered)).catch(() => response.destroy())
      },
    }
  }
  const { Python, Request } = installed('@platformatic/python-node')
  const python = new Python({ docroot: apps, appTarget: app })
  return {
    listener: async (incoming, response) => {
      const chunks = []
      for await (const chunk of incoming) chunks.push(chunk)
      const headers = Object.fromEntries(Object.entries(incoming.headers).map(([key, value]) => [key, value]))
      const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined
      const answer = await python.handleRequest(new Request({ method: incoming.method, url: `http://127.0.0.1${incoming.url}`, headers, body }))
      const content = answer.body
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type'), 'content-length': content.length }).end(content)
    },
  }
}

const { listener, extra } = await listenerOf()
const server = createServer(listener)
await extra?.(server)
server.listen(Number(port), '127.0.0.1')
