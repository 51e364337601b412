// Test files in the order in which they are named, so many at a time; `node --test` would sort them, and a long one that comes last
// leaves the other cores idle. Run by the Node that is to be tested.
//
//   node scripts/node-tests.mjs --at-once N --timeout MS FILE…

import { run } from 'node:test'
import { spec as Spec } from 'node:test/reporters'
import { parseArgs } from 'node:util'

const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { 'at-once': { type: 'string', default: '1' }, timeout: { type: 'string', default: '120000' } },
})

const timeout = Number(values.timeout)
// The time-out is a file's on Node 20 and 22; on later ones, which take the arguments, it is each test's.
/** @type {Parameters<typeof run>[0] & { execArgv: string[] }} */
const options = { files, concurrency: Number(values['at-once']), timeout, execArgv: [`--test-timeout=${timeout}`] }
const tests = run(options)
tests.on('test:fail', ({ todo }) => {
  if (todo === undefined || todo === false) process.exitCode = 1
})
tests.compose(new Spec()).pipe(process.stdout)
