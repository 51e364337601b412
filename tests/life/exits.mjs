// Processes that end at random moments under load.
//
//   node tests/life/exits.mjs [COUNT]     prints one line; by default 500 (`make exits`)
import { fileURLToPath } from 'node:url'
import { run } from '../node/support.mjs'

const WAYS = {
  exit: [7, null],
  throw: [1, null],
  natural: [0, null],
  SIGINT: [130, null],
  SIGTERM: [143, null],
  'SIGINT-bare': [null, 'SIGINT'],
  'SIGTERM-bare': [null, 'SIGTERM'],
}
const AT_ONCE = 2
/** From before Python has been found to well into the load. */
const LATEST_MS = 1000
/** Whoever has not ended then hangs. */
const HANG_MS = 60_000

/** One process; how it ended, and how long that took from the moment when it was told to. */
export async function exit(way, delay) {
  const program = fileURLToPath(new URL('./exiting.mjs', import.meta.url))
  const { code, signal, stdout, stderr } = await run(process.execPath, [program, way, String(delay)], { timeout: HANG_MS })
  const [expectedCode, expectedSignal] = WAYS[way]
  const began = Number(stdout.trim().split('\n')[0])
  return {
    way,
    delay,
    right: code === expectedCode && signal === expectedSignal && !/panicked|Fatal Python error/.test(stderr),
    how: `${way} after ${delay} ms: code ${code}, signal ${signal}, ${stderr.slice(-500)}`,
    milliseconds: began > 0 ? Date.now() - began : null,
  }
}

/** @param {number} count */
export async function exits(count) {
  const left = Array.from({ length: count }, (_, number) => [Object.keys(WAYS)[number % 7], Math.round(Math.random() * LATEST_MS)])
  const outcomes = []
  const some = async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) outcomes.push(await exit(...next))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, some))
  return outcomes
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const started = performance.now()
  const outcomes = await exits(Number(process.argv[2] ?? 500))
  const wrong = outcomes.filter(({ right }) => !right)
  const times = outcomes.flatMap(({ milliseconds }) => milliseconds ?? []).toSorted((a, b) => a - b)
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))]
  console.log(
    `node ${process.versions.node}: ${outcomes.length} processes ended at random moments under load in ${Object.keys(WAYS).length} ways: ` +
      `${wrong.length} with a wrong exit code, a signal or a hang; from process.exit to the end of the process ` +
      `${at(0.5)} ms (median), ${at(0.99)} ms (p99); ${((performance.now() - started) / 1000).toFixed(0)} s`,
  )
  for (const { how } of wrong) console.log(how)
  if (wrong.length > 0) process.exitCode = 1
}
