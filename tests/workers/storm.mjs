// Kills workers at random moments under mixed load: node tests/workers/storm.mjs [KILLS]. `make kills` has it do so 1,000 times.
//
// Every request ends, in a response or in a documented error; requests that no worker had begun are answered; and in the end
// nothing is left: no process, no descriptor, no thread, no memory that grew with the kills.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { PythonHandler } from 'asgi-node'
import { apps, holdings, residentMiB, until } from '../node/support.mjs'
import { runs } from './support.mjs'

/** What a request may end in, beside a response. */
const DOCUMENTED = new Set(['WORKER_DIED', 'APP_ERROR'])

const random = (most) => Math.floor(Math.random() * most)

/** One request of some kind; tells what became of it. */
async function request(handler, outcomes) {
  const kinds = [
    { url: '/' },
    { url: '/wait?seconds=0.02' },
    { url: '/echo', method: 'POST', body: 'x'.repeat(random(200_000)) },
  ]
  const init = kinds[random(kinds.length)]
  try {
    const response = await handler.handleRequest(init)
    assert.equal(response.status, 200)
    if (init.body !== undefined) assert.equal(response.body.length, init.body.length)
    outcomes.answered += 1
  } catch (error) {
    if (!DOCUMENTED.has(error.code)) throw error
    outcomes.failed += 1
  }
}

/** The kills of one handler: a place whose workers die again and again waits for seconds before it gets the next one. */
const ROUND = 24

/** One end of a worker, by one of the ways that there are; or no memory, which a worker outlives. */
async function kill(handler, outcomes) {
  let isKilled = true
  const ways = [
    () => {
      const ready = handler.health().workers.filter(({ state }) => state === 'ready')
      isKilled = ready.length > 0
      if (isKilled) process.kill(ready[random(ready.length)].pid, 'SIGKILL')
    },
    async () => {
      isKilled = false
      await handler.handleRequest({ url: '/allocate?bytes=80000000000' })
    },
    () => handler.handleRequest({ url: '/crash' }),
    () => handler.handleRequest({ url: '/exit?code=7' }),
    () => handler.handleRequest({ url: '/block?seconds=600' }),
  ]
  try {
    await ways[random(ways.length)]()
  } catch (error) {
    if (!DOCUMENTED.has(error.code) && error.code !== 'ESRCH') throw error
    isKilled &&= error.code !== 'ESRCH'
  }
  if (isKilled) outcomes.kills += 1
}

/** @param {number} kills */
export async function storm(kills) {
  const outcomes = { kills: 0, answered: 0, failed: 0 }
  // The first handler of a process opens what stays open: one descriptor, of /dev/null.
  const first = new PythonHandler({ app: 'worker_process_app:app', docroot: apps, workers: 1 })
  await first.ready()
  await first.close()
  while (outcomes.kills < kills) await round(Math.min(kills, outcomes.kills + ROUND), outcomes)
  return { ...outcomes, residentMiB: Math.round(residentMiB()) }
}

async function round(kills, outcomes) {
  const silent = () => {}
  const logger = { debug: silent, info: silent, warn: silent, error: silent }
  const before = holdings()
  const workers = { count: 4, killBlockedAfter: 300, resourceLimits: { memory: 16 * 2 ** 30 } }
  const handler = new PythonHandler({ app: 'worker_process_app:app', docroot: apps, workers, logger })
  await handler.ready()
  let over = false
  const client = async () => {
    while (!over) await request(handler, outcomes)
  }
  const killer = async () => {
    while (!over && outcomes.kills < kills) {
      await kill(handler, outcomes)
      await sleep(random(50))
    }
  }
  const clients = Array.from({ length: 16 }, client)
  await Promise.all([killer(), killer()])
  over = true
  await Promise.all(clients)
  const pids = handler.health().workers.map(({ pid }) => pid)
  await handler.close({ timeout: 2000 })
  assert.ok(!pids.some(runs), 'a worker outlives its handler')
  assert.equal(children(), '', 'children are left')
  await until(() => holdings().descriptors <= before.descriptors && holdings().threads <= before.threads + 4, `${JSON.stringify(before)}: ${JSON.stringify(holdings())}`, 5000)
}

/** The numbers of all child processes, zombies included. */
function children() {
  const lists = readdirSync('/proc/self/task').map((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/children`, 'utf8').trim()
    } catch {
      return ''
    }
  })
  return lists.join('')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const kills = Number(process.argv[2] ?? 1000)
  console.log(`node ${process.versions.node}: ${JSON.stringify(await storm(kills))}`)
}
