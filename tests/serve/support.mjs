// The command, started as a user starts it: a process, what it prints, and where it listens.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { apps, repository, until } from '../node/support.mjs'

export const command = join(repository, 'npm', 'asgi-node', 'bin', 'asgi-node.js')

/** The environment of the tests without what would choose options. */
function environment(changes) {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...changes }
  for (const name of ['NODE_TEST_CONTEXT', 'FORWARDED_ALLOW_IPS', 'WEB_CONCURRENCY', 'FORCE_COLOR', 'NODE_OPTIONS']) if (!(name in changes)) delete env[name]
  for (const name of Object.keys(env)) if (env[name] === undefined) delete env[name]
  return env
}

/**
 * Starts the command. `through` is a program that starts it, `program` what stands for it, `stdio` more descriptors.
 * @param {{ after(close: () => unknown): void }} scope
 */
export function start(scope, args, { env = {}, cwd = apps, program = [process.execPath, '--', command], through = [], stdio = [] } = {}) {
  const [first, ...rest] = [...through, ...program, ...args]
  const child = spawn(first, rest, { cwd, env: environment(env), stdio: ['ignore', 'pipe', 'pipe', ...stdio] })
  const running = { child, pid: child.pid, stdout: '', stderr: '', exited: once(child, 'close').then(([code, signal]) => ({ code, signal })) }
  child.stdout.setEncoding('utf8').on('data', (text) => (running.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (running.stderr += text))
  scope.after(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await running.exited
  })
  return running
}

/** The same for a server that comes up on a free port; `url` is where. Everything that is not asked for is off. */
export async function startServer(scope, args, { app = 'serve_app:app', ...options } = {}) {
  const running = start(scope, [...(app === '' ? [] : [app]), ...(args.some((arg) => /^--(port|uds|fd)/.test(arg)) ? [] : ['--port', '0']), ...args], options)
  const [, url] = await until(
    () => / serves .* on (\S+) \(Press/.exec(stripVTControlCharacters(running.stderr)) ?? (running.child.exitCode !== null && ['', null]),
    `the server (${args.join(' ')})`,
    // On a machine that does much else, Python takes its time.
    60_000,
  )
  assert.notEqual(url, null, `the command has ended: ${running.stderr}`)
  running.url = url
  running.port = Number(new URL(url.startsWith('http') ? url : 'http://none').port)
  running.json = async (path, init) => (await fetch(url + path, { signal: AbortSignal.timeout(15_000), ...init })).json()
  running.facts = (init) => running.json('/facts', init)
  return running
}

/** Runs the command to its end. */
export async function run(scope, args, options) {
  const running = start(scope, args, options)
  const { code, signal } = await running.exited
  return { code, signal, stdout: running.stdout, stderr: running.stderr }
}

/** One request of node:http, with a connection of its own unless `agent` has one. Never rejects for a status. */
export function request(options, body) {
  return new Promise((resolve, reject) => {
    const req = http.request({ agent: false, host: '127.0.0.1', ...options }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (chunk) => (text += chunk)).on('end', () => resolve({ status: res.statusCode, headers: res.headers, rawHeaders: res.rawHeaders, text })).on('error', reject)
    })
    req.on('error', reject).end(body)
  })
}

/**
 * A scope for what a `before` hook starts and all tests of a suite share: what `after` of node:test is called with inside of
 * a hook ends with that hook.
 */
export function suiteScope(after) {
  const closers = []
  after(async () => {
    for (const close of closers.toReversed()) await close()
  })
  return { after: (close) => closers.push(close) }
}
