// Serves main.py to everybody who reaches the container.

import { createServer } from 'node:http'
import { PythonHandler } from 'asgi-node'

const python = new PythonHandler({ app: 'main:app', docroot: import.meta.dirname })
await python.ready()
const port = Number(process.env.PORT ?? 3000)
const server = createServer(python.listener).on('upgrade', python.upgrade).listen(port)
console.log(`listening on ${port}, with Python ${PythonHandler.python.version} inside Node ${process.versions.node}`)

// The first process of a container has to handle these itself: without a handler they do nothing there.
async function stop() {
  server.close()
  server.closeIdleConnections()
  await python.close()
}
process.once('SIGINT', stop).once('SIGTERM', stop)
