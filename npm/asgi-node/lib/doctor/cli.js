// npx asgi-node doctor.

import { parseArgs } from 'node:util'
import { show } from '../native/errors.js'
import { nearest } from '../options/names.js'
import { doctor, textOf } from './doctor.js'

const USAGE = `usage: asgi-node doctor [APP] [options]

Checks whether a PythonHandler would start here. If not, it says how to fix that. The exit status is 0 if it would, 1 if not,
2 for a wrong option.

  APP, --app NAME          start this app, too, with its lifespan: module:attribute, as main:app
  --app-dir, --docroot DIR where its module is; default: the current folder
  --factory                the attribute is a function that makes the app
  --interface NAME         auto, asgi3, asgi2 or wsgi
  --lifespan NAME          auto, on or off
  --python PATH            an interpreter
  --venv FOLDER            a virtual environment
  --loop NAME              auto, asyncio or uvloop
  --deepbind NAME          auto, on or off
  --workers N              the app runs in N processes of their own; 0: in the process of Node
  --json                   the report as JSON
`

const OPTIONS = /** @type {const} */ ({
  app: { type: 'string' },
  'app-dir': { type: 'string' },
  docroot: { type: 'string' },
  factory: { type: 'boolean' },
  interface: { type: 'string' },
  lifespan: { type: 'string' },
  python: { type: 'string' },
  venv: { type: 'string' },
  loop: { type: 'string' },
  deepbind: { type: 'string' },
  workers: { type: 'string' },
  json: { type: 'boolean' },
  'asked-by': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
})

/** @typedef {{ -readonly [name in keyof typeof OPTIONS]?: string | true }} Given */

/**
 * @param {string[]} args
 * @returns {Promise<number>} the exit status
 */
export async function main(args) {
  let report
  try {
    const { json, 'asked-by': askedBy, 'app-dir': appDir, docroot = appDir, deepbind, workers, help, ...options } = optionsOf(args)
    if (help) {
      process.stdout.write(USAGE)
      return 0
    }
    const switches = { on: true, off: false, auto: 'auto' }
    // Any other value is refused by the check of the option, which names it.
    const chosen = switches[/** @type {keyof typeof switches} */ (deepbind ?? 'auto')] ?? deepbind
    const folder = docroot === undefined ? {} : { docroot }
    // What is no number is refused by the check of the option, too.
    const processes = /^\d+$/.test(String(workers)) ? Number(workers) : workers
    report = await doctor(/** @type {import('./types.js').DoctorOptions} */ ({ ...options, ...folder, deepbind: chosen, workers: processes, askedBy }))
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : textOf(report))
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    // What checks the options of a handler names them as JavaScript does.
    process.stderr.write(`asgi-node: ${error.message.replace(/^Option /, '--')}\n`)
    return 2
  }
  return report.ok ? 0 : 1
}

/**
 * @param {string[]} args the first is `doctor`
 * @returns {Given}
 */
function optionsOf(args) {
  const { tokens } = parseArgs({ args, options: OPTIONS, strict: false, allowPositionals: true, tokens: true })
  /** @type {Given} */
  const given = {}
  const [command, ...rest] = tokens
  if (command?.kind !== 'positional' || command.value !== 'doctor') throw new TypeError('the command is doctor')
  for (const token of rest) {
    if (token.kind === 'positional') {
      if (given.app !== undefined) throw new TypeError(`One application can be examined, not two: ${show(given.app)} and ${show(token.value)}`)
      given.app = token.value
    } else if (token.kind === 'option') given[/** @type {keyof Given} */ (token.name)] = valueOf(token)
  }
  return given
}

/** @param {{ name: string, rawName: string, value: string | undefined, inlineValue?: boolean | undefined }} token */
function valueOf({ name, rawName, value, inlineValue }) {
  if (!Object.hasOwn(OPTIONS, name)) {
    const suggestion = rawName.startsWith('--') ? nearest(name, Object.keys(OPTIONS).filter((known) => known !== 'asked-by')) : null
    throw new TypeError(`Unknown option ${rawName}${suggestion === null ? ': asgi-node doctor --help lists all' : `. Did you mean --${suggestion}?`}`)
  }
  if (OPTIONS[/** @type {keyof typeof OPTIONS} */ (name)].type === 'boolean') {
    if (value !== undefined) throw new TypeError(`${rawName} takes no value, but got ${show(value)}`)
    return true
  }
  // What begins with a dash is the next option, unless it is said by "=".
  if (value === undefined || (!inlineValue && value.startsWith('-'))) throw new TypeError(`${rawName} needs a value`)
  return value
}
