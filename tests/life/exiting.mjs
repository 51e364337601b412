// A process under load that ends at a random moment: node exiting.mjs WAY MILLISECONDS. Says on stdout, without buffers, when it began to end.
import { writeSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { PythonHandler } from 'asgi-node'
import { apps } from '../node/support.mjs'

const [way, delay] = process.argv.slice(2)
const KINDS = ['/wait', '/sleep', '/busy', '/quick', '/thread', '/stream']
const ends = { exit: 7, throw: 1, SIGINT: 130, SIGTERM: 143 }

const told = () => writeSync(1, `${Date.now()}\n`)
for (const name of ['SIGINT', 'SIGTERM']) {
  if (way === name) {
    process.on(name, () => {
      told()
      process.exit(ends[name])
    })
  }
}

const handler = new PythonHandler({ app: 'worker_app:app', docroot: apps, lifespan: 'off' })
const server = createServer(handler.listener).listen(0, '127.0.0.1')
let ended = false

async function keepBusy(kind) {
  while (!ended) {
    const response = await handler.handleStream({ url: kind })
    for await (const _ of response) if (ended) break
  }
}

function ask(port) {
  const over = () => setImmediate(() => ended || ask(port))
  request({ port, path: '/busy', host: '127.0.0.1' }, (res) => res.resume().on('close', over)).on('error', () => {}).end()
}

for (let number = 0; number < 18; number += 1) keepBusy(KINDS[number % KINDS.length]).catch(() => {})
server.on('listening', () => ask(server.address().port))

setTimeout(() => {
  if (way === 'exit') {
    told()
    process.exit(ends.exit)
  }
  if (way === 'throw') {
    told()
    throw new Error('the end')
  }
  if (way === 'natural') {
    // Nothing is under way any more that keeps the process.
    ended = true
    server.close()
    server.closeAllConnections()
    handler.close({ timeout: 0 })
    process.on('exit', told)
  } else {
    // By a signal, from outside or from here, with a handler of JavaScript or without.
    process.kill(process.pid, way.replace('-bare', ''))
  }
}, Number(delay))
