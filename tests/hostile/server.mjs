// A server process for the hostile tests: an app that kills it kills nothing else, and its log can be read.
//   node server.mjs APP OPTIONS SERVER_OPTIONS
// Tells its port over IPC, then what it holds as often as asked; started by something else than Node, on stdout.
import { createServer } from 'node:http'
import { PythonHandler } from 'asgi-node'
import { apps, holdings, residentMiB } from '../node/support.mjs'

const [app, options, serverOptions] = process.argv.slice(2)
// Apps that block the event loop are told of elsewhere: tests/node/health.test.mjs.
const handler = new PythonHandler({ app, docroot: apps, blockedThreshold: 0, ...JSON.parse(options) })
await handler.ready()

const server = createServer(JSON.parse(serverOptions), (req, res) => {
  // The one header that changes by the second: without it answers can be compared byte by byte.
  res.sendDate = false
  handler.listener(req, res)
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address()
  if (process.send) process.send({ port })
  else console.log(port)
})
process.on('message', () => {
  globalThis.gc?.()
  process.send({ ...holdings(), mebibytes: residentMiB() })
})
process.on('disconnect', () => process.exit())
