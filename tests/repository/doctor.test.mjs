// The doctor: each of its findings about Python, provoked.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { doctor, textOf } from 'asgi-node/doctor'
import { adviceFor } from '../../npm/asgi-node/lib/doctor/findings.js'
import { broken, folder, makeVenv, path, pretender, someVenv } from '../interpreter/interpreters.mjs'
import { apps, pythonExecutable, repository, run, temporaryFolder } from '../node/support.mjs'

const limits = { timeout: 100_000 }
const bin = join(repository, 'npm', 'asgi-node', 'bin', 'asgi-node.js')

/** The report of `npx asgi-node doctor --json`, in an environment of its own; its exit status has to fit. */
async function ask(args, env = {}) {
  const { code, stdout, stderr } = await run(process.execPath, [bin, 'doctor', '--json', ...args], { env, timeout: 90_000 })
  assert.equal(stderr, '')
  const report = JSON.parse(stdout)
  assert.equal(code, report.ok ? 0 : 1)
  return report
}

const codes = ({ findings }) => findings.map(({ code }) => code)
const found = (report, wanted) => report.findings.find(({ code }) => code === wanted)

/** The one error of a report that has no Python. */
async function refusal(options, code) {
  const report = await doctor({ docroot: folder('empty'), ...options })
  assert.deepEqual([report.ok, report.python, codes(report)], [false, null, [code]])
  const [{ severity, message, fix }] = report.findings
  assert.equal(severity, 'error')
  assert.ok(fix, 'something to do')
  assert.ok(!message.includes(fix), 'said twice')
  const text = textOf(report)
  assert.match(text, new RegExp(`^error ${code}$`, 'm'))
  assert.match(text, /^No handler would start: 1 error\.$/m)
  return { message, fix }
}

describe('no Python that Node can host', limits, () => {
  test('LIBPYTHON_NOT_FOUND has the command', async () => {
    const python = pretender('static/python', { libpython: null, base_prefix: '/root/.pyenv/versions/3.12.9', version: '3.12.9' })
    const { message, fix } = await refusal({ python }, 'LIBPYTHON_NOT_FOUND')
    assert.match(message, /has no shared library/)
    assert.match(fix, /PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force 3\.12\.9/)
  })

  test('PYTHON_UNSUPPORTED: too old, free-threaded, PyPy', async () => {
    const kinds = {
      old: [{ version: '3.10.4' }, /it is Python 3\.10\.4/],
      threaded: [{ free_threaded: true }, /free-threaded/],
      pypy: [{ implementation: 'pypy' }, /it is PyPy/],
    }
    for (const [name, [changes, expected]] of Object.entries(kinds)) {
      const { message, fix } = await refusal({ python: pretender(`${name}/python`, changes) }, 'PYTHON_UNSUPPORTED')
      assert.match(message, expected)
      assert.equal(name === 'threaded', /workers: N/.test(fix))
    }
  })

  test('PYTHON_NOT_FOUND: nowhere; a Python that does not start; a virtual environment whose Python has gone', async () => {
    await refusal({ python: path('nowhere/python') }, 'PYTHON_NOT_FOUND')
    const { message } = await refusal({ python: broken('broken/python') }, 'PYTHON_NOT_FOUND')
    assert.match(message, /Fatal Python error/)
    const app = folder('orphan')
    const venv = makeVenv('orphan/.venv')
    for (const name of ['python', 'python3']) rmSync(join(venv, 'bin', name), { force: true })
    symlinkSync('/gone/python3', join(venv, 'bin', 'python'))
    const report = await ask(['--docroot', app], { ASGI_NODE_PYTHON: undefined, VIRTUAL_ENV: undefined, CONDA_PREFIX: undefined })
    assert.deepEqual(codes(report), ['PYTHON_NOT_FOUND'])
    assert.match(report.findings[0].message, /leads to \/gone\/python3, which does not exist any more/)
    assert.match(report.findings[0].fix, /python3 -m venv --clear/)
  })
})

describe('a Python that starts', limits, () => {
  test('the facts are those of a handler, and an app that starts is ok', async () => {
    const report = await ask(['--app', 'main:app', '--docroot', apps])
    assert.deepEqual(report.app, { target: 'main:app', starts: true })
    assert.equal(report.python.executable, pythonExecutable())
    assert.deepEqual([report.python.source, report.python.freeThreaded, report.ok], ['ASGI_NODE_PYTHON', false, true])
    assert.deepEqual([report.loop.name, report.deepbind], ['uvloop', { on: true, reason: 'glibc' }])
    const [openssl, zlib, brotli, libuv] = report.libraries
    assert.equal(libuv.node, process.versions.uv)
    for (const { name, python, inside, shadowed } of [openssl, zlib, libuv]) {
      assert.deepEqual([inside, shadowed], [python, false], name)
      assert.match(python, /^\d+\.\d+/, name)
    }
    assert.deepEqual(brotli, { name: 'brotli', node: process.versions.brotli, python: null, inside: null, shadowed: false })
    assert.match(textOf(report), /^A handler would start\.$/m)
  })

  test('UVLOOP_MISSING, and the note that another Python asks', async () => {
    const report = await doctor({ venv: someVenv, docroot: apps, askedBy: pythonExecutable() })
    assert.deepEqual([report.ok, codes(report)], [true, ['UVLOOP_MISSING', 'PYTHON_DIFFERS']])
    assert.equal(found(report, 'UVLOOP_MISSING').fix, `${someVenv}/bin/python -m pip install uvloop`)
    assert.deepEqual([report.python.venv, report.python.source, report.loop.name], [someVenv, 'venv option', 'asyncio'])
  })

  test('UVLOOP_BROKEN: it cannot be imported, or has no loop in it', async (t) => {
    for (const source of ['raise ImportError("undefined symbol: uv_something")', 'version = "0"']) {
      const modules = temporaryFolder(t)
      mkdirSync(join(modules, 'uvloop'))
      writeFileSync(join(modules, 'uvloop', '__init__.py'), source)
      const report = await ask([], { PYTHONPATH: modules })
      assert.deepEqual([report.ok, codes(report), report.loop.name], [true, ['UVLOOP_BROKEN'], 'asyncio'])
      assert.match(found(report, 'UVLOOP_BROKEN').message, /\((Import|Attribute)Error: /)
      assert.match(found(report, 'UVLOOP_BROKEN').fix, /-m pip install --force-reinstall uvloop$/)
      if (!source.startsWith('raise')) continue
      const wanted = await ask(['--loop', 'uvloop'], { PYTHONPATH: modules })
      assert.deepEqual([wanted.ok, codes(wanted)], [false, ['LOOP_NOT_AVAILABLE']])
    }
  })

  test("LIBRARY_SHADOWED: without RTLD_DEEPBIND Python's extensions run on Node's copies", async () => {
    const report = await ask(['--deepbind', 'off'])
    assert.equal(report.ok, true)
    assert.ok(codes(report).every((code) => code === 'LIBRARY_SHADOWED'), codes(report).join(' '))
    const openssl = report.libraries[0]
    assert.deepEqual([openssl.inside, openssl.shadowed], [process.versions.openssl, true])
    assert.match(report.findings[0].message, /use the OpenSSL inside Node/)
  })

  test('LIBRARY_SHADOWED: musl has no RTLD_DEEPBIND, so Node is what has to change there', () => {
    const libraries = [{ name: 'OpenSSL', node: '3.0.19', python: '3.5.7', inside: '3.0.19', shadowed: true }]
    const seen = { python: null, loop: null, deepbind: { on: false, reason: 'only glibc has it' }, libraries }
    assert.deepEqual(adviceFor(seen, null, 'auto').map(({ code, fix }) => [code, fix.includes('apk add nodejs')]), [['LIBRARY_SHADOWED', true]])
  })

  test('ALLOCATOR_PRELOADED: what replaces malloc turns it off', async (t) => {
    const source = 'extern void *__libc_malloc(unsigned long);\nvoid *malloc(unsigned long size) { return __libc_malloc(size); }\n'
    const build = temporaryFolder(t, { 'allocator.c': source })
    const library = join(build, 'liballocator.so')
    execFileSync('cc', ['-shared', '-fPIC', '-o', library, join(build, 'allocator.c')])
    const report = await ask([], { LD_PRELOAD: library })
    assert.deepEqual([report.ok, report.findings[0].code, report.deepbind.on], [true, 'ALLOCATOR_PRELOADED', false])
    assert.match(report.findings[0].message, /liballocator\.so replaces malloc/)
    assert.match(report.findings[0].fix, /without LD_PRELOAD/)
  })
})
