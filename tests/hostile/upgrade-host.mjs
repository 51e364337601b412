// A server that gets upgrades, in a process of its own: an exception that nobody catches ends it, and the test sees that.
//   node upgrade-host.mjs KIND
// Tells its port over IPC, then the state of its connections as often as asked.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { PythonHandler } from 'asgi-node'
import { WebSocketServer } from 'ws'
import { apps } from '../node/support.mjs'

const [kind] = process.argv.slice(2)
const make = (options) => new PythonHandler({ app: 'websocket_app:app', docroot: apps, ...options })

/** What beside `handler.upgrade` listens to upgrades, by kind. */
const KINDS = {
  alone: () => [make({ websocket: { acceptTimeout: 0 } })],
  /** One that soon closes connections on which no request comes. */
  hasty() {
    server.keepAliveTimeout = 500
    return KINDS.alone()
  },
  match: () => [make({ upgrade: { match: '/a' } })],
  two: () => [make({ upgrade: { match: '/a' } }), make({ upgrade: { match: '/b' } })],
  /** `ws` for one path, and one who asks somebody else for half a second before it takes its own. */
  foreign() {
    const sockets = new WebSocketServer({ noServer: true })
    server.on('upgrade', (req, socket, head) => {
      const take = () => sockets.handleUpgrade(req, socket, head, (ws) => ws.close(4444))
      if (req.url === '/js') take()
      else if (req.url === '/js/slow') setTimeout(take, 500)
      else if (req.url === '/js/tunnel') socket.end('HTTP/1.1 101 Mine\r\n\r\n')
    })
    return [make({ upgrade: { match: '/a' }, websocket: { acceptTimeout: 1500 } })]
  },
}

/** Without `match`, and without `noServer`: both want all of them. */
for (const first of ['python', 'ws']) {
  KINDS[`both, ${first} first`] = () => {
    const handler = make({})
    if (first === 'python') server.on('upgrade', handler.upgrade)
    new WebSocketServer({ server }).on('connection', (ws) => ws.on('message', (data) => ws.send(`js: ${data}`)))
    return [handler]
  }
}

const server = createServer((req, res) => {
  res.sendDate = false
  const { pathname, searchParams } = new URL(req.url, 'http://x')
  if (pathname === '/node') setTimeout(() => res.end('node'), Number(searchParams.get('after')))
  else handlers[0].listener(req, res)
})
const handlers = KINDS[kind]()
for (const { upgrade } of handlers) if (!server.listeners('upgrade').includes(upgrade)) server.on('upgrade', upgrade)
server.listen(0, '127.0.0.1')
await Promise.all([...handlers.map((handler) => handler.ready()), once(server, 'listening')])

process.on('message', () => {
  server.getConnections((_, connections) => {
    const inFlight = handlers.reduce((sum, handler) => sum + handler.health().inFlight, 0)
    process.send({ connections, inFlight, mebibytes: Math.round(process.memoryUsage().rss / 2 ** 20) })
  })
})
process.on('disconnect', () => process.exit())
process.send({ port: server.address().port })
