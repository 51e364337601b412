// How the cost of a request grows: with its header fields, its body, the requests in flight, the sockets and the handlers beside it.
//
//   node benches/scaling/run.mjs [--only TEXT] [--write]
//
// --only    the studies whose name contains TEXT
// --write   the plots into docs/scaling.svg, which docs/performance.md shows
//
// Each point is a process of its own. ASGI_NODE_PYTHON names the interpreter, as everywhere.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { plots } from './plots.mjs'
import { STUDIES } from './studies.mjs'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
    // Internal: measure one point in this process.
    study: { type: 'string' },
    point: { type: 'string' },
  },
})

if (values.study === undefined) {
  const results = STUDIES.filter(({ name }) => name.includes(values.only)).map(measured)
  if (values.write) writeFileSync(new URL('../../docs/scaling.svg', import.meta.url), plots(results))
} else {
  console.log(await STUDIES[Number(values.study)].measure(Number(values.point)))
  process.exit(0)
}

/** All points of a study, which it prints. @param {import('./studies.mjs').Study} study */
function measured(study) {
  const self = fileURLToPath(import.meta.url)
  const { name, axis, points } = study
  console.log(`\n${name}\n${axis.padStart(10)}  µs of CPU`)
  const results = points.map((point) => {
    const args = [self, '--study', String(STUDIES.indexOf(study)), '--point', String(point)]
    const microseconds = Number(execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }))
    console.log(`${String(point).padStart(10)}  ${microseconds.toFixed(1)}`)
    return { point, microseconds }
  })
  return { name, axis, results }
}
