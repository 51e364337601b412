// What the Node tests share: handlers on the fixture apps, servers and sockets that clean up after themselves, child
// processes, and what this process holds before and after a test.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { PythonHandler, Request } from 'asgi-node'

/** The root of the repository: child processes run here, so that they find the package too. */
export const repository = fileURLToPath(new URL('../../', import.meta.url))
/** Where the fixture apps are. */
export const apps = join(repository, 'fixtures', 'apps')

/**
 * How often something is repeated. `make test` asks whether it works; `make matrix`, which sets ASGI_NODE_SOAK, whether
 * anything is left behind after very many.
 * @param {number} few
 * @param {number} many
 */
export const repeats = (few, many) => (process.env.ASGI_NODE_SOAK ? many : few)

/** Whether tests of handlers run with workers: the same tests, and Python in processes of its own. */
export const withWorkers = Number(process.env.ASGI_NODE_TEST_WORKERS ?? 0)
const workersFromOutside = withWorkers > 0 ? { workers: withWorkers } : {}

/** A logger that does not hear what workers do: tests that run with them ask what the application and the handler say. */
function withoutWorkers(options) {
  if (withWorkers === 0 || typeof options.logger !== 'object') return options
  const { logger } = options
  const told = new Proxy(logger, {
    get(target, name) {
      const value = target[name]
      if (typeof value !== 'function') return value
      return (object, ...rest) => (object?.logger === 'asgi_node.workers' ? undefined : value.call(target, object, ...rest))
    },
  })
  return { ...options, logger: told }
}

/**
 * A handler on a fixture app, closed when the test or the file is over.
 *
 * @param {{ after(close: () => unknown): void }} scope a test's context, or `{ after }` of node:test for a whole file
 * @param {string} [app]
 * @param {object} [options]
 */
export function makeHandler(scope, app = 'main:app', options = {}) {
  const handler = new PythonHandler({ app, docroot: apps, ...workersFromOutside, ...withoutWorkers(options) })
  // What a test leaves under way on purpose is not waited for.
  scope.after(() => handler.close({ timeout: 100 }).catch(() => {}))
  return handler
}

/** One request; `init` as for `Request`, `options` as for `handleRequest`. */
export function call(handler, url = '/', init = {}, options = undefined) {
  return handler.handleRequest(new Request({ url, ...init }), options)
}

/** The body of a whole response, as text. */
export const text = (response) => (response.body ?? '').toString()

/** One request whose answer is JSON. */
export async function callJson(handler, url, init) {
  const response = await call(handler, url, init)
  assert.equal(response.status, 200, text(response))
  return JSON.parse(text(response))
}

/** Everything that a streamed response still has to give. */
export async function collect(response) {
  const chunks = []
  for await (const chunk of response) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export const sha256 = (data) => createHash('sha256').update(data).digest('hex')

/** Bytes that compress badly and differ everywhere, so that a lost or moved chunk changes the digest. */
export function bytes(length, seed = 1) {
  const data = Buffer.allocUnsafe(length)
  let state = seed >>> 0 || 1
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    data[index] = state >>> 24
  }
  return data
}

/** A node:http server on a free port of 127.0.0.1 that ends with the test. */
export async function serve(scope, listener) {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.after(() => closeServer(server))
  const { port } = server.address()
  return { server, port, url: `http://127.0.0.1:${port}` }
}

/**
 * A handler on a fixture app behind a node:http server, for a whole `describe`: listening when its tests start.
 * `hooks` are `before` and `after` of node:test.
 */
export function serveApp({ before, after }, app, options) {
  const handler = makeHandler({ after }, app, options)
  const server = createServer(handler.listener)
  const site = {
    handler,
    port: 0,
    url: '',
    raw: (t, data) => rawExchange(t, site.port, data),
    fetch: (path, init) => fetch(`${site.url}${path}`, { signal: AbortSignal.timeout(30_000), ...init }),
  }
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    site.port = server.address().port
    site.url = `http://127.0.0.1:${site.port}`
  })
  after(() => closeServer(server))
  return site
}

/** @param {import('node:http').Server} server */
async function closeServer(server) {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}

/**
 * Speak to a server byte by byte. `received` grows as bytes come (latin-1 text); `ended` settles with the connection.
 */
export async function openSocket(scope, port) {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  // Not events.once: that would reject on the reset which some tests ask for.
  const ended = new Promise((resolve) => socket.once('close', resolve))
  const client = { socket, received: '', ended, write: (data) => socket.write(data, 'latin1') }
  scope.after(() => socket.destroy())
  socket.on('data', (data) => {
    client.received += data.toString('latin1')
  })
  // A reset is one of the ends that tests look at; `received` and `ended` tell the story.
  socket.on('error', () => {})
  await once(socket, 'connect')
  return client
}

/** The same, for a client that closes its side when the server has closed its own. */
export async function openPolitely(scope, port) {
  const client = await openSocket(scope, port)
  client.socket.on('end', () => client.socket.end())
  return client
}

/** Send one raw request with `Connection: close` in it, and take everything up to the end of the connection. */
export async function rawExchange(scope, port, data) {
  const client = await openPolitely(scope, port)
  client.write(data)
  await client.ended
  return client.received
}

/**
 * Poll until `probe` gives something true, and return it. The limit finds what hangs, also where Python is still starting
 * on a machine that does other things; what has to be quick says so.
 */
export async function until(probe, what = 'the condition', milliseconds = 15_000) {
  const end = performance.now() + milliseconds
  for (;;) {
    const value = await probe()
    if (value) return value
    assert.ok(performance.now() < end, `${what} did not come true within ${milliseconds} ms`)
    await sleep(10)
  }
}

/** The environment for a child: this one's with changes; undefined removes a variable. */
function childEnvironment(changes) {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...changes }
  // Without this a child's own tests would report to the runner of this file.
  delete env.NODE_TEST_CONTEXT
  for (const name of Object.keys(env)) if (env[name] === undefined) delete env[name]
  return env
}

/** Run a program to its end, `through` another, such as `['nice']`; never rejects for the program's own failure. */
export async function run(command, args, { env = {}, timeout = 20_000, cwd = repository, through = [] } = {}) {
  const started = performance.now()
  const [first, ...rest] = [...through, command, ...args]
  const child = spawn(first, rest, { cwd, env: childEnvironment(env), stdio: ['ignore', 'pipe', 'pipe'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), timeout)
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk) => (output.stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk) => (output.stderr += chunk))
  const [code, signal] = await once(child, 'close')
  clearTimeout(timer)
  return { code, signal, ...output, milliseconds: performance.now() - started }
}

/**
 * Run an ES module in a Node of its own. It sees `apps`, `PythonHandler`, `Request` and `PythonError`; its last line of
 * output, when that is JSON, comes back as `result`.
 */
export async function runNode(source, options = {}) {
  const prologue = `import { PythonHandler, PythonError, Request } from 'asgi-node'
    const apps = ${JSON.stringify(apps)}\n`
  const flags = ['--unhandled-rejections=strict', '--input-type=module', '--eval', prologue + source]
  const outcome = await run(process.execPath, flags, options)
  const last = outcome.stdout.trimEnd().split('\n').at(-1) ?? ''
  try {
    return { ...outcome, result: JSON.parse(last) }
  } catch {
    return { ...outcome, result: undefined }
  }
}

/** `runNode` for a script that has to succeed: no crash, no noise on stderr, a JSON result. */
export async function runNodeCleanly(source, options) {
  const outcome = await runNode(source, options)
  // On a machine that has much else to do, an event loop may well be blocked for a second.
  const stderr = outcome.stderr.replaceAll(/^asgi_node\.watch: .*\n(?: {2}.*\n)*/gm, '')
  assert.deepEqual({ code: outcome.code, signal: outcome.signal, stderr }, {
    code: 0,
    signal: null,
    stderr: '',
  })
  assert.notEqual(outcome.result, undefined, `no JSON in: ${outcome.stdout}`)
  return outcome.result
}

/** A folder that goes when the test does, with the given files in it. */
export function temporaryFolder(scope, files = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'asgi-node-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), content, { mode: 0o755 })
  }
  return folder
}

/** The Python that the tests were told to use, by the path that its user knows. */
export const pythonExecutable = () => process.env.ASGI_NODE_PYTHON ?? PythonHandler.python.executable

/** One line of Python in that interpreter, without Node around it; prints JSON. */
export async function plainPython(source, env = {}) {
  const { code, stdout, stderr } = await run(pythonExecutable(), ['-c', source], { env })
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}

/** Resident memory now, in MiB, as the kernel counts it. */
export function residentMiB() {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024
}

/** What this process holds: open descriptors, threads, and Node's active handles (timers of the runner left out). */
export function holdings() {
  const handles = process.getActiveResourcesInfo().filter((name) => name !== 'Timeout' && name !== 'Immediate')
  return {
    // One of them is the listing itself, every time.
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    handles: handles.length,
  }
}

/** The same, and the tasks of Python's loop, asked through a handler on `facts_app`. */
export async function allHoldings(watcher) {
  const { tasks } = await callJson(watcher, '/threads')
  return { ...holdings(), tasks }
}

/**
 * Compare with an earlier `holdings()` or `allHoldings(watcher)`. Connections end a moment after the last byte, so this
 * waits for a while; `threads` of a pool may have been added.
 */
export async function assertReturnsTo(before, { threads = 0, watcher } = {}) {
  const limits = { ...before, threads: before.threads + threads }
  const over = (now) => Object.keys(limits).filter((name) => now[name] > limits[name])
  const look = () => (watcher ? allHoldings(watcher) : holdings())
  const end = performance.now() + 3000
  let now = await look()
  while (over(now).length > 0 && performance.now() < end) {
    await sleep(20)
    now = await look()
  }
  assert.deepEqual(over(now), [], `held before: ${JSON.stringify(before)}, now: ${JSON.stringify(now)}`)
}
