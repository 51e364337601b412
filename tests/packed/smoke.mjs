// asgi-node as it was installed, on whatever this is: HTTP, a WebSocket, threads, subprocesses, and a
// process that ends by itself. Prints what it ran on as one line of JSON. It is copied into an empty folder and run there:
//
//   node smoke.mjs          the Python is found as always (VIRTUAL_ENV, ASGI_NODE_PYTHON …)

import { PythonHandler } from 'asgi-node'
import { everyKind, libraries, serve } from './support.mjs'

const python = new PythonHandler({ app: 'app:app' })
await python.ready()
const served = await serve(python)
await everyKind(python, served)
const { deepbind } = /** @type {import('asgi-node').PythonInfo} */ (PythonHandler.python)
console.log(JSON.stringify({ ...(await libraries(served)), deepbind }))
await served.close()
await python.close()
