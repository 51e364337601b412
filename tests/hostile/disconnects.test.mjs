// Clients that leave at random: everything that was made for them goes too.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../node/support.mjs'
import { assertUnharmed, serveApart, wireJson } from './wire.mjs'

const CLIENTS = 2000
const AT_ONCE = 100
const KINDS = ['upload', 'download', 'echo', 'both', 'silent']
/** The last is what kill -9 of a client is to us, when it had read everything. */
const WAYS = ['resetAndDestroy', 'end', 'destroy']

const site = serveApart({ before, after }, 'leaving_app:app')

/** The same numbers in each run. */
function generator(seed) {
  let state = seed
  return (bound) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >>> 8) % bound
  }
}

/** One client: what it says, how much of it, how much it reads, and how it leaves. */
function plan(random) {
  const kind = KINDS[random(KINDS.length)]
  const length = kind === 'upload' || kind === 'echo' ? random(2) * random(400_000) : 0
  const head = `POST /${kind} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`
  // One in eight does not even finish its head.
  const says = random(8) === 0 ? random(head.length) : head.length + random(length + 1)
  const reads = random(2) === 0 ? 0 : random(kind === 'download' ? 500_000 : 5000)
  return { bytes: Buffer.concat([Buffer.from(head), Buffer.alloc(length)]).subarray(0, says), reads, way: WAYS[random(3)], pause: random(30) }
}

async function leave({ bytes, reads, way, pause }) {
  const socket = connect({ port: site.port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  let received = 0
  const enough = new Promise((resolve) => {
    socket.on('data', (data) => {
      received += data.length
      if (received >= reads) resolve()
    })
  })
  await Promise.race([once(socket, 'connect').catch(() => {}), closed])
  socket.write(bytes)
  await Promise.race([reads > 0 ? enough : sleep(pause), sleep(100), closed])
  socket[way]()
  // Half closed it stays for a while: the app hears of it, and may go on sending.
  if (way === 'end') {
    await Promise.race([sleep(pause), closed])
    socket.destroy()
  }
  await closed
}

async function crowd(count, seed) {
  const random = generator(seed)
  const plans = Array.from({ length: count }, () => plan(random))
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let next = plans.pop(); next !== undefined; next = plans.pop()) await leave(next)
    }),
  )
  return settled()
}

/** All requests have ended; what the process holds then. */
async function settled() {
  await until(
    async () => {
      const { running, tasks } = await wireJson(site, '/state')
      return running === 0 && tasks === 1
    },
    'the end of all requests',
    5000,
  )
  return site.holdings()
}

describe('clients that leave', { timeout: 60_000 }, () => {
  test(`${CLIENTS} at random points of upload and download: nothing of them is left`, async () => {
    const before = await crowd(CLIENTS, 1)
    const { ended: endedBefore } = await wireJson(site, '/state')
    let now = await crowd(CLIENTS, 2)
    const { ended } = await wireJson(site, '/state')
    for (const how of ['left', 'refused', 'complete']) {
      assert.ok(ended[how] - endedBefore[how] > 20, `too few ended so: ${JSON.stringify(ended)}`)
    }
    assert.equal(ended.raised, undefined)
    await until(async () => {
      now = await site.holdings()
      return ['descriptors', 'threads', 'handles'].every((what) => now[what] <= before[what])
    }, `what was held: ${JSON.stringify(before)}, then ${JSON.stringify(now)}`)
    // The heap finds its level at about this many clients; one buffer kept of each would be 128 MiB.
    assert.ok(now.mebibytes - before.mebibytes < 48, `from ${before.mebibytes} to ${now.mebibytes} MiB`)
    assertUnharmed(site)
    // That a client leaves is no error: neither its app's nor ours.
    assert.equal(site.log, '')
  })
})
