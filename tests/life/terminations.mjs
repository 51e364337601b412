// Worker threads that are terminated with requests in flight.
//
//   node tests/life/terminations.mjs [COUNT]     prints one line; by default 1,000 (`make workers`)
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { PythonHandler } from 'asgi-node'
import { apps, callJson, until } from '../node/support.mjs'

const REQUESTS = 20
const AT_ONCE = 2

/** Terminate workers, each at a random moment; then see what their requests have seen. Runs in a process of its own. */
async function terminate(count) {
  // Half of the time without a handler of the main thread, so that the addon is loaded in workers only.
  let begun = 0
  const one = async () => {
    const worker = new Worker(new URL('./worker.mjs', import.meta.url), { workerData: { apps, requests: REQUESTS } })
    await Promise.race([once(worker, 'message'), once(worker, 'exit').then(([code]) => Promise.reject(new Error(`exit ${code}`)))])
    await sleep(Math.random() * 20)
    await worker.terminate()
  }
  const some = async (to) => {
    while (begun < to) {
      begun += 1
      await one()
    }
  }
  const all = (to) => Promise.all(Array.from({ length: AT_ONCE }, () => some(to)))
  await all(count / 2)
  const watcher = new PythonHandler({ app: 'worker_app:app', docroot: apps })
  await watcher.ready()
  await all(count)
  const counts = await until(async () => {
    const now = await callJson(watcher, '/counts')
    return now.begun === now.ended && now.started === now.stopped + 1 && now
  }, 'the end of all requests', 15_000)
  await watcher.close()
  return { terminated: begun, ...counts }
}

/** The same from outside: what came of it, whatever came of that process. */
export async function terminations(count) {
  const child = fork(fileURLToPath(import.meta.url), ['--inside', String(count)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  let result
  child.on('message', (message) => (result = message))
  const [code, signal] = await once(child, 'close')
  return { code, signal, stderr, result }
}

if (process.argv[2] === '--inside') {
  process.send(await terminate(Number(process.argv[3])))
  process.disconnect()
} else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const count = Number(process.argv[2] ?? 1000)
  const started = performance.now()
  const { code, signal, stderr, result } = await terminations(count)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.log(
    `node ${process.versions.node}: ${result?.terminated ?? 'too few'} workers terminated with ${REQUESTS} requests in flight each: ` +
      `exit code ${code}, signal ${signal}; ${JSON.stringify(result)}; ${seconds} s`,
  )
  if (stderr) console.log(stderr.slice(-2000))
  if (code !== 0 || signal !== null) process.exitCode = 1
}
