// What the hostile tests share: a server process whose answers can be compared byte by byte, and sockets that say anything.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'

const REASON = {
  200: 'OK',
  204: 'No Content',
  205: 'Reset Content',
  304: 'Not Modified',
  400: 'Bad Request',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

/**
 * A server on a fixture app in a process of its own, from the first test to the last. `log` grows as it writes.
 * @param {{ before: Function, after: Function }} hooks of node:test
 * @param {(site: object) => unknown} [prepare] what to do before the first test, with the server there
 */
export function serveApart({ before, after }, app, { prepare, options = {}, server: serverOptions = {} } = {}) {
  const site = { port: 0, pid: 0, log: '', child: null, raw: (data, how) => raw(site.port, data, how), holdings: null }
  site.holdings = async () => {
    site.child.send('holdings')
    return (await once(site.child, 'message'))[0]
  }
  before(async () => {
    const args = [app, JSON.stringify(options), JSON.stringify(serverOptions)]
    const child = spawn(process.execPath, ['--expose-gc', fileURLToPath(new URL('server.mjs', import.meta.url)), ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (site.log += text))
    site.child = child
    site.pid = child.pid
    const early = once(child, 'exit').then(([code, signal]) => assert.fail(`ended (${code ?? signal}): ${site.log}`))
    const [{ port }] = await Promise.race([once(child, 'message'), early])
    early.catch(() => {})
    site.port = port
    await prepare?.(site)
  })
  after(async () => {
    const { child } = site
    if (child.exitCode !== null || child.signalCode !== null) return
    child.disconnect()
    await once(child, 'exit')
  })
  return site
}

/** The process lives, and the log holds no sign of memory that was mistreated, nor of a panic. */
export function assertUnharmed(site) {
  const { exitCode, signalCode } = site.child
  assert.deepEqual([exitCode, signalCode], [null, null], site.log.slice(-5000))
  assert.doesNotMatch(site.log, /panicked|Fatal Python error|AddressSanitizer|core dumped/)
}

/**
 * Say `data` (latin-1; a list is said piece by piece) and take all bytes until the server ends the connection, or until
 * `enough(received)`. Ends with `(reset)` when the server did not close in order, `(open)` when it said nothing for
 * `patience` milliseconds and left the connection open.
 */
export async function raw(port, data, { enough = () => false, end = false, patience = 10_000 } = {}) {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  let received = ''
  return new Promise((resolve) => {
    const done = (suffix) => {
      clearTimeout(timer)
      resolve(received + suffix)
      socket.destroy()
    }
    const timer = setTimeout(() => done('(open)'), patience)
    socket.on('error', () => done('(reset)'))
    socket.on('end', () => done(''))
    socket.on('close', () => done(''))
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      if (enough(received)) done('')
    })
    socket.on('connect', async () => {
      for (const piece of [data].flat()) {
        socket.write(piece, 'latin1')
        if (Array.isArray(data)) await new Promise((next) => setTimeout(next, 5))
      }
      if (end) socket.end()
    })
  })
}

/** One request. */
export const get = (path, headers = '', method = 'GET') => `${method} ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`

/** A last request on the connection. */
export const PROBE = get('/probe', 'Connection: close\r\n')

/** A response as we write it: the app's headers, then Node's; `body` as one chunk unless a length is declared. */
export function response(status, headers = [], body = '', { close = false, chunks = [body], head = false } = {}) {
  const hasLength = headers.some(([name]) => name === 'content-length')
  const bodyless = status < 200 || status === 204 || status === 304
  const own = headers.some(([name]) => name === 'connection')
  let text = `HTTP/1.1 ${status} ${REASON[status] ?? 'unknown'}\r\n`
  for (const [name, value] of headers) text += `${name}: ${value}\r\n`
  if (!own) text += close ? 'Connection: close\r\n' : 'Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n'
  if (!hasLength && !bodyless) text += 'Transfer-Encoding: chunked\r\n'
  text += '\r\n'
  if (head || bodyless) return text
  if (hasLength) return text + chunks.join('')
  return `${text}${chunks.map((c) => `${c.length.toString(16)}\r\n${c}\r\n`).join('')}0\r\n\r\n`
}

const plain = (body, status, options) =>
  response(status, [['content-type', 'text/plain'], ['content-length', String(body.length)]], body, options)

/** What `reply(send, body)` of the fixture kit looks like. */
export const replied = (body, options) => plain(body, 200, options)
export const ALIVE = replied('alive', { close: true })

/** The answer without the app; `last` where the client had asked for the end of the connection. */
export function answered(status, { last = false } = {}) {
  const text = REASON[status]
  const headers = [['content-type', 'text/plain; charset=utf-8'], ['content-length', String(text.length)]]
  // All but a 500 say so in a header of our own.
  if (status !== 500) headers.push(['connection', 'close'])
  return response(status, headers, text, { close: last })
}

/** A connection of its own is answered correctly. */
export async function assertAlive(site) {
  assert.equal(await site.raw(PROBE), ALIVE)
}

/** A JSON answer over the wire. */
export async function wireJson(site, path) {
  const received = await site.raw(get(path, 'Connection: close\r\n'))
  return JSON.parse(received.slice(received.indexOf('\r\n\r\n') + 4))
}
