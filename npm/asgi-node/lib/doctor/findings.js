// The doctor's findings: codes, messages, and the commands that fix them.

/** @typedef {import('./types.js').Finding} Finding */
/** @typedef {import('./types.js').FindingCode} FindingCode */
/** @typedef {Pick<import('./types.js').DoctorReport, 'python' | 'loop' | 'deepbind' | 'libraries'>} Seen */

/**
 * @param {FindingCode} code
 * @param {Finding['severity']} severity
 * @param {string} message
 * @param {string | null} fix
 * @param {string | null} [traceback]
 * @returns {Finding}
 */
export function finding(code, severity, message, fix, traceback = null) {
  return { code, severity, message, fix, traceback }
}

/**
 * The error of a handler, as a finding.
 *
 * @param {{ code: string, message: string, traceback?: string, fix?: string }} error
 * @param {string | null} python the interpreter, once it is known
 * @returns {Finding}
 */
export function errorFinding({ code, message, traceback, fix }, python) {
  const known = fix ?? fixFor(code, message, python)
  // The message of an error ends with its fix, which is a separate field here.
  const short = fix && message.endsWith(fix) ? message.slice(0, -fix.length).trimEnd() : message
  return finding(code, 'error', short, known, traceback || null)
}

/**
 * @param {string} code
 * @param {string} message
 * @param {string | null} python
 */
function fixFor(code, message, python) {
  /** @param {string} name */
  const install = (name) => `${python ?? 'python3'} -m pip install ${name}`
  switch (code) {
    case 'WSGI_NOT_AVAILABLE':
      return install('a2wsgi')
    case 'LOOP_NOT_AVAILABLE':
      return install('--force-reinstall uvloop')
    case 'APP_NOT_FOUND':
    case 'APP_ATTRIBUTE_NOT_FOUND':
      return "Name the app as 'module:attribute' (option app, --app) and the folder that holds its module (docroot, --docroot)."
    case 'APP_IMPORT_FAILED':
      // Python's side knows the packages of well-known modules, and does not guess others: anybody may own such a name.
      return /`(\S+ -m pip install \S+)` installs it$/.exec(message)?.[1] ?? null
    case 'PROCESS_ENDED':
      return 'Run the app in plain Python with -X faulthandler; if it ends only inside Node, try the option deepbind.'
    default:
      return null
  }
}

/**
 * musl cannot keep two copies of a library apart. There is only one copy if Node was linked with the system's.
 *
 * @param {Seen['deepbind']} deepbind
 */
function fixOfShadow(deepbind) {
  return deepbind?.reason === 'only glibc has it'
    ? "Use a Node.js that shares the system's libraries: Alpine's own (apk add nodejs), not that of the image node:alpine."
    : "Leave the option deepbind at 'auto'."
}

/**
 * The findings about things that work, but not as well as they could.
 *
 * @param {Seen} seen
 * @param {string | null} uvloopBroken what uvloop raises in plain Python
 * @param {string} wanted option loop
 * @returns {Finding[]}
 */
export function adviceFor({ python, loop, deepbind, libraries }, uvloopBroken, wanted) {
  const pip = `${python?.executable ?? 'python3'} -m pip install`
  /** @type {Finding[]} */
  const findings = []
  const allocator = deepbind && !deepbind.on && deepbind.reason.endsWith('replaces malloc')
  if (allocator) {
    const message = `${deepbind.reason}, so Python runs without RTLD_DEEPBIND: on Node's copies of libraries, and on asyncio's loop`
    findings.push(finding('ALLOCATOR_PRELOADED', 'warning', message, 'Start Node without LD_PRELOAD, or without that library in it.'))
  }
  for (const { name, node, python: own, shadowed } of libraries) {
    if (!shadowed) continue
    const message = `Python's extensions use the ${name} inside Node (${node}), not their own (${own})`
    findings.push(finding('LIBRARY_SHADOWED', 'warning', message, allocator ? null : fixOfShadow(deepbind)))
  }
  if (wanted === 'auto' && uvloopBroken !== null) {
    const message = `uvloop is installed and does not work (${uvloopBroken}), so asyncio's loop runs`
    findings.push(finding('UVLOOP_BROKEN', 'warning', message, `${pip} --force-reinstall uvloop`))
  } else if (loop?.name === 'asyncio' && loop.reason === 'uvloop is not installed') {
    findings.push(finding('UVLOOP_MISSING', 'note', "uvloop is not installed: asyncio's loop runs, which is slower", `${pip} uvloop`))
  }
  return findings
}
