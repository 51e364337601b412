// npx asgi-node doctor.

import { parseArgs } from 'node:util'
import { doctor, textOf } from './doctor.js'

const USAGE = `usage: asgi-node doctor [options]

Looks whether a PythonHandler would start here, and what mends it where it would not. The exit status is 0 if it would, 1 if
not, 2 for a wrong option.

  --app MODULE:ATTRIBUTE   start this app, too, with its lifespan
  --docroot FOLDER         where its module is; default: the current folder
  --factory                the attribute is a function that makes the app
  --interface NAME         auto, asgi3, asgi2 or wsgi
  --lifespan NAME          auto, on or off
  --python PATH            an interpreter
  --venv FOLDER            a virtual environment
  --loop NAME              auto, asyncio or uvloop
  --deepbind NAME          auto, on or off
  --json                   the report as JSON
`

const OPTIONS = /** @type {const} */ ({
  app: { type: 'string' },
  docroot: { type: 'string' },
  factory: { type: 'boolean' },
  interface: { type: 'string' },
  lifespan: { type: 'string' },
  python: { type: 'string' },
  venv: { type: 'string' },
  loop: { type: 'string' },
  deepbind: { type: 'string' },
  json: { type: 'boolean' },
  'asked-by': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
})

/**
 * @param {string[]} args
 * @returns {Promise<number>} the exit status
 */
export async function main(args) {
  let report
  try {
    const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true })
    if (values.help) {
      process.stdout.write(USAGE)
      return 0
    }
    if (positionals.length !== 1 || positionals[0] !== 'doctor') throw new TypeError('the command is doctor')
    const { json, 'asked-by': askedBy, deepbind, help: _, ...options } = values
    const switches = { on: true, off: false, auto: 'auto' }
    // Any other value is refused by the check of the option, which names it.
    const chosen = switches[/** @type {keyof typeof switches} */ (deepbind ?? 'auto')] ?? deepbind
    report = await doctor(/** @type {import('./types.js').DoctorOptions} */ ({ ...options, deepbind: chosen, askedBy }))
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : textOf(report))
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    process.stderr.write(`asgi-node: ${error.message}\n\n${USAGE}`)
    return 2
  }
  return report.ok ? 0 : 1
}
