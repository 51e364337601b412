// What the access log costs: CPU of the whole process per request, for each format, the best of several rounds in turn.
//
//   node benches/access-log.mjs [--rounds N]     > /dev/null
//
// In process (handleRequest, 64 in flight, the hello app); lines go to stdout, which may be /dev/null or a file; the figures go
// to stderr.
import { parseArgs } from 'node:util'
import { cpuPerRequest } from './in-process.mjs'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '8' } } })

/** @type {Record<string, boolean | 'uvicorn' | 'combined' | 'json' | (() => void)>} */
const FORMATS = { off: false, function: () => {}, uvicorn: 'uvicorn', combined: 'combined', json: 'json' }
const options = Object.fromEntries(Object.entries(FORMATS).map(([name, accessLog]) => [name, { accessLog }]))
const found = await cpuPerRequest(options, Number(values.rounds))
console.error(found.map(([name, best]) => `${name} ${best.toFixed(1)}`).join(', ') + ' us of CPU per request')
