// Interpreters for the tests of discovery: virtual environments made from a Python of this machine, and scripts that
// answer the probe as Pythons do that the machine lacks (PyPy, free-threaded and static builds).
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { choose, chooseSync } from '../../npm/asgi-node/lib/python/discovery.js'
import { PythonError } from '../../npm/asgi-node/lib/native/errors.js'
import { findPythons } from '../../scripts/pythons.mjs'

export const probe = fileURLToPath(new URL('../../python/asgi_node/probe/probe.py', import.meta.url))
const root = realpathSync(mkdtempSync(join(tmpdir(), 'asgi-node-discovery-')))
after(() => rmSync(root, { recursive: true, force: true }))

/** The Pythons of this machine, good and bad. */
export const pythons = await findPythons()
/** The one that plays every part: the newest that serves. */
export const base = pythons.find(({ problem }) => problem === null)
assert.ok(base, 'these tests need a CPython >= 3.11 with its library')
/** What it says of itself. */
export const facts = JSON.parse(execFileSync(base.executable, ['-I', probe], { encoding: 'utf8' }))

/** A path below the test's own folder. */
export function path(...names) {
  return join(root, ...names)
}

/** A new empty folder. */
export function folder(name) {
  mkdirSync(path(name), { recursive: true })
  return path(name)
}

export function makeVenv(name) {
  execFileSync(base.executable, ['-m', 'venv', '--without-pip', path(name)])
  return path(name)
}

/** An executable shell script. */
export function script(name, ...lines) {
  mkdirSync(dirname(path(name)), { recursive: true })
  writeFileSync(path(name), ['#!/bin/sh', ...lines, ''].join('\n'))
  chmodSync(path(name), 0o755)
  return path(name)
}

/** A program that answers the probe as `base` would, but for `changes`. */
export function pretender(name, changes) {
  return script(name, saying({ ...facts, ...changes }))
}

/** A shell command that prints JSON; a builtin, as the tests take PATH away. */
export const saying = (value) => `printf '%s\\n' '${JSON.stringify(value).replaceAll("'", String.raw`'\''`)}'`

/** A Python that cannot start. */
export const broken = (name) => script(name, 'echo "Fatal Python error: init_fs_encoding" >&2', 'exit 1')

/** The same answer both ways, with an environment that holds nothing but what the test says. */
export async function chosen({ env = {}, appDir = folder('empty'), ...options } = {}) {
  const wishes = { appDir, env: { PATH: '/nowhere', ...env }, ...options }
  const choice = await choose(wishes)
  assert.deepEqual(chooseSync(wishes), choice)
  return choice
}

/** The same refusal both ways: its code, and every text in its message. */
export async function refused(options, code, ...texts) {
  /** @type {unknown[]} */
  const errors = []
  await chosen(options).then(
    (choice) => assert.fail(`chose ${choice.executable}`),
    (error) => errors.push(error),
  )
  const wishes = { ...options, appDir: options.appDir ?? folder('empty'), env: { PATH: '/nowhere', ...options.env } }
  assert.throws(
    () => chooseSync(wishes),
    (error) => errors.push(error) > 0,
  )
  const [error, same] = errors
  assert.ok(error instanceof PythonError, String(error))
  assert.equal(error.code, code, error.message)
  for (const text of texts) assert.ok(error.message.includes(text), `no ${JSON.stringify(text)} in: ${error.message}`)
  assert.equal(same.message, error.message)
  return error.message
}

/** A virtual environment of it. */
export const someVenv = makeVenv('some/env')
