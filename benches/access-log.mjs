// What the access log costs: CPU of the whole process per request, for each format, the best of several rounds in turn.
//
//   node benches/access-log.mjs [--rounds N]     > /dev/null
//
// In process (handleRequest, 64 in flight, the hello app); lines go to stdout, which may be /dev/null or a file; the figures go
// to stderr.
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PythonHandler, Request } from 'asgi-node'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '8' } } })
const docroot = fileURLToPath(new URL('../fixtures/apps', import.meta.url))
const headers = { accept: '*/*', host: 'localhost', 'user-agent': 'bench' }
const REQUESTS = 20_000

/** @type {Record<string, boolean | 'uvicorn' | 'combined' | 'json' | (() => void)>} */
const FORMATS = { off: false, function: () => {}, uvicorn: 'uvicorn', combined: 'combined', json: 'json' }
const handlers = Object.entries(FORMATS).map(([name, accessLog]) => {
  const handler = new PythonHandler({ app: 'main:app', docroot, accessLog, blockedThreshold: 0 })
  return { name, handler, best: Infinity }
})

/** @param {PythonHandler} handler */
async function load(handler) {
  let left = REQUESTS
  const one = async () => {
    while (left-- > 0) await handler.handleRequest(new Request({ url: '/hello', headers }))
  }
  await Promise.all(Array.from({ length: 64 }, one))
}

for (const { handler } of handlers) await load(handler)
for (let round = 0; round < Number(values.rounds); round++) {
  for (const entry of handlers) {
    const before = process.cpuUsage()
    await load(entry.handler)
    const { user, system } = process.cpuUsage(before)
    entry.best = Math.min(entry.best, (user + system) / REQUESTS)
  }
}
console.error(handlers.map(({ name, best }) => `${name} ${best.toFixed(1)}`).join(', ') + ' us of CPU per request')
await Promise.all(handlers.map(({ handler }) => handler.close()))
