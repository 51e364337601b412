// A worker thread with requests at every stage, for the tests that terminate it. `workerData`: { apps, requests }.
import { parentPort, workerData } from 'node:worker_threads'
import { PythonHandler } from 'asgi-node'

const { apps, requests } = workerData
const handler = new PythonHandler({ app: 'worker_app:app', docroot: apps })
await handler.ready()

const KINDS = ['wait', 'sleep', 'stream', 'upload', 'busy', 'quick', 'thread', 'socket']

async function* upload() {
  for (;;) {
    yield Buffer.alloc(1000)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** @param {string} kind */
async function keepBusy(kind) {
  for (;;) {
    if (kind === 'socket') {
      const socket = await handler.handleStream({ url: '/socket', websocket: true })
      for await (const _ of socket);
    } else if (kind === 'stream') {
      const response = await handler.handleStream({ url: '/stream' })
      for await (const _ of response);
    } else {
      await handler.handleRequest(kind === 'upload' ? { method: 'POST', url: '/upload', body: upload() } : { url: `/${kind}` })
    }
  }
}

for (let number = 0; number < requests; number += 1) keepBusy(KINDS[number % KINDS.length]).catch(() => {})
parentPort.postMessage('busy')
