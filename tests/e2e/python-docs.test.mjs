// docs/python.md is true: its files and commands run as they are written, and print what it says. Only what a reader would
// choose differs: a free port, and `pip`, which is not asked.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { blocksOf, freePort, startServer, succeed } from '../repository/documents.mjs'
import { repository, run } from '../node/support.mjs'

const blocks = blocksOf(readFileSync(join(repository, 'docs', 'python.md'), 'utf8'))
const [install, main, check, checked, tests, runTests, list, listed, flask, server, ask, answer, old, callOld, printedOld, ...diagnosis] = blocks
const [doctor, healthy, script, printed] = diagnosis

describe('docs/python.md', { timeout: 110_000, concurrency: 4 }, () => {
  const python = process.env.ASGI_NODE_PYTHON ?? join(repository, '.venv', 'bin', 'python')
  let folder
  let env

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'asgi-node-python-docs-'))
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
    const commands = {
      python: `exec '${python}' "$@"`,
      pip: '[ "$*" = "install asgi-node[wsgi,uvloop]" ]',
      npx: `[ "$1" = asgi-node ] && shift && exec '${process.execPath}' '${repository}/npm/asgi-node/bin/asgi-node.js' "$@"`,
    }
    for (const [name, line] of Object.entries(commands)) writeFileSync(join(bin, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 })
    env = {
      ASGI_NODE_PYTHON: python,
      PATH: [bin, process.env.PATH].join(delimiter),
      PYTHONPATH: join(repository, 'python'),
      // What else is installed for development is not the reader's, and takes its time to be imported.
      PYTEST_DISABLE_PLUGIN_AUTOLOAD: '1',
    }
    for (const { file, code, language } of blocks) if (/^(python|js)$/.test(language)) writeFileSync(join(folder, file), code)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  const shell = (code) => succeed(code, { cwd: folder, env, timeout: 110_000 })

  test('the blocks are the ones that are tested here', () => {
    const found = blocks.map(({ language, file }) => (/^(python|js)$/.test(language) ? file : language))
    const checks = 'main.py sh text test_main.py sh sh text'
    const serving = 'legacy.py server.mjs sh text old.py old.mjs text'
    assert.equal(found.join(' '), `sh ${checks} ${serving} sh text doctor.mjs text`)
  })

  test('the extras exist', async () => {
    await shell(install.code)
    const [, extras] = /\[project\.optional-dependencies\]\n([^]*?)\n\n/.exec(readFileSync(join(repository, 'pyproject.toml'), 'utf8'))
    for (const name of ['test', 'wsgi', 'uvloop']) assert.match(extras, new RegExp(`^${name} = `, 'm'))
  })

  test('check: the command, its list, and in a test', async () => {
    const [report, situations, passed] = await Promise.all([check, list, runTests].map(({ code }) => shell(code)))
    assert.equal(report, checked.code)
    assert.equal(situations, listed.code)
    assert.match(passed, /1 passed/)
    assert.equal(tests.file, 'test_main.py')
    assert.equal(main.file, 'main.py')
  })

  test('WSGI', async (t) => {
    const port = await freePort()
    const here = (code) => code.replaceAll('3000', String(port))
    writeFileSync(join(folder, server.file), here(server.code))
    await startServer(t, 'node', [server.file], { port, cwd: folder, env })
    assert.equal(await shell(here(ask.code)), answer.code)
    assert.equal(flask.file, 'legacy.py')
  })

  test('ASGI 2', async () => {
    const { code, stdout, stderr } = await run('node', [callOld.file], { cwd: folder, env })
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: printedOld.code, stderr: '' })
    assert.equal(old.file, 'old.py')
  })

  test('the doctor: as a command, and from Node', async () => {
    // Versions and paths are those of the machine; the lines, and all words between, are the same.
    const shape = (text) => text.replaceAll(/\/\S+?(?=[,\s]|$)/gm, 'PATH').replaceAll(/\d[\w.+-]*/g, 'N').replaceAll(/by \S+$/gm, 'by X')
    const command = shell(doctor.code)
    const { code, stdout, stderr } = await run('node', [script.file], { cwd: folder, env, timeout: 100_000 })
    assert.equal(shape(await command), shape(healthy.code))
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: printed.code, stderr: '' })
  })

  test('its tables name every finding, and every option of the check', async () => {
    const text = readFileSync(join(repository, 'docs', 'python.md'), 'utf8')
    const types = readFileSync(join(repository, 'npm', 'asgi-node', 'lib', 'doctor', 'types.d.ts'), 'utf8')
    const codes = [...types.matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map(([, code]) => code)
    assert.ok(codes.length > 5)
    for (const code of codes) assert.ok(text.includes(`\`${code}\``), code)
    const help = await shell('python -m asgi_node check --help')
    const options = help.match(/--[a-z]+/g).filter((option) => option !== '--help')
    assert.ok(options.length > 2, help)
    for (const option of options) assert.ok(text.includes(option), option)
  })
})
