// What a user reads when Python or the app cannot be started. Each message says what was wrong, where, and what to do.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { PythonError } from 'asgi-node'
import { apps, call, makeHandler, pythonExecutable, runNode, runNodeCleanly, temporaryFolder, text } from '../node/support.mjs'

const limits = { timeout: 30_000 }

/** The error of a handler that cannot start; ready() and the requests all have to give the same one. */
async function startError(t, app, options) {
  const handler = makeHandler(t, app, options)
  const error = await handler.ready().then(
    () => assert.fail(`${app} started`),
    (reason) => reason,
  )
  assert.ok(error instanceof PythonError && error instanceof Error, String(error))
  assert.equal(error.name, 'PythonError')
  const again = await call(handler).catch((reason) => reason)
  assert.deepEqual([again.code, again.message], [error.code, error.message])
  return error
}

describe('the app', limits, () => {
  test('APP_NOT_FOUND names the module and where Python looked', async (t) => {
    const error = await startError(t, 'no_such_module:app')
    assert.equal(error.code, 'APP_NOT_FOUND')
    assert.match(error.message, /no_such_module/)
    assert.ok(error.message.includes(apps), error.message)
    const inner = await startError(t, 'shop.no_such_part:app')
    assert.equal(inner.code, 'APP_NOT_FOUND')
    assert.match(inner.message, /shop\.no_such_part/)
  })

  test('APP_ATTRIBUTE_NOT_FOUND names the attributes that there are', async (t) => {
    const error = await startError(t, 'not_callable:application')
    assert.equal(error.code, 'APP_ATTRIBUTE_NOT_FOUND')
    for (const name of ['not_callable', 'application', 'aplication', 'app']) {
      assert.match(error.message, new RegExp(`\\b${name}\\b`))
    }
    const inner = await startError(t, 'shop.site:sites.minor')
    assert.equal(inner.code, 'APP_ATTRIBUTE_NOT_FOUND')
    assert.match(inner.message, /minor/)
    assert.match(inner.message, /main/)
  })

  test('APP_IMPORT_FAILED carries the traceback of the import', async (t) => {
    const error = await startError(t, 'import_failing:app')
    assert.equal(error.code, 'APP_IMPORT_FAILED')
    assert.match(error.message, /RuntimeError/)
    assert.match(error.message, /no database at import time/)
    assert.match(error.traceback, /^Traceback \(most recent call last\):/)
    assert.match(error.traceback, /import_failing\.py", line \d+, in connect/)
  })

  test('a missing dependency is the app\'s failure to import, not a missing app', async (t) => {
    const error = await startError(t, 'import_missing:app')
    assert.equal(error.code, 'APP_IMPORT_FAILED')
    assert.match(error.message, /a_module_that_nobody_installed/)
    assert.match(error.traceback, /import_missing\.py/)
  })

  test('a syntax error shows its line; an app that exits while it is imported ends nothing', async (t) => {
    // Written here: a file that no Python can read would trip every linter over fixtures/apps.
    const docroot = temporaryFolder(t, { 'broken_syntax.py': 'app = 1\ndef (:\n' })
    const broken = await startError(t, 'broken_syntax:app', { docroot })
    assert.equal(broken.code, 'APP_IMPORT_FAILED')
    assert.match(broken.traceback, /SyntaxError/)
    assert.match(broken.traceback, /broken_syntax\.py", line 2/)
    const leaving = await startError(t, 'import_exiting:app')
    assert.equal(leaving.code, 'APP_IMPORT_FAILED')
    assert.match(`${leaving.message}\n${leaving.traceback}`, /SystemExit/)
  })

  test('APP_NOT_CALLABLE says what it is instead; so do factories', async (t) => {
    const error = await startError(t, 'not_callable:app')
    assert.equal(error.code, 'APP_NOT_CALLABLE')
    assert.match(error.message, /not_callable:app/)
    assert.match(error.message, /\bint\b/)
    const nothing = await startError(t, 'factory_app:create_nothing', { factory: true })
    assert.equal(nothing.code, 'APP_NOT_CALLABLE')
    assert.match(nothing.message, /create_nothing/)
    const failing = await startError(t, 'factory_app:create_failing', { factory: true })
    assert.equal(failing.code, 'APP_IMPORT_FAILED')
    assert.match(failing.message, /the factory has no parts/)
    assert.match(failing.traceback, /in create_failing/)
  })

  test('after a failed start the next handler works', async (t) => {
    await startError(t, 'no_such_module:app')
    assert.equal(text(await call(makeHandler(t))), 'Hello, world!')
  })

  // Apps outside of fixtures/apps have to be complete in themselves.
  const greeter = (greeting) => `async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"${greeting}"})
`

  test('MODULE_CONFLICT: two docroots with modules of one name; with workers they are apart', async (t) => {
    const docroots = ['first', 'second'].map((name) => temporaryFolder(t, { 'shared_name.py': greeter(name) }))
    const make = (docroot, options) => makeHandler(t, 'shared_name:app', { docroot, ...options })
    const first = make(docroots[0], { workers: 0 })
    assert.equal(text(await call(first)), 'first')
    const second = make(docroots[1], { workers: 0 })
    await assert.rejects(second.ready(), (error) => {
      assert.equal(error.code, 'MODULE_CONFLICT')
      const files = docroots.map((docroot) => join(docroot, 'shared_name.py'))
      assert.ok(error.message.includes(files.join(' and ')), error.message)
      assert.match(error.message, /the option `workers: 1`\)$/)
      return true
    })
    assert.equal(text(await call(make(docroots[1], { workers: 1 }))), 'second')
    assert.equal(text(await call(first)), 'first')
  })

  test('MODULE_CONFLICT: the name of a module that Python itself has loaded', async (t) => {
    const docroot = temporaryFolder(t, { 'json.py': greeter('mine') })
    await makeHandler(t).ready()
    const error = await startError(t, 'json:app', { docroot })
    assert.equal(error.code, 'MODULE_CONFLICT')
    assert.match(error.message, /\bjson\b/)
    assert.ok(error.message.includes(docroot), error.message)
  })
})

test('PYTHON_START_FAILED: an event loop that cannot be made keeps nobody waiting', limits, async (t) => {
  const folder = temporaryFolder(t, { 'sitecustomize.py': 'import asyncio\nasyncio.SelectorEventLoop = None\n' })
  const { code, result, stderr } = await runNode(
    `const codes = []
    for (let i = 0; i < 2; i += 1) {
      const handler = new PythonHandler({ app: 'main:app', docroot: apps, loop: 'asyncio' })
      const error = await handler.ready().catch((reason) => reason)
      codes.push(error.code, await handler.handleRequest({ url: '/' }).catch((reason) => reason.code))
      if (!/event loop could not be started/.test(error.message)) codes.push(error.message)
      await handler.close()
    }
    console.log(JSON.stringify(codes))`,
    { env: { PYTHONPATH: folder } },
  )
  assert.deepEqual([code, result], [0, Array.from({ length: 4 }, () => 'PYTHON_START_FAILED')], stderr)
  assert.match(stderr, /TypeError/, 'why is in the log')
})

describe('the interpreter', limits, () => {
  /** What a fresh process says about an interpreter: code, message, and how the synchronous call puts it. */
  function failure(options, env = {}) {
    return runNodeCleanly(
      `
      const options = { app: 'main:app', docroot: apps, ...${JSON.stringify(options)} }
      const error = await new PythonHandler(options).ready().catch((reason) => reason)
      let sync
      try {
        new PythonHandler(options).handleRequestSync(new Request({ url: '/' }))
      } catch (reason) {
        sync = reason
      }
      const kind = error instanceof PythonError && sync instanceof PythonError
      console.log(JSON.stringify({ kind, code: error.code, message: error.message, same: sync?.message === error.message }))`,
      { env },
    )
  }

  /** An executable that runs the tests' Python after changing how it describes itself. */
  function disguised(t, changes) {
    const folder = temporaryFolder(t, {
      'disguise.py': `import runpy, sys, sysconfig, builtins, os
script = [a for a in sys.argv[1:] if a.endswith(".py")][-1]
get = sysconfig.get_config_var
${changes}
sys.argv = [script]
runpy.run_path(script, run_name="__main__")
`,
    })
    const python = join(folder, 'python')
    writeFileSync(python, `#!/bin/sh\nexec '${pythonExecutable()}' -I '${folder}/disguise.py' "$@"\n`, { mode: 0o755 })
    return python
  }

  const fakeVersion = `
class Version(tuple):
    major, minor, micro, releaselevel, serial = 3, 10, 4, "final", 0
sys.version_info = Version((3, 10, 4, "final", 0))
sys.hexversion = 0x030A04F0`

  test('PYTHON_NOT_FOUND names what was asked for', async (t) => {
    for (const options of [{ python: '/nonexistent/python3.99' }, { venv: '/nonexistent/venv' }]) {
      const error = await failure(options)
      assert.deepEqual([error.kind, error.code, error.same], [true, 'PYTHON_NOT_FOUND', true], error.message)
      assert.match(error.message, /\/nonexistent\//)
    }
    const folder = temporaryFolder(t)
    mkdirSync(join(folder, 'apps'))
    const nowhere = await failure(
      { docroot: join(folder, 'apps') },
      { PATH: folder, ASGI_NODE_PYTHON: undefined, VIRTUAL_ENV: undefined, CONDA_PREFIX: undefined },
    )
    assert.equal(nowhere.code, 'PYTHON_NOT_FOUND')
    assert.match(nowhere.message, /PATH/)
    assert.match(nowhere.message, /ASGI_NODE_PYTHON|python` option|VIRTUAL_ENV/)
  })

  test('PYTHON_UNSUPPORTED: older than 3.11, free-threaded, PyPy', async (t) => {
    const disguises = {
      'older than 3.11': [fakeVersion, /3\.10\.4/, /3\.11/],
      'free-threaded': ['sysconfig.get_config_var = lambda n: 1 if n == "Py_GIL_DISABLED" else get(n)', /free-threaded/i],
      PyPy: ['sys.implementation.name = "pypy"', /pypy/i],
    }
    for (const [what, [changes, ...patterns]] of Object.entries(disguises)) {
      const python = disguised(t, changes)
      const error = await failure({ python })
      assert.deepEqual([error.kind, error.code, error.same], [true, 'PYTHON_UNSUPPORTED', true], `${what}: ${error.message}`)
      for (const pattern of patterns) assert.match(error.message, pattern, what)
    }
  })

  test('LIBPYTHON_NOT_FOUND names the library, where it was looked for, and what to install', async (t) => {
    const python = disguised(
      t,
      `
real_open, real_isfile = builtins.open, os.path.isfile
def blind_open(path, *args, **keywords):
    if path == "/proc/self/maps":
        raise OSError("hidden")
    return real_open(path, *args, **keywords)
builtins.open = blind_open
os.path.isfile = lambda path: "libpython" not in str(path) and real_isfile(path)`,
    )
    const error = await failure({ python })
    assert.deepEqual([error.kind, error.code, error.same], [true, 'LIBPYTHON_NOT_FOUND', true], error.message)
    assert.match(error.message, /libpython3\.\d+/)
    assert.match(error.message, /\/lib/)
    assert.match(error.message, /apt-get install libpython3|--enable-shared/)
  })

  test('something that is no Python at all', async (t) => {
    const folder = temporaryFolder(t, { python: '#!/bin/sh\necho hello\n' })
    const error = await failure({ python: join(folder, 'python') })
    assert.deepEqual([error.kind, error.same], [true, true])
    assert.match(error.code, /^PYTHON_(NOT_FOUND|UNSUPPORTED)$/)
    assert.ok(error.message.includes(folder), error.message)
  })
})
