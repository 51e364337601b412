// A rolling restart of two instances behind a real nginx and a real HAProxy, with the configuration of examples/deploy,
// under load: no request is lost.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { repository, temporaryFolder, until } from '../node/support.mjs'
import { startServer } from './support.mjs'

const examples = join(repository, 'examples', 'deploy')
/** Requests that each proxy has under way. */
const AT_ONCE = 6

async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return ports
}

/** A file of the examples with the ports of this test, started by `program`. */
async function startProxy(t, folder, name, [port, one, two], program) {
  const text = readFileSync(join(examples, name), 'utf8')
  assert.ok(['8080', '8001', '8002'].every((given) => text.includes(`127.0.0.1:${given}`)))
  const ours = text.replace('127.0.0.1:8080', `127.0.0.1:${port}`).replace('127.0.0.1:8001', `127.0.0.1:${one}`).replace('127.0.0.1:8002', `127.0.0.1:${two}`)
  writeFileSync(join(folder, name), ours)
  const child = spawn(program[0], program.slice(1), { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (data) => (said += data))
  const ended = once(child, 'close')
  t.after(async () => {
    child.kill('SIGTERM')
    await ended
  })
  await until(async () => {
    assert.equal(child.exitCode, null, said)
    return (await ask({ port, path: '/items/0' })) === 200
  }, `${name}: ${said}`)
}

/** The status of one request, or why there is none. */
function ask(options, body) {
  return new Promise((resolve) => {
    const req = http.request({ host: '127.0.0.1', timeout: 20_000, ...options }, (res) => res.resume().on('end', () => resolve(res.statusCode)).on('error', (error) => resolve(error.code)))
    req.on('timeout', () => req.destroy(new Error('timeout'))).on('error', (error) => resolve(error.code ?? error.message)).end(body)
  })
}

/** Asks until it is stopped; `counts` is how often which status came. */
function load(t, port, body) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE })
  const counts = {}
  let stopped = false
  const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }
  const loop = async () => {
    while (!stopped) {
      const status = await ask(body === undefined ? { agent, port, path: '/items/7' } : { agent, port, path: '/items', method: 'POST', headers }, body)
      counts[status] = (counts[status] ?? 0) + 1
    }
  }
  const all = Array.from({ length: AT_ONCE / 2 }, loop)
  const stop = async () => {
    stopped = true
    await Promise.all(all)
    agent.destroy()
  }
  t.after(stop)
  return { counts, stop }
}

/** What HAProxy thinks of each instance. */
async function statesOf(socket) {
  const client = connect(socket)
  client.end('show stat\n')
  let text = ''
  for await (const chunk of client.setEncoding('utf8')) text += chunk
  const [names, ...rows] = text.trim().split('\n').map((line) => line.split(','))
  return rows.filter(([proxy, server]) => proxy === 'app' && server !== 'BACKEND').map((row) => row[names.indexOf('status')])
}

test('a rolling restart behind nginx and HAProxy loses no request', async (t) => {
  const folder = temporaryFolder(t)
  const [nginx, haproxy, one, two] = await freePorts(4)
  const args = ['--health-path', '/healthz', '--drain-delay', '1', '--no-access-log']
  const instance = (port) => startServer(t, ['--port', String(port), ...args], { cwd: join(examples, 'app'), app: 'main:app' })
  const instances = await Promise.all([one, two].map(instance))
  await Promise.all([
    startProxy(t, folder, 'nginx.conf', [nginx, one, two], ['nginx', '-p', folder, '-c', join(folder, 'nginx.conf'), '-g', 'daemon off;']),
    startProxy(t, folder, 'haproxy.cfg', [haproxy, one, two], ['haproxy', '-db', '-f', join(folder, 'haproxy.cfg')]),
  ])
  const loads = { 'nginx GET': load(t, nginx), 'HAProxy GET': load(t, haproxy), 'HAProxy POST': load(t, haproxy, '{"number":1}') }

  for (const [index, port] of [one, two].entries()) {
    instances[index].child.kill('SIGTERM')
    assert.deepEqual(await instances[index].exited, { code: 0, signal: null }, instances[index].stderr)
    instances[index] = await instance(port)
    // As whoever restarts the next one has to: HAProxy waits for a check before it asks the new one.
    await until(async () => (await statesOf(join(folder, 'haproxy.sock'))).every((state) => state === 'UP'), 'both instances, for HAProxy')
  }
  await Promise.all(Object.values(loads).map(({ stop }) => stop()))
  for (const [name, { counts }] of Object.entries(loads)) {
    assert.deepEqual(Object.keys(counts), ['200'], `${name}: ${JSON.stringify(counts)}`)
    assert.ok(counts[200] > 20, `${name}: ${JSON.stringify(counts)}`)
  }
})
