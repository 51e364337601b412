// The README is true: each of its code blocks runs, as it is written, in a folder of its own, against the packages as they
// are published. Only what a reader would choose differs: a free port, and where packages come from (npm gets our
// tarballs, and the registry's others from its cache where it can; pip links what the test environment holds).
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { blocksOf, freePort, startServer, succeed } from './documents.mjs'
import { repository, run, until } from '../node/support.mjs'

const readme = readFileSync(join(repository, 'README.md'), 'utf8')

const blocks = blocksOf(readme)
const [install, app, server, ask, answer, script, printed, testing, picture, contribute] = blocks

const testPython = process.env.ASGI_NODE_PYTHON ?? join(repository, '.venv', 'bin', 'python')
/** As a reader's shell: no variable chooses the Python, `.venv` does. */
const plain = { ASGI_NODE_PYTHON: undefined, VIRTUAL_ENV: undefined, CONDA_PREFIX: undefined }

/** The commands of a reader that would ask a registry, made to ask the repository. */
const OFFLINE = `
npm() {
  [ "$*" = 'install asgi-node' ] || { echo "unexpected: npm $*" >&2; return 1; }
  command npm install --prefer-offline --no-audit --no-fund --loglevel=error $TARBALLS
}
python3() {
  [ "$*" = '-m venv .venv' ] || { echo "unexpected: python3 $*" >&2; return 1; }
  "$TEST_PYTHON" -m venv --without-pip .venv
  ln -s "$REPOSITORY/tests/repository/readme-pip.sh" .venv/bin/pip
}
`

describe('README', () => {
  let folder
  let port

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'asgi-node-readme-'))
    port = await freePort()
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  const here = (code) => code.replaceAll('3000', String(port))

  test('the blocks are the ones that are tested here', () => {
    const found = blocks.map(({ language, file }) => (/^(python|js)$/.test(language) ? file : language))
    assert.deepEqual(found, ['sh', 'main.py', 'server.mjs', 'sh', 'json', 'call.mjs', 'text', 'test_main.py', 'text', 'sh'])
    assert.match(picture.code, /JavaScript thread/)
  })

  test('the table of options has them all', () => {
    const types = readFileSync(join(repository, 'npm/asgi-node/lib/options/types.d.ts'), 'utf8')
    const [, body] = /interface PythonHandlerOptions \{\n([^]*?)^\}/m.exec(types)
    const typed = [...body.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name]) => name)
    const [, table] = /^## Options\n([^]*?)^## /m.exec(readme)
    const listed = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, names]) => names.match(/\w+/g))
    const otherNames = ['appTarget', 'module', 'attribute']
    assert.deepEqual(listed.toSorted(), typed.filter((name) => !otherNames.includes(name)).toSorted())
  })

  test('install', async () => {
    const packed = await run('node', ['scripts/pack.mjs', join(folder, 'packages')], { timeout: 60_000 })
    assert.equal(packed.code, 0, packed.stderr)
    const env = { TARBALLS: packed.stdout.trim().replaceAll('\n', ' '), TEST_PYTHON: testPython, REPOSITORY: repository }
    await succeed(OFFLINE + install.code, { cwd: folder, env })
    for (const { file, code } of [app, server, script, testing]) writeFileSync(join(folder, file), here(code))
  })

  test('quick start: a server', async (t) => {
    const running = await startServer(t, 'node', [server.file], { port, cwd: folder, env: plain })
    assert.equal((await succeed(here(ask.code))).trim(), answer.code.trim())
    assert.equal(running.output(), '')
    for (const signal of ['SIGTERM', 'SIGINT']) {
      const again = signal === 'SIGTERM' ? running : await startServer(t, 'node', [server.file], { port, cwd: folder, env: plain })
      // keep-alive, and nothing under way
      await (await fetch(`http://127.0.0.1:${port}/hello/again`)).text()
      assert.deepEqual(await again.stop(signal), [0, null], signal)
    }
  })

  test('quick start: one command', async (t) => {
    const running = await startServer(t, 'npx', ['asgi-node', 'main:app', '--port', String(port)], { port, cwd: folder, env: plain })
    assert.equal((await succeed(here(ask.code))).trim(), answer.code.trim())
    assert.match(running.output(), new RegExp(`serves main:app on http://127\\.0\\.0\\.1:${port} `))
    await running.stop('SIGTERM')
    const dev = await startServer(t, 'npx', ['asgi-node', 'dev', '--port', String(port)], { port, cwd: folder, env: plain })
    writeFileSync(join(folder, 'main.py'), here(app.code).replace('Hello', 'Good morning'))
    await until(async () => (await (await fetch(`http://127.0.0.1:${port}/hello/Node`)).text()).includes('Good morning'), 'the new code')
    writeFileSync(join(folder, 'main.py'), here(app.code))
    await dev.stop('SIGINT')
  })

  test('field_28: quick start: an application that does not start', async () => {
    writeFileSync(join(folder, 'main.py'), 'raise RuntimeError("no database")\n')
    const { code, stderr } = await run('node', [server.file], { cwd: folder, env: plain })
    writeFileSync(join(folder, 'main.py'), here(app.code))
    assert.equal(code, 1)
    assert.match(stderr, /APP_IMPORT_FAILED/)
    assert.match(stderr, /RuntimeError: no database/)
  })

  test('quick start: a script', async () => {
    const { code, stdout, stderr } = await run('node', [script.file], { cwd: folder, env: plain })
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: printed.code, stderr: '' })
  })

  test('quick start: from pytest', async () => {
    const env = { ...plain, PYTHONPATH: [join(repository, 'python'), folder].join(delimiter) }
    const { code, stdout } = await run(testPython, ['-m', 'pytest', testing.file], { cwd: folder, env, timeout: 60_000 })
    assert.equal(code, 0, stdout)
    assert.match(stdout, /1 passed/)
  })

  test('contributing: the commands exist, and make demo serves what it says', async (t) => {
    const [demo, ...others] = contribute.code.trim().split('\n')
    assert.equal(demo, 'make demo')
    for (const command of others) await succeed(`${command} --dry-run`, { cwd: repository })

    const running = await startServer(t, 'make', ['demo'], { port, cwd: repository, env: { PORT: String(port) } })
    await until(() => running.output().includes('Ctrl-C'), 'the end of what make demo prints')
    assert.match(running.output(), new RegExp(`^ +http://127\\.0\\.0\\.1:${port}$`, 'm'))
    const curls = running.output().match(/^ +curl .*$/gm)
    assert.equal(curls.length, 3)
    const [created, streamed, uploaded] = await Promise.all(curls.map((curl) => succeed(`${curl} --silent --show-error`, { cwd: repository })))
    assert.deepEqual(JSON.parse(created), { item: { name: 'tea', price: 4.2, tags: [] }, price_with_tax: 5.04 })
    assert.match(streamed, /^line 1 of 5\n[^]*line 5 of 5\n$/)
    assert.equal(JSON.parse(uploaded).size, readFileSync(join(repository, 'package.json')).length)

    const refused = await fetch(`http://127.0.0.1:${port}/items`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"name": "tea", "price": 0}',
    })
    assert.equal(refused.status, 422)
    assert.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), /FastAPI inside Node\.js/)

    // Ctrl-C reaches the whole group.
    await running.stop('SIGINT')
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`))
  })
})
