// What is varied, and how one point is measured: microseconds of CPU of the serving process, both runtimes together, for a request.
// CPU and not the clock, because it says the same on a machine that does other things beside.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PythonHandler } from 'asgi-node'
import { median } from '../servers.mjs'

const docroot = fileURLToPath(new URL('.', import.meta.url))
const CLIENT = fileURLToPath(new URL('sockets.mjs', import.meta.url))
const ROUNDS = 3
/** A point takes at least so long: the clock of CPU is coarse. */
const SECONDS = 0.5
/** Where something else is varied. */
const IN_FLIGHT = 64
/** Sockets that are busy, among those that are open. */
const BUSY = 16

/**
 * @typedef {object} Study
 * @property {string} name
 * @property {string} axis  what is varied
 * @property {number[]} points
 * @property {(point: number) => Promise<number>} measure  microseconds of CPU
 */

/** @param {import('asgi-node').PythonHandlerOptions['app']} [app] */
const handlerOf = (app = 'app:app') => new PythonHandler({ app, docroot, blockedThreshold: 0, maxConcurrency: 20_000 })

/**
 * Microseconds of CPU of this process for each call of `ask`, the median of rounds.
 * @param {(i: number) => Promise<{ status: number }>} ask
 * @param {number} inFlight
 */
async function cpuOf(ask, inFlight) {
  const round = async (/** @type {number} */ seconds) => {
    let count = 0
    const end = performance.now() + seconds * 1000
    const begun = process.cpuUsage()
    const run = async (/** @type {number} */ i) => {
      do {
        const { status } = await ask(i)
        if (status !== 200) throw new Error(`status ${status}`)
        count++
      } while (performance.now() < end)
    }
    await Promise.all(Array.from({ length: inFlight }, (_, i) => run(i)))
    const { user, system } = process.cpuUsage(begun)
    return (user + system) / count
  }
  // V8 is warm after some thousand calls.
  await round(SECONDS)
  const results = []
  for (let i = 0; i < ROUNDS; i++) results.push(await round(SECONDS))
  return median(results)
}

/** A handler for one point. @param {(handler: PythonHandler) => Promise<number>} measure */
async function withHandler(measure) {
  const handler = handlerOf()
  await handler.ready()
  try {
    return await measure(handler)
  } finally {
    await handler.close()
  }
}

/** @param {number} count */
const fields = (count) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-field-${i}`, `value of field ${i}`]))

/** @type {Study[]} */
export const STUDIES = [
  {
    name: 'Header fields of a request',
    axis: 'fields',
    points: [0, 10, 20, 30, 50, 70, 100],
    measure: (count) =>
      withHandler((handler) => {
        const headers = fields(count)
        return cpuOf(() => handler.handleRequest({ url: '/', headers }), IN_FLIGHT)
      }),
  },
  {
    name: 'Header fields of a response',
    axis: 'fields',
    points: [0, 10, 20, 30, 50, 70, 100],
    measure: (count) => withHandler((handler) => cpuOf(() => handler.handleRequest({ url: `/?${count}` }), IN_FLIGHT)),
  },
  {
    name: 'A body, sent and given back',
    axis: 'KiB',
    points: [0, 1, 4, 16, 64, 128, 256, 512, 1024],
    measure: (kilobytes) =>
      withHandler((handler) => {
        const body = Buffer.alloc(kilobytes * 1024, 'x')
        // Fewer at once: the bodies that are under way should not be what is measured.
        return cpuOf(async () => {
          const response = await handler.handleRequest({ method: 'POST', url: '/echo', body })
          if (response.body.length !== body.length) throw new Error('a cut body')
          return response
        }, 4)
      }),
  },
  {
    name: 'Requests in flight',
    axis: 'requests',
    points: [1, 4, 16, 64, 250, 1000, 4000, 10_000],
    measure: (count) => withHandler((handler) => cpuOf(() => handler.handleRequest({ url: '/' }), count)),
  },
  {
    name: 'Handlers in one process',
    axis: 'handlers',
    points: [1, 2, 4, 8, 16, 32],
    async measure(count) {
      const handlers = Array.from({ length: count }, () => handlerOf())
      await Promise.all(handlers.map((handler) => handler.ready()))
      try {
        return await cpuOf((i) => handlers[i % count].handleRequest({ url: '/' }), IN_FLIGHT)
      } finally {
        await Promise.all(handlers.map((handler) => handler.close()))
      }
    },
  },
  {
    name: `Open sockets, ${BUSY} of them busy`,
    axis: 'sockets',
    points: [16, 100, 500, 1000, 2000, 5000, 8000],
    measure: (count) =>
      withHandler(async (handler) => {
        const server = createServer({ keepAliveTimeout: 600_000 }, handler.listener).listen(0, '127.0.0.1', 4096)
        await once(server, 'listening')
        try {
          return await throughSockets(/** @type {import('node:net').AddressInfo} */ (server.address()).port, count)
        } finally {
          server.closeAllConnections()
          server.close()
        }
      }),
  },
]

/**
 * The same for requests of a client in a process of its own.
 * @param {number} port
 * @param {number} sockets
 */
async function throughSockets(port, sockets) {
  const client = spawn(process.execPath, [CLIENT, String(port), String(sockets), String(BUSY)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]()
  const said = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('the client has ended')
    return Number(value)
  }
  try {
    if ((await said()) !== sockets) throw new Error('not all sockets are open')
    const results = []
    // The first round warms up.
    for (let i = 0; i <= ROUNDS; i++) {
      const begun = process.cpuUsage()
      client.stdin.write(`${SECONDS}\n`)
      const count = await said()
      const { user, system } = process.cpuUsage(begun)
      if (i > 0) results.push((user + system) / count)
    }
    return median(results)
  } finally {
    client.kill()
  }
}
