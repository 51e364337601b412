// Serves main.py under /legacy, beside a route of Node's own: node examples/flask/server.mjs

import { once } from 'node:events'
import { createServer } from 'node:http'
import { PythonHandler } from 'asgi-node'

const port = Number(process.env.PORT ?? 3000)

// interface: 'auto' finds out that it is WSGI; said here, the error is clearer should that ever change.
const flask = new PythonHandler({
  app: 'main:app',
  docroot: import.meta.dirname,
  interface: 'wsgi',
  wsgiThreads: 20,
  rootPath: '/legacy',
  rootPathStripped: true,
})
await flask.ready()

const server = createServer((request, response) => {
  if (request.url.startsWith('/legacy/')) flask.listener(request, response)
  else response.end('This page is Node\'s.\n')
})
server.listen(port, '127.0.0.1')
await once(server, 'listening')

const url = `http://127.0.0.1:${server.address().port}`
console.log(`
Flask inside Node ${process.versions.node}:

  curl ${url}/legacy/hello/Flask
  curl ${url}/legacy/upload --data-binary @package.json
  curl --no-buffer ${url}/legacy/countdown
  curl ${url}/

Ctrl-C ends it.`)

async function stop() {
  server.close()
  server.closeIdleConnections()
  await once(server, 'close')
  await flask.close()
}
process.once('SIGINT', stop).once('SIGTERM', stop)
