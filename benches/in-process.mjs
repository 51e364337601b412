// What the benches share that compare handlers in this process: CPU per request of each, the best of several rounds in turn.
import { fileURLToPath } from 'node:url'
import { PythonHandler, Request } from 'asgi-node'

const docroot = fileURLToPath(new URL('../fixtures/apps', import.meta.url))
const headers = { accept: '*/*', host: 'localhost', 'user-agent': 'bench' }
const REQUESTS = 20_000

/** @param {PythonHandler} handler */
async function load(handler) {
  let left = REQUESTS
  const one = async () => {
    while (left-- > 0) await handler.handleRequest(new Request({ url: '/hello', headers }))
  }
  await Promise.all(Array.from({ length: 64 }, one))
}

/**
 * Microseconds of CPU of the whole process per request: handleRequest to the hello app, 64 in flight.
 * @param {Record<string, Partial<import('asgi-node').PythonHandlerOptions>>} options by the name that the result has
 * @param {number} rounds
 * @returns {Promise<[name: string, microseconds: number][]>}
 */
export async function cpuPerRequest(options, rounds) {
  const handlers = Object.entries(options).map(([name, own]) => {
    const handler = new PythonHandler({ app: 'main:app', docroot, blockedThreshold: 0, ...own })
    return { name, handler, best: Infinity }
  })
  for (const { handler } of handlers) await load(handler)
  for (let round = 0; round < rounds; round++) {
    for (const entry of handlers) {
      const before = process.cpuUsage()
      await load(entry.handler)
      const { user, system } = process.cpuUsage(before)
      entry.best = Math.min(entry.best, (user + system) / REQUESTS)
    }
  }
  await Promise.all(handlers.map(({ handler }) => handler.close()))
  return handlers.map(({ name, best }) => [name, best])
}
