// Which test files (tests/NAME.test.mjs) run where, and why. A file that is named nowhere runs everywhere.

import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findChromium } from './chromium.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Their tests measure time: never beside another file. */
const TIMED = new Set(['interpreter/event-loop', 'interpreter/gil', 'node/handler', 'rewriter/rewriter-hostile'])

/**
 * With the current Node and the primary Python only; `make matrix` runs them with each. A cell of the matrix asks what another
 * version of Node or Python may change: node:http, node:https, node:http2, fetch, upgrades and the parser, the addon and its
 * threads, workers, pipes, exits, both event loops, forks, imports and logging. These ask something else.
 */
const ONCE = {
  'the repository: documents, packages and the doctor, in processes of their own': [
    'e2e/browser',
    'repository/doctor-apps',
    'repository/doctor',
    'e2e/bundlers',
    'e2e/client',
    'e2e/integrations',
    'repository/logging-docs',
    'repository/publishing',
    'e2e/python-docs',
    'repository/readme',
    'rewriter/rewriting-docs',
    'serve/deploy',
    'serve/usage',
  ],
  'the command: its words, options and addresses, which it reads before it serves': [
    'serve/address',
    'serve/documentation',
    'serve/options',
    'serve/surroundings',
    'serve/words',
  ],
  'rules without Node or Python: rewriting, and how long the parsers take': ['message/linear', 'rewriter/rewriter', 'rewriter/rewriter-property'],
  'frameworks: their own tests ask for each version, FastAPI, Express and WSGI stand for them here, and pytest has them all': [
    'e2e/django',
    'e2e/frameworks',
    'e2e/hono',
    'e2e/mcp',
    'e2e/starlette',
    'e2e/websocket-frameworks',
    'e2e/websocket-libraries',
    'workers/frameworks',
  ],
  'the machine: which Pythons it has, and what a process may do': ['interpreter/discovery', 'life/environment', 'serve/python'],
  'the frames of workers: the other end is written by the test': ['workers/hostile'],
  'time: what they measure is the bridge and the rules, which is measured alone': ['interpreter/event-loop', 'interpreter/gil', 'rewriter/rewriter-hostile'],
  'numbers: the same again, until something would be left behind': [
    'hostile/disconnects',
    'life/handlers',
    'life/many-children',
    'life/random-exits',
    'hostile/sizes',
    'hostile/websocket-ends',
    'hostile/websocket-floods',
    'life/workers',
    'workers/kills',
  ],
}
const once = new Set(Object.values(ONCE).flat())

/**
 * Each starts many processes, waits, or computes. Beside the current Node and the primary Python each of them runs in one cell of the
 * matrix, by turn; `make matrix` runs them in each. In the order of their processor time, there and back, so that turns are alike.
 */
const LONG_BY_TURN = [
  'life/blocked',
  'serve/stop',
  'serve/workers',
  'workers/death',
  'asgi/imports',
  'workers/reload',
  'life/exits',
  'hostile/upgrades',
  'workers/follow',
  'log/stdio',
  'life/orderly',
  'log/logging',
  'interpreter/python-side',
  'workers/drain',
  'http/unread',
  'hostile/apps',
  'workers/applications',
  'life/destructors',
  'http/lent',
  'e2e/wsgi',
  'node/lifecycle',
  'workers/life',
  'interpreter/children',
  'interpreter/start-errors',
  'log/access-log',
  'workers/orphans',
  'asgi/lifespan',
  'life/stop',
  'asgi/outcomes',
  'e2e/fastapi',
  'hostile/sent-files',
  'hostile/loop-failure',
  'node/concurrency',
  'node/outcomes',
  'asgi/websocket-limits',
  'e2e/express',
  'serve/front-end',
  'node/health',
  'hostile/clients',
  'hostile/uvloop',
  'hostile/unfinished',
  'life/forks',
]

/** By turn, too, though they are short: they ask what the application is given and may send, which the bridge decides. */
const SHORT_BY_TURN = [
  'asgi/websocket-messages',
  'rewriter/rewriter-handler',
  'asgi/server',
  'asgi/files',
  'asgi/websocket-channel',
  'asgi/response',
  'node/abandoned',
  'asgi/application',
  'asgi/websocket-python',
  'asgi/request-body',
  'asgi/extensions',
  'asgi/scope',
  'message/headers',
  'message/request',
  'message/response',
  'asgi/timeouts',
]
const BY_TURN = [...LONG_BY_TURN, ...SHORT_BY_TURN]

/** Beside those and what is run once: they take longest, and begin first, so that no core waits for them at the end. */
const LONG = new Set(LONG_BY_TURN)

/** Beside those that run once: what `make test-fast` leaves out of the units, because it starts many processes, or waits. */
const SLOW = new Set([
  'interpreter/children',
  'node/health',
  'log/logging',
  'interpreter/python-side',
  'interpreter/start-errors',
  'log/stdio',
  'asgi/websocket-limits',
])

/** The folders whose files `make test-fast` runs. */
const UNITS = /^(?:asgi|http|interpreter|log|message|node|repository|rewriter)[/]/

/** Files of pytest that start a pytest, a Node or an example for each of their tests: not in `make test-fast`. */
export const SLOW_PYTEST = ['tests/python/test_documents.py', 'tests/python/testing/test_pytest_plugin.py']

/**
 * With the primary Python and, by turn, with one of the others: those that take longest, and those of the client, which asks little of
 * Python's version.
 */
export const PYTEST_BY_TURN = [
  ...SLOW_PYTEST,
  'tests/python/loading/test_loading.py',
  'tests/python/conformance/test_command.py',
  'tests/python/conformance/test_rules.py',
  'tests/python/runtime/test_sentry.py',
  'tests/python/testing/test_client_frameworks.py',
  'tests/python/host/test_event_sequences.py',
  'tests/python/worker/test_hostile_node.py',
  'tests/python/testing/test_client.py',
  'tests/python/testing/test_client_starlette.py',
  'tests/python/testing/test_async_client.py',
  'tests/python/testing/test_client_field_5.py',
  'tests/python/testing/test_client_field_23.py',
  'tests/python/runtime/test_documentation.py',
  'tests/python/loading/test_wsgi.py',
]

/** Debian puts servers where only root looks. @param {string} name */
const isInstalled = (name) => [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'].some((folder) => existsSync(join(folder, name)))

/** What this machine cannot run, with the reason, which is said at the end. @type {Map<string, string>} */
export const IMPOSSIBLE = new Map([
  ...(findChromium() ? [] : [/** @type {const} */ (['e2e/browser', 'no Chromium was found (apt-get install chromium, or CHROMIUM=)'])]),
  ...(['nginx', 'haproxy'].every(isInstalled) ? [] : [/** @type {const} */ (['serve/deploy', 'nginx or HAProxy is missing (apt-get install nginx-light haproxy)'])]),
])

/** Its package is installed for the primary Python only: it needs fifty others. */
const PRIMARY_ONLY = new Set(['e2e/mcp'])

/**
 * Run once more with handlers that have workers (ASGI_NODE_TEST_WORKERS=1, tests/node/support.mjs): what an application is given and
 * may send, and what a client sees of it. The others are left out, because they
 * - ask a second handler what the first one's application has noted, in memory that workers do not share (lifespans, the log of
 *   websocket_app);
 * - measure this process, or start others of their own: threads, descriptors, memory, exits, forks, Python in Node;
 * - count what waits to the byte or the message: with workers as much waits at either end (docs/workers.md);
 * - have limits of time that are shorter than a process takes to start;
 * - start no handler, or only handlers without the tests' support.
 */
const WITH_WORKERS = new Set([
  'asgi/extensions',
  'asgi/files',
  'asgi/outcomes',
  'asgi/request-body',
  'asgi/response',
  'asgi/scope',
  'asgi/websocket-python',
  'log/access-log',
  'node/async-context',
  'http/body-lengths',
  'http/body-limits',
  'http/header-bytes',
  'message/headers',
  'http/http',
  'http/http2',
  'log/logging',
  'http/proxy',
  'rewriter/rewriter-handler',
  'log/stdio',
  'http/streaming',
  'http/tls',
])

/** Every tests/<suite>/*.test.mjs. */
const names = readdirSync(join(ROOT, 'tests'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name: suite }) => readdirSync(join(ROOT, 'tests', suite)).map((name) => `${suite}/${name}`))
  .filter((name) => name.endsWith('.test.mjs'))
  .map((name) => name.slice(0, -'.test.mjs'.length))
  .toSorted()

for (const name of [...TIMED, ...once, ...BY_TURN, ...SLOW, ...WITH_WORKERS]) {
  if (!names.includes(name)) throw new Error(`scripts/suites.mjs names tests/${name}.test.mjs, which is not there`)
}

/**
 * What is run by turn, in the cell `index` of `of`.
 * @typedef {{ index: number, of: number }} Turn
 */

/**
 * Those of a list whose turn it is.
 * @param {readonly string[]} list
 * @param {Turn} turn
 */
export const inTurn = (list, { index, of }) => list.filter((_, i) => i % of === index)

/**
 * All; those of a cell of the matrix; the units alone; those in which lines can be counted; those that handlers with workers pass.
 * @typedef {'whole' | 'cell' | 'fast' | 'counted' | 'workers'} Extent
 */

/**
 * The files of a step: those that may run beside each other, and those that may not.
 * @param {Extent} extent
 * @param {boolean} primary  whether this is the primary Python
 * @param {Turn} [turn]  of a cell
 * @returns {{ together: string[], alone: string[] }}
 */
export function filesOf(extent, primary, turn = { index: 0, of: 1 }) {
  const others = new Set(BY_TURN)
  for (const name of inTurn(BY_TURN, turn)) others.delete(name)
  const chosen = names.filter((name) => {
    if (IMPOSSIBLE.has(name) || (PRIMARY_ONLY.has(name) && !primary)) return false
    if (extent === 'whole') return true
    if (extent === 'workers') return WITH_WORKERS.has(name)
    // On a read-only file system nothing can be written down.
    if (extent === 'counted') return name !== 'life/environment' && !TIMED.has(name)
    if (extent === 'fast' && (SLOW.has(name) || !UNITS.test(name))) return false
    return !once.has(name) && !(extent === 'cell' && others.has(name))
  })
  const long = (/** @type {string} */ name) => Number(LONG.has(name) || once.has(name))
  const sorted = chosen.toSorted((a, b) => long(b) - long(a))
  const paths = (/** @type {boolean} */ timed) => sorted.filter((name) => TIMED.has(name) === timed).map((name) => join('tests', `${name}.test.mjs`))
  return { together: paths(false), alone: paths(true) }
}
