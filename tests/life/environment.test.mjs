// Surroundings that lack something: each starts as python would, or says what is wrong.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { apps, runNode, temporaryFolder } from '../node/support.mjs'

const ASK = `const handler = new PythonHandler({ app: 'main:app', docroot: apps })
  const response = await handler.handleRequest({ url: '/' })
  console.log(JSON.stringify(response.body.toString()))
  await handler.close()`

/** Runs what follows where no file can be written: in a mount namespace of its own, whose mounts are read-only. */
const READ_ONLY = [
  'unshare', '--map-root-user', '--mount', 'sh', '-c',
  'findmnt --raw --noheadings --output TARGET | while read -r it; do mount -o remount,bind,ro "$it" 2>/dev/null; done; exec "$0" "$@"',
]
/** Runs what follows by a user to whom a folder's mode applies: to root it does not. */
const UNPRIVILEGED = process.getuid() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : []

/** Says what becomes of a write to a folder, then asks the application. */
const writing = (folder) => `const { writeFileSync } = await import('node:fs')
  let refused = null
  try {
    writeFileSync(${JSON.stringify(join(folder, 'written'))}, '')
  } catch ({ code }) {
    refused = code
  }
  const handler = new PythonHandler({ app: 'main:app', docroot: ${JSON.stringify(folder)} })
  const response = await handler.handleRequest({ url: '/' })
  console.log(JSON.stringify([refused, response.body.toString()]))
  await handler.close()`

/** A docroot of its own for the smallest application, with a place for its bytecode. */
function docroot(t) {
  const folder = temporaryFolder(t)
  for (const name of ['main.py', 'fixture_kit.py']) copyFileSync(join(apps, name), join(folder, name))
  mkdirSync(join(folder, '__pycache__'))
  return folder
}

/** The error of a start in this folder, by somebody to whom its mode applies. */
async function startError(folder) {
  const outcome = await runNode(
    `const handler = new PythonHandler({ app: 'main:app', docroot: ${JSON.stringify(folder)} })
    const { code, message } = await handler.ready().catch((error) => error)
    console.log(JSON.stringify({ code, message }))`,
    { through: UNPRIVILEGED },
  )
  assert.deepEqual([outcome.code, outcome.stderr], [0, ''])
  return outcome.result
}

describe('surroundings', { timeout: 300_000 }, () => {
  test('no HOME, no LANG, next to no environment', async () => {
    const nothing = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]))
    const { PATH, ASGI_NODE_PYTHON } = process.env
    const outcome = await runNode(ASK, { env: { ...nothing, PATH, ASGI_NODE_PYTHON } })
    assert.deepEqual([outcome.code, outcome.result, outcome.stderr], [0, 'Hello, world!', ''])
  })

  test('a working directory that is deleted: docroot is given, and it starts', async (t) => {
    const cwd = temporaryFolder(t)
    const outcome = await runNode(
      `const { rmSync } = await import('node:fs')
      process.chdir(${JSON.stringify(cwd)})
      rmSync(${JSON.stringify(cwd)}, { recursive: true })
      ${ASK}`,
    )
    assert.deepEqual([outcome.code, outcome.result, outcome.stderr], [0, 'Hello, world!', ''])
  })

  test('a working directory that is deleted, and no docroot: the error says so', async (t) => {
    const cwd = temporaryFolder(t)
    const outcome = await runNode(
      `const { rmSync } = await import('node:fs')
      process.chdir(${JSON.stringify(cwd)})
      rmSync(${JSON.stringify(cwd)}, { recursive: true })
      const tries = [{}, { docroot: 'apps' }].map((options) => {
        try {
          return new PythonHandler({ app: 'main:app', ...options })
        } catch (error) {
          return String(error)
        }
      })
      console.log(JSON.stringify(tries))`,
    )
    const message = 'TypeError: Option docroot must be an absolute path here: the current folder has been deleted'
    assert.deepEqual([outcome.code, outcome.result, outcome.stderr], [0, [message, message], ''])
  })

  const refusal = spawnSync(READ_ONLY[0], [...READ_ONLY.slice(1), 'true'], { encoding: 'utf8' })
  test('a read-only file system', { skip: refusal.status !== 0 && `no mount namespace can be made here: ${refusal.stderr}` }, async (t) => {
    const folder = docroot(t)
    const outcome = await runNode(writing(folder), { through: READ_ONLY, env: { PYTHONDONTWRITEBYTECODE: undefined } })
    assert.deepEqual([outcome.code, outcome.result, outcome.stderr], [0, ['EROFS', 'Hello, world!'], ''])
    assert.deepEqual(readdirSync(join(folder, '__pycache__')), [])
  })

  test('no write access to __pycache__, nor to anything else of the docroot', async (t) => {
    const folder = docroot(t)
    for (const readOnly of [join(folder, '__pycache__'), folder]) chmodSync(readOnly, 0o555)
    const outcome = await runNode(writing(folder), { through: UNPRIVILEGED, env: { PYTHONDONTWRITEBYTECODE: undefined } })
    chmodSync(folder, 0o755)
    assert.deepEqual([outcome.code, outcome.result, outcome.stderr], [0, ['EACCES', 'Hello, world!'], ''])
    assert.deepEqual(readdirSync(join(folder, '__pycache__')), [])
  })

  test('with write access the same application leaves its bytecode', async (t) => {
    const folder = docroot(t)
    const outcome = await runNode(writing(folder), { through: UNPRIVILEGED, env: { PYTHONDONTWRITEBYTECODE: undefined } })
    assert.deepEqual([outcome.code, outcome.result, outcome.stderr], [0, [null, 'Hello, world!'], ''])
    assert.ok(readdirSync(join(folder, '__pycache__')).some((name) => name.startsWith('main.cpython-')))
  })

  for (const [what, mode] of Object.entries({ 'that may not be entered': 0o644, 'that may not be listed': 0o311, 'to which nothing may be done': 0 })) {
    test(`a docroot ${what} is told from one without the module`, async (t) => {
      const folder = docroot(t)
      chmodSync(folder, mode)
      const error = await startError(folder)
      chmodSync(folder, 0o755)
      assert.deepEqual(error, {
        code: 'APP_NOT_FOUND',
        message: `the docroot ${folder} cannot be read (Permission denied), so 'main:app' was not looked for`,
      })
    })
  }

  test('an application whose file may not be read', async (t) => {
    const folder = docroot(t)
    chmodSync(join(folder, 'main.py'), 0)
    const { code, message } = await startError(folder)
    assert.equal(code, 'APP_IMPORT_FAILED')
    assert.match(message, /Permission denied: '.*main\.py'/)
  })

  test('PYTHONPATH and PYTHONOPTIMIZE act as for python', async (t) => {
    const folder = temporaryFolder(t, {
      'from_python_path.py': `
import sys
async def app(scope, receive, send):
    text = str(sys.flags.optimize)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})
`,
    })
    const outcome = await runNode(ASK.replace('main:app', 'from_python_path:app'), {
      env: { PYTHONPATH: folder, PYTHONOPTIMIZE: '2' },
    })
    assert.deepEqual([outcome.code, outcome.result], [0, '2'], outcome.stderr)
  })
})
