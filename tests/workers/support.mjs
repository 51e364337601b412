// What the tests of workers share.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeHandler, temporaryFolder } from '../node/support.mjs'

/** A handler on worker_process_app, with a logger that remembers. */
export function makeWorkers(scope, workers = 1, options = {}) {
  const logged = []
  const write = (level) => (object, message) => logged.push({ level, message, ...object })
  const logger = Object.fromEntries(['debug', 'info', 'warn', 'error'].map((level) => [level, write(level)]))
  const handler = makeHandler(scope, 'worker_process_app:app', { workers, logger, ...options })
  return { handler, logged }
}

/** A file that workers write into; `lines` gives what is in it. It is set in this process's environment for the test. */
export function makeDiary(scope) {
  const path = join(temporaryFolder(scope), 'diary')
  process.env.WORKER_DIARY = path
  scope.after(() => delete process.env.WORKER_DIARY)
  return { path, lines: () => (existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []) }
}

/** Whether a process runs: a zombie does not. */
export function runs(pid) {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** The number of the process that answered. */
export async function pidOf(handler) {
  const { body } = await handler.handleRequest({ url: '/' })
  return Number(body.toString())
}
