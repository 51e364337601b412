// The doctor on apps that do not start, and its two commands.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { PathRewriter } from 'asgi-node'
import { doctor, textOf } from 'asgi-node/doctor'
import { base, facts, path, saying, script } from '../interpreter/interpreters.mjs'
import { apps, pythonExecutable, repository, run, temporaryFolder } from '../node/support.mjs'

const limits = { timeout: 100_000 }
const bin = join(repository, 'npm', 'asgi-node', 'bin', 'asgi-node.js')
const codes = ({ findings }) => findings.map(({ code }) => code)

describe('an app that does not start', limits, () => {
  const failing = {
    APP_NOT_FOUND: ['no_such_module:app', /--docroot/],
    APP_ATTRIBUTE_NOT_FOUND: ['main:no_such_app', /module:attribute/],
    APP_IMPORT_FAILED: ['import_missing:app', null],
    APP_NOT_CALLABLE: ['not_callable:app', null],
  }
  for (const [code, [app, fix]] of Object.entries(failing)) {
    test(code, async () => {
      const report = await doctor({ app, docroot: apps })
      assert.deepEqual([report.ok, report.app, codes(report)], [false, { target: app, starts: false }, [code]])
      if (fix) assert.match(report.findings[0].fix, fix)
      else assert.equal(report.findings[0].fix, null)
      assert.equal(report.findings[0].traceback !== null, code === 'APP_IMPORT_FAILED')
    })
  }

  test('field_25 a package is named only where it is known, and what is hidden or misspelt is said', async (t) => {
    const docroot = temporaryFolder(t, {
      'images.py': 'import PIL\napp = None\n',
      'unknown.py': 'import a_module_that_nobody_installed\n',
      'misspelt.py': 'import fastpai\n',
    })
    const findings = {}
    for (const name of ['images', 'unknown', 'misspelt']) [findings[name]] = (await doctor({ app: `${name}:app`, docroot })).findings
    assert.match(findings.images.fix, /python\S* -m pip install pillow$/)
    assert.equal(findings.unknown.fix, null)
    assert.match(findings.unknown.message, /No module named 'a_module_that_nobody_installed'\. The interpreter is \S*python\S*$/)
    assert.deepEqual([findings.misspelt.fix, findings.misspelt.message.endsWith("Did you mean 'fastapi'?")], [null, true])
  })

  test('LIFESPAN_STARTUP_FAILED, PROCESS_ENDED, START_TIMEOUT', async (t) => {
    const docroot = temporaryFolder(t, {
      'lifeless.py': 'async def app(scope, receive, send):\n    raise RuntimeError("no database")\n',
      'ending.py': 'import os\nprint("last words", flush=True)\nos._exit(7)\n',
      'sleeping.py': 'import time\ntime.sleep(60)\n',
    })
    const lifeless = await doctor({ app: 'lifeless:app', docroot, lifespan: 'on' })
    assert.deepEqual(codes(lifeless), ['LIFESPAN_STARTUP_FAILED'])
    assert.match(lifeless.findings[0].traceback, /no database/)
    const ending = await doctor({ app: 'ending:app', docroot })
    assert.deepEqual([codes(ending), ending.ok, ending.app.starts], [['PROCESS_ENDED'], false, false])
    assert.match(ending.findings[0].message, /exit code 7.*\nlast words/)
    for (const named of [{ appTarget: 'ending:app' }, { module: 'ending' }]) {
      const report = await doctor({ ...named, docroot })
      assert.deepEqual([codes(report), report.ok, report.app], [['PROCESS_ENDED'], false, { target: 'ending:app', starts: false }])
    }
    assert.deepEqual(codes(await doctor({ app: 'sleeping:app', docroot, trialTimeout: 3000 })), ['START_TIMEOUT'])
  })
})

describe('options of a handler', limits, () => {
  test('what says how requests are served and logged needs no sending to the trial', async () => {
    const options = {
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      stdio() {},
      accessLog() {},
      signal: new AbortController().signal,
      upgrade: { match: () => true },
      rewriter: new PathRewriter('^/a', '/b'),
      maxBodySize: Infinity,
    }
    const report = await doctor({ app: 'main:app', docroot: apps, ...options })
    assert.deepEqual([report.findings, report.app.starts], [[], true])
  })

  test('workers run a Python without a shared library, and what they lack is found', async (t) => {
    const docroot = temporaryFolder(t, { 'ending.py': 'import os\nos._exit(7)\n', 'good.py': 'async def app(scope, receive, send):\n    raise RuntimeError\n' })
    const executable = path('static/python')
    const says = saying({ ...facts, executable, libpython: null })
    script('static/python', `case "$*" in *probe.py*) ${says};; *) exec ${base.executable} "$@";; esac`)
    const report = await doctor({ python: executable, workers: 1, app: 'good:app', docroot })
    assert.deepEqual([report.findings.filter(({ severity }) => severity === 'error'), report.app.starts], [[], true])
    assert.deepEqual([report.python.libpython, report.deepbind], [null, null])
    assert.ok(['asyncio', 'uvloop'].includes(report.loop.name))
    assert.ok(report.libraries.every(({ inside, shadowed }) => inside === null && !shadowed))
    assert.match(textOf(report), /^libpython +none$/m)
    assert.deepEqual(codes(await doctor({ python: executable, docroot })), ['LIBPYTHON_NOT_FOUND'])

    const command = [bin, 'doctor', '--json', '--workers', '1', '--python', pythonExecutable(), '--docroot', docroot]
    const ok = await run(process.execPath, command, { timeout: 90_000 })
    assert.deepEqual([ok.code, ok.stderr, JSON.parse(ok.stdout).deepbind], [0, '', null])
    const ending = JSON.parse((await run(process.execPath, [...command, 'ending:app'], { timeout: 90_000 })).stdout)
    assert.deepEqual([ending.ok, ending.app.starts, ending.findings[0].severity], [false, false, 'error'])
  })
})

describe('the commands', limits, () => {
  test('python -m asgi_node doctor says what npx asgi-node doctor says', async () => {
    const args = ['main:app', '--app-dir', apps]
    const env = { PYTHONPATH: join(repository, 'python') }
    const command = ['-m', 'asgi_node', 'doctor', '--json', ...args]
    const { code, stdout, stderr } = await run(pythonExecutable(), command, { env, timeout: 90_000 })
    assert.deepEqual([code, stderr], [0, ''])
    assert.deepEqual(JSON.parse(stdout), JSON.parse((await run(process.execPath, [bin, ...command.slice(2)], { env, timeout: 90_000 })).stdout))
  })

  test('a wrong option is named, with exit status 2; --help tells the rest', async () => {
    for (const [args, line] of [
      [['--app', 'main'], /^--app .*\n$/],
      [['main'], /^--app .*\n$/],
      [['main:app', 'other:app'], 'One application can be examined, not two: "main:app" and "other:app"\n'],
      [['--colour'], 'Unknown option --colour: asgi-node doctor --help lists all\n'],
      [['--ap', 'main:app'], 'Unknown option --ap. Did you mean --app?\n'],
      [['-x'], 'Unknown option -x: asgi-node doctor --help lists all\n'],
      [['--app'], '--app needs a value\n'],
      [['--app', '--json'], '--app needs a value\n'],
      [['--json=1'], '--json takes no value, but got "1"\n'],
      [['--loop', 'trio'], /^--loop .*\n$/],
      [['--deepbind', 'x'], /^--deepbind .*\n$/],
      [['--workers', 'two'], /^--workers .*"two"\n$/],
    ]) {
      const { code, stdout, stderr } = await run(process.execPath, [bin, 'doctor', ...args])
      assert.deepEqual([code, stdout], [2, ''])
      const [, said] = /^asgi-node: ([^]*)$/.exec(stderr)
      if (typeof line === 'string') assert.equal(said, line)
      else assert.match(said, line)
    }
    const help = await run(process.execPath, [bin, 'doctor', '--help'])
    assert.deepEqual([help.code, help.stderr], [0, ''])
    for (const name of ['--app', '--docroot', '--json']) assert.ok(help.stdout.includes(name))
    await assert.rejects(doctor({ dockroot: '.' }), { name: 'TypeError', message: /"dockroot"/ })
  })
})
