// The doctor's report as text.

/** @typedef {import('./types.js').DoctorReport} DoctorReport */

/** @param {DoctorReport} report */
export function textOf(report) {
  const facts = [...factsOf(report)].map(([name, value]) => `${name.padEnd(10)} ${value}`)
  const findings = report.findings.flatMap(({ code, severity, message, fix, traceback }) => [
    '',
    `${severity} ${code}`,
    ...indented(message),
    ...(traceback ? indented(traceback) : []),
    ...(fix ? indented(`-> ${fix}`) : []),
  ])
  return `${[...facts, ...findings, '', summary(report)].join('\n')}\n`
}

/** @param {string} text */
const indented = (text) => text.split('\n').map((line) => `  ${line}`)

/** @param {DoctorReport} report @returns {Generator<[string, string]>} */
function* factsOf({ node, python, loop, deepbind, libraries, app }) {
  yield ['Node', `${node.version}, ${node.executable} (${node.target})`]
  if (python) {
    const debug = python.debug ? ', a debug build' : ''
    yield ['Python', `${python.version}, ${python.executable}${debug}, by ${python.source}`]
    for (const { source, path, reason } of python.tried) yield ['', `not ${path} (${source}): ${reason}`]
    yield ['libpython', python.libpython ?? 'none']
    yield ['venv', python.venv ?? 'none']
  }
  if (loop) yield ['loop', `${loop.name}: ${loop.reason}`]
  if (deepbind) yield ['deepbind', `${deepbind.on ? 'on' : 'off'}: ${deepbind.reason}`]
  for (const { name, node: inNode, python: own, inside, shadowed } of libraries) {
    if (own === null) continue
    const use = inside === null ? '' : shadowed ? ", and uses Node's inside it" : ', and keeps it inside Node'
    yield [name, `Node has ${inNode}, Python ${own}${use}`]
  }
  if (app) yield ['app', `${app.target} ${app.starts ? 'starts' : 'does not start'}`]
}

/** @param {DoctorReport} report */
function summary({ ok, findings }) {
  if (ok) return 'A handler would start.'
  const errors = findings.filter(({ severity }) => severity === 'error').length
  return `No handler would start: ${errors} error${errors === 1 ? '' : 's'}.`
}
