// The other side of the worker tests: a handler in a worker thread. `workerData`: { apps, mode: 'ask' | 'close' | 'busy' }.
import { parentPort, workerData } from 'node:worker_threads'
import { PythonHandler, Request } from 'asgi-node'

const { apps, mode } = workerData

if (mode === 'busy') {
  const handler = new PythonHandler({ app: 'slow_app:app', docroot: apps })
  await handler.ready()
  // Requests at every stage: some answered at once, some waiting, one that keeps Python busy.
  for (const url of ['/', '/await?seconds=0.05', '/await?seconds=60', '/spin?seconds=0.05']) {
    handler.handleRequest(new Request({ url })).catch(() => {})
  }
  parentPort.postMessage('busy')
} else {
  const handler = new PythonHandler({ app: 'pid_app:app', docroot: apps })
  const request = () => new Request({ url: '/' })
  const first = JSON.parse(handler.handleRequestSync(request()).body.toString())
  const responses = await Promise.all(Array.from({ length: 50 }, () => handler.handleRequest(request())))
  const pids = responses.map((response) => JSON.parse(response.body.toString()).pid)
  parentPort.postMessage({ first, pids: [...new Set(pids)] })
  // Otherwise the worker ends with an idle handler, which has to let it.
  if (mode === 'close') await handler.close()
}
