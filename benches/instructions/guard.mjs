// `make instructions`: how many instructions of the bridge a GET and a POST of 1 KiB take together, counted by callgrind, and
// compared with expected.json. A clock on a busy machine is right to a tenth, and this to a fraction of a percent, so it is what
// says that a change made the request path longer. Only what is in our own native file counts: Python's share depends on its build.
//
//   node benches/instructions/guard.mjs [--write]    --write: the new figure is meant
//
// Needs valgrind. The bridge must be that of `make build`: one that is compiled in another way has another figure.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PRIMARY, pythonOf } from '../../scripts/venvs.mjs'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const EXPECTED = join(HERE, 'expected.json')
const BRIDGE = '_native.abi3.so'
const REQUESTS = 200
/** A change of more than this is no accident. */
const TOLERANCE = 0.03

/** The instructions of our native file in a run of so many requests of each kind. */
function instructions() {
  const folder = mkdtempSync(join(tmpdir(), 'asgi-node-callgrind-'))
  const out = join(folder, 'out')
  try {
    const args = ['--tool=callgrind', '--quiet', '--instr-atstart=no', `--callgrind-out-file=${out}`, pythonOf(PRIMARY), join(HERE, 'drive.py'), String(REQUESTS)]
    const env = { ...process.env, PYTHONPATH: join(ROOT, 'python'), PYTHONHASHSEED: '0' }
    execFileSync('valgrind', args, { env, stdio: ['ignore', 'inherit', 'inherit'], timeout: 300_000 })
    return ofBridge(readFileSync(out, 'latin1'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * The sum of what callgrind's file says of functions in our native file, without what they call.
 * @param {string} text in callgrind's format: `ob=` and `fn=` name where the lines that follow belong, `calls=` makes the next one a call's
 */
function ofBridge(text) {
  /** @type {Map<string, string>} names are written once, and are numbers after that */
  const objects = new Map()
  let ours = false
  let isCall = false
  let sum = 0
  for (const line of text.split('\n')) {
    const object = /^(c?ob)=\((\d+)\)(?: (.*))?$/.exec(line)
    if (object) {
      const [, kind, number, name] = object
      if (name) objects.set(number, name)
      if (kind === 'ob') ours = objects.get(number)?.endsWith(BRIDGE) ?? false
    } else if (line.startsWith('calls=')) {
      isCall = true
    } else if (/^[+\-*\d]/.test(line)) {
      if (ours && !isCall) sum += Number(line.split(' ')[1])
      isCall = false
    }
  }
  return sum
}

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } })
const measured = Math.round(instructions() / REQUESTS)
if (!(measured > 0)) throw new Error(`callgrind has counted ${measured} instructions of ${BRIDGE}: is it the bridge that Python imports?`)
if (values.write) {
  writeFileSync(EXPECTED, `${JSON.stringify({ 'GET and POST of 1 KiB': measured }, null, 2)}\n`)
  console.log(`${measured} instructions: written to benches/instructions/expected.json`)
} else {
  const expected = JSON.parse(readFileSync(EXPECTED, 'utf8'))['GET and POST of 1 KiB']
  const change = measured / expected - 1
  console.log(`a GET and a POST of 1 KiB take ${measured} instructions of the bridge; expected are ${expected} (${(change * 100).toFixed(2)} %)`)
  if (change > TOLERANCE) {
    console.error(`That is more than ${TOLERANCE * 100} % above. If it is meant: node benches/instructions/guard.mjs --write`)
    process.exitCode = 1
  }
}
