// What rules cost a request that none of ten path rules touches, and a hostile path of 64 KiB against twenty rules.
//
//   node benches/rewriter.mjs [--rounds N]
//
// First the rules alone, in nanoseconds: the native rewriter on a head, less what one without rules takes. Then the whole: CPU of the
// process per request (handleRequest, 64 in flight, the hello app) without the option, and with ten rules, the best of several rounds in turn.
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PathRewriter, Request, Rewriter } from 'asgi-node'
import { requestHead } from '../npm/asgi-node/lib/incoming/head.js'
import { compileRewriter } from '../npm/asgi-node/lib/rewriter/native.js'
import { specOf } from '../npm/asgi-node/lib/rewriter/rewriters.js'
import { cpuPerRequest } from './in-process.mjs'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '10' } } })
const rounds = Number(values.rounds)
const docroot = fileURLToPath(new URL('../fixtures/apps', import.meta.url))
const headers = { accept: '*/*', host: 'localhost', 'user-agent': 'bench' }
/** Few enough for a slice of time on a machine that does other things. */
const CALLS = 1000

const none = new Rewriter([])
const ten = Array.from({ length: 10 }, (_, i) => new PathRewriter(`^/v${i}/users/(\\d+)/(.*)$`, '/users/$1?rest=$2')).reduce((a, b) => a.then(b))
const loose = Array.from({ length: 10 }, (_, i) => new PathRewriter(`/v${i}/(\\w+)$`, '/$1')).reduce((a, b) => a.then(b))
// All bytes that they need are in the path: the automata have to look.
const near = Array.from({ length: 10 }, (_, i) => new PathRewriter(`^/api/items/\\d/detail(ed){${i + 1}}`, '/')).reduce((a, b) => a.then(b))
const anywhere = Array.from({ length: 10 }, (_, i) => new PathRewriter(`(ms|ls)/(item){1,${i + 1}}s?$`, '/')).reduce((a, b) => a.then(b))

/** @param {PathRewriter} rewriter @param {string} head */
function nanoseconds(rewriter, head) {
  const native = compileRewriter(specOf(rewriter))
  let best = Infinity
  for (let round = 0; round < rounds * 50; round++) {
    const started = performance.now()
    for (let i = 0; i < CALLS; i++) native.rewrite(head, false, docroot)
    best = Math.min(best, ((performance.now() - started) * 1e6) / CALLS)
  }
  return best
}

const head = requestHead(new Request({ url: '/api/items/7/details?page=2', headers }), -1)
const base = nanoseconds(none, head)
for (const [name, rewriter] of /** @type {const} */ ([
  ['anchored', ten],
  ['unanchored', loose],
  ['anchored, of the same letters', near],
  ['unanchored, of the same letters', anywhere]
])) {
  console.log(`ten path rules, ${name}, none of which matches: ${(nanoseconds(rewriter, head) - base).toFixed(0)} ns`)
}

const found = await cpuPerRequest({ 'no rewriter': {}, 'ten path rules': { rewriter: ten } }, rounds)
for (const [name, best] of found) console.log(`handleRequest, ${name}: ${best.toFixed(2)} us of CPU`)

const path = new Request({ url: `/${'a'.repeat(65_536)}~` })
const hostile = Array.from({ length: 20 }, (_, i) => new PathRewriter(`(a+a*)+${i}$`, '/')).reduce((a, b) => a.then(b))
let best = Infinity
for (let i = 0; i < 50; i++) {
  const started = performance.now()
  hostile.rewrite(path)
  best = Math.min(best, performance.now() - started)
}
console.log(`64 KiB of hostile path, twenty rules: ${(best * 1000).toFixed(0)} us`)
