// Serves main.py from node:http: `make demo` builds what is needed and runs this.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { PythonHandler } from 'asgi-node'

const port = Number(process.env.PORT ?? 3000)

const python = new PythonHandler({ app: 'main:app', docroot: import.meta.dirname })
await python.ready()

const server = createServer(python.listener).on('upgrade', python.upgrade).listen(port, '127.0.0.1')
await once(server, 'listening')

const url = `http://127.0.0.1:${server.address().port}`
const { version, executable, loop } = PythonHandler.python
console.log(`
FastAPI on Python ${version} (${executable}, ${loop}) inside Node ${process.versions.node}:

  ${url}

Try:

  curl ${url}/items -H 'content-type: application/json' -d '{"name": "tea", "price": 4.2}'
  curl --no-buffer ${url}/stream
  curl ${url}/upload -F file=@package.json

and ${url}/chat in two tabs of a browser.

Ctrl-C ends it.`)

// Let requests that are under way finish and say goodbye to WebSockets (1012), then end the application; a second signal
// ends at once.
async function stop() {
  server.close()
  server.closeIdleConnections()
  await python.close()
}
process.once('SIGINT', stop).once('SIGTERM', stop)
