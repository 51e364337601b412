// `make bundlers`: Next.js builds an application that has asgi-node in a route, as standalone output, and the result is
// started elsewhere: with the settings of docs/bundlers.md it answers, without them it says which are missing.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { target } from '../../npm/asgi-node/lib/native/platform.js'
import { freePort } from '../repository/documents.mjs'
import { repository, run, until } from '../node/support.mjs'

const here = import.meta.dirname
const folder = mkdtempSync(join(tmpdir(), 'asgi-node-next-'))
const env = { NEXT_TELEMETRY_DISABLED: '1' }
const [, settings] = /`next\.config\.mjs`:\n\n```js\n([^]*?)```/.exec(readFileSync(join(repository, 'docs', 'bundlers.md'), 'utf8'))

/** The project beside an installed asgi-node. @param {string} name @param {string} config */
function project(name, config) {
  const root = join(folder, name)
  cpSync(here, root, { recursive: true, filter: (path) => !path.includes('.next') })
  const platform = join(root, 'node_modules', '@asgi-node', target())
  mkdirSync(platform, { recursive: true })
  cpSync(join(repository, 'npm', 'asgi-node'), join(root, 'node_modules', 'asgi-node'), { recursive: true })
  cpSync(join(repository, 'npm', target()), platform, { recursive: true })
  cpSync(join(repository, 'python'), join(platform, 'python'), { recursive: true })
  cpSync(join(repository, 'node_modules', 'ws'), join(root, 'node_modules', 'ws'), { recursive: true })
  writeFileSync(join(root, 'next.config.mjs'), config)
  return root
}

/** Builds it, starts what was built in another folder, and asks it. @param {string} name @param {string} config */
async function answerOf(name, config) {
  const root = project(name, config)
  const built = await run('node', [join(root, 'node_modules/next/dist/bin/next'), 'build'], { cwd: root, env, timeout: 300_000 })
  assert.equal(built.code, 0, built.stdout + built.stderr)
  const elsewhere = join(folder, `${name}-elsewhere`)
  // As they are: Next links what it leaves external, relative to the output.
  cpSync(join(root, '.next', 'standalone'), elsewhere, { recursive: true, verbatimSymlinks: true })
  rmSync(root, { recursive: true })
  const port = await freePort()
  const child = spawn('node', ['server.js'], {
    cwd: elsewhere,
    env: { ...process.env, ...env, PORT: String(port), HOSTNAME: '127.0.0.1', DOCROOT: join(repository, 'fixtures', 'apps') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  try {
    const answers = () => fetch(`http://127.0.0.1:${port}/`).then((response) => response.ok, () => false)
    await until(answers, 'the page', 30_000)
    const response = await fetch(`http://127.0.0.1:${port}/api/echo?q=1`, { method: 'POST', body: 'tea' })
    const body = await response.text()
    return { status: response.status, body, output }
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

try {
  const good = await answerOf('settings', settings)
  assert.equal(good.status, 200, good.output)
  assert.equal(JSON.parse(good.body).path, '/api/echo')
  const bad = await answerOf('none', "export default { output: 'standalone' }\n")
  assert.equal(bad.status, 500)
  assert.match(bad.output, /keep it external .*Next\.js: serverExternalPackages: \['asgi-node'\]/)
  console.log('2 passed, 0 failed')
} finally {
  rmSync(folder, { recursive: true, force: true })
}
