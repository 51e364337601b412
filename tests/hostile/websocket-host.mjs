// A server of WebSockets in a process or a worker of its own. Tells its port, what it holds when it is asked ('facts'), and
// ends in the way that it is told: 'close', 'exit', 'throw'. Options of the handler: the first argument, as JSON.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { parentPort } from 'node:worker_threads'
import { PythonHandler } from 'asgi-node'
import { apps, residentMiB } from '../node/support.mjs'

const parent = parentPort ?? process
const tell = (message) => (parentPort ? parentPort.postMessage(message) : process.send(message))

const handler = new PythonHandler({ app: 'websocket_app:app', docroot: apps, ...JSON.parse(process.argv[2] ?? '{}') })
const server = createServer(handler.listener).on('upgrade', handler.upgrade).listen(0, '127.0.0.1')
await Promise.all([handler.ready(), once(server, 'listening')])

const commands = {
  facts: () => tell({ mebibytes: residentMiB() }),
  async close(options) {
    server.close()
    await handler.close(options)
    // Nothing is left that keeps this going, if it is as it should be.
    if (parentPort) parentPort.unref()
    else process.disconnect()
  },
  closeSoon: () => commands.close({ timeout: 500 }),
  exit: () => process.exit(7),
  throw() {
    throw new Error('the end that the test asked for')
  },
}
parent.on('message', (command) => commands[command]())
tell({ port: server.address().port })
