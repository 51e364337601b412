// The native files: where they are found, and the two stages of loading them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { chooseSync } from '../../npm/asgi-node/lib/python/discovery.js'
import { PythonError } from '../../npm/asgi-node/lib/native/errors.js'
import { load, nativeFiles } from '../../npm/asgi-node/lib/native/load.js'
import { target } from '../../npm/asgi-node/lib/native/platform.js'
import { base, facts, folder, probe, pythons } from '../interpreter/interpreters.mjs'

test('the native files lie in the platform package, beside the Python package', () => {
  const files = nativeFiles()
  assert.ok(existsSync(join(files.python, 'asgi_node/probe/probe.py')))
  assert.equal(dirname(files.addon), dirname(files.loader))
  assert.equal(
    realpathSync(dirname(files.addon)),
    realpathSync(fileURLToPath(new URL(`../../npm/${target()}`, import.meta.url))),
  )
})

test('those of an installed package lie with the Python package; what is missing is named', async () => {
  const modules = folder('installed/node_modules')
  const lib = join(modules, 'asgi-node/lib')
  cpSync(fileURLToPath(new URL('../../npm/asgi-node/lib', import.meta.url)), lib, { recursive: true })
  writeFileSync(join(modules, 'asgi-node/package.json'), '{ "type": "module" }')
  const installed = await import(pathToFileURL(join(lib, 'native/load.js')).href)
  assert.throws(() => installed.load(facts), {
    code: 'NATIVE_NOT_FOUND',
    message: /package @asgi-node\/\S+ is not installed/,
  })
  const platform = join(modules, '@asgi-node', target())
  mkdirSync(platform, { recursive: true })
  writeFileSync(join(platform, 'package.json'), '{}')
  assert.throws(() => installed.load(facts), {
    code: 'NATIVE_NOT_FOUND',
    message: /Python package asgi_node is in none of/,
  })
  cpSync(dirname(dirname(probe)), join(platform, 'python/asgi_node'), { recursive: true })
  assert.equal(installed.nativeFiles().python, join(platform, 'python'))
  for (const name of ['loader.node', 'addon.node']) {
    const message = new RegExp(`${join(platform, name)} is missing.*npm install.*make build`)
    assert.throws(() => installed.load(facts), { name: 'PythonError', code: 'NATIVE_NOT_FOUND', message })
    writeFileSync(join(platform, name), '')
  }
})

test('they load in two stages, twice, and in a worker', async () => {
  const choice = chooseSync({ python: base.executable })
  const { addon } = load(choice)
  assert.equal(load(choice).addon, addon)
  assert.equal(typeof addon.startPython, 'function')
  const code = `
    import { parentPort } from 'node:worker_threads'
    const { load } = await import(${JSON.stringify(import.meta.resolve('../../npm/asgi-node/lib/native/load.js'))})
    const { addon } = load(${JSON.stringify(choice)})
    parentPort.postMessage(typeof addon.startPython)`
  for (let round = 0; round < 2; round += 1) {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`))
    const [answer, exit] = await Promise.all([
      new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject)),
      new Promise((resolve) => worker.once('exit', resolve)),
    ])
    assert.deepEqual([answer, exit], ['function', 0])
  }
})

test('one process holds one Python', async (t) => {
  const first = chooseSync({ python: base.executable })
  load(first)
  load({ libpython: realpathSync(first.libpython) })
  const usable = pythons.filter(({ problem }) => problem === null)
  const other = usable
    .map(({ executable }) => chooseSync({ python: executable }))
    .find(({ libpython }) => libpython !== first.libpython)
  if (!other) t.diagnostic('only one Python here')
  const libpython = other?.libpython ?? '/elsewhere/libpython3.12.so.1.0'
  assert.throws(
    () => load({ libpython }),
    (error) => {
      assert.ok(error instanceof PythonError)
      assert.equal(error.code, 'PYTHON_CONFLICT')
      assert.ok(error.message.includes(libpython) && error.message.includes(first.libpython), error.message)
      return true
    },
  )
})

test('a library that cannot be opened', () => {
  const source = `
    import { load } from ${JSON.stringify(import.meta.resolve('../../npm/asgi-node/lib/native/load.js'))}
    const told = []
    for (const libpython of ['/gone/libpython3.11.so', process.execPath, 'a\\0b']) {
      try { load({ libpython }) } catch (error) { told.push([error.name, error.code, error.message]) }
    }
    console.log(JSON.stringify(told))`
  const told = JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '--eval', source], { encoding: 'utf8' }),
  )
  assert.deepEqual(
    told.map(([name, code]) => [name, code]),
    Array.from({ length: 3 }, () => ['PythonError', 'LIBPYTHON_NOT_FOUND']),
  )
  assert.match(told[0][2], /cannot open shared object file/)
})
