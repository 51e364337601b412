// The README is true: each of its code blocks runs, as it is written, in a folder of its own, against the packages as they
// are published. Only what a reader would choose differs: a free port, and registries that are not asked (npm gets our
// tarballs, pip links what the test environment holds).
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { repository, run, until } from './support.mjs'

const readme = readFileSync(join(repository, 'README.md'), 'utf8')

/** The blocks in their order: what language they say, which file the text before them names last, what is in them. */
const blocks = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, code], index, all) => {
  const text = readme.slice(index === 0 ? 0 : all[index - 1].index, all[index].index)
  return { language, code, file: [...text.matchAll(/`([\w.]+\.(?:py|mjs))`/g)].at(-1)?.[1] }
})
const [install, app, server, ask, answer, script, printed, picture, contribute] = blocks

const testPython = process.env.ASGI_NODE_PYTHON ?? join(repository, '.venv', 'bin', 'python')
/** As a reader's shell: no variable chooses the Python, `.venv` does. */
const plain = { ASGI_NODE_PYTHON: undefined, VIRTUAL_ENV: undefined, CONDA_PREFIX: undefined }

/** The commands of a reader that would ask a registry, made to ask the repository. */
const OFFLINE = `
npm() {
  [ "$*" = 'install asgi-node' ] || { echo "unexpected: npm $*" >&2; return 1; }
  command npm install --offline --no-audit --no-fund --loglevel=error $TARBALLS
}
python3() {
  [ "$*" = '-m venv .venv' ] || { echo "unexpected: python3 $*" >&2; return 1; }
  "$TEST_PYTHON" -m venv --without-pip .venv
  ln -s "$REPOSITORY/tests/node/readme-pip.sh" .venv/bin/pip
}
`

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  return port
}

/** Start a server for one test; resolves when it answers. `stop` signals its whole group and waits for its end. */
async function start(t, command, args, { port, cwd, env = {} }) {
  const variables = { ...process.env, ...env }
  delete variables.NODE_TEST_CONTEXT
  for (const name of Object.keys(variables)) if (variables[name] === undefined) delete variables[name]
  const child = spawn(command, args, { cwd, env: variables, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const exited = once(child, 'exit')
  const stop = (signal) => {
    try {
      process.kill(-child.pid, signal)
    } catch (error) {
      // Nobody of the group is left.
      if (error.code !== 'ESRCH') throw error
    }
    return exited
  }
  t.after(() => stop('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  const answers = () => fetch(`http://127.0.0.1:${port}/openapi.json`).then((response) => response.ok, () => false)
  const ready = until(async () => child.exitCode !== null || (await answers()), 'an answer', 30_000)
  await ready.catch((error) => assert.fail(`${command} ${args.join(' ')}: ${error.message}; it said: ${output}`))
  assert.equal(child.exitCode, null, output)
  return { output: () => output, stop }
}

const shell = (code, options) => run('bash', ['-euo', 'pipefail', '-c', code], { timeout: 60_000, ...options })

async function succeed(code, options) {
  const { code: status, stdout, stderr } = await shell(code, options)
  assert.equal(status, 0, `${code}\n${stdout}${stderr}`)
  return stdout
}

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
    assert.deepEqual(found, ['sh', 'main.py', 'server.mjs', 'sh', 'json', 'call.mjs', 'text', 'text', 'sh'])
    assert.match(picture.code, /JavaScript thread/)
  })

  test('the table of options has them all', () => {
    const types = readFileSync(join(repository, 'npm/asgi-node/lib/index.d.ts'), 'utf8')
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
    for (const { file, code } of [app, server, script]) writeFileSync(join(folder, file), here(code))
  })

  test('quick start: a server', async (t) => {
    const running = await start(t, 'node', [server.file], { port, cwd: folder, env: plain })
    assert.equal((await succeed(here(ask.code))).trim(), answer.code.trim())
    assert.equal(running.output(), '')
  })

  test('quick start: a script', async () => {
    const { code, stdout, stderr } = await run('node', [script.file], { cwd: folder, env: plain })
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: printed.code, stderr: '' })
  })

  test('contributing: the commands exist, and make demo serves what it says', async (t) => {
    const [demo, ...others] = contribute.code.trim().split('\n')
    assert.equal(demo, 'make demo')
    for (const command of others) await succeed(`${command} --dry-run`, { cwd: repository })

    const running = await start(t, 'make', ['demo'], { port, cwd: repository, env: { PORT: String(port) } })
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
