// docs/integrations.md is true: each server in it starts as it is written, and answers as it is written.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { blocksOf, freePort, startServer, succeed } from '../repository/documents.mjs'
import { repository, run } from '../node/support.mjs'

const blocks = blocksOf(readFileSync(join(repository, 'docs', 'integrations.md'), 'utf8'))
const [app, ...others] = blocks

describe('docs/integrations.md', { timeout: 90_000, concurrency: 3 }, () => {
  const env = { ASGI_NODE_PYTHON: process.env.ASGI_NODE_PYTHON ?? join(repository, '.venv', 'bin', 'python') }
  let folder

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'asgi-node-integrations-'))
    symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
    writeFileSync(join(folder, app.file), app.code)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('the blocks are the ones that are tested here', () => {
    assert.deepEqual([app.language, app.file], ['python', 'main.py'])
    const found = others.map(({ language, file }) => (language === 'js' ? file : language))
    const server = (file) => [file, 'sh', 'text']
    assert.deepEqual(found, [
      ...['express.mjs', 'sockets.mjs', 'parsers.mjs', 'fallthrough.mjs', 'connect.mjs', 'hono.mjs', 'srvx.mjs'].flatMap(server),
      'call.mjs',
      'text'
    ])
  })

  for (const [index, { language, file, code }] of others.entries()) {
    if (language !== 'js' || others[index + 1].language !== 'sh') continue
    test(file, async (t) => {
      const [ask, answer] = others.slice(index + 1)
      const port = await freePort()
      const here = (text) => text.replaceAll('3000', String(port))
      writeFileSync(join(folder, file), here(code))
      await startServer(t, 'node', [file], { port, cwd: folder, env })
      // An answer of JSON ends without a new line, a header with CR LF.
      const lines = []
      for (const command of here(ask.code).trim().split('\n')) lines.push((await succeed(command, { cwd: folder })).replaceAll('\r', '').trim())
      assert.equal(`${lines.join('\n')}\n`, here(answer.code))
    })
  }

  test('fetch by itself', async () => {
    const [script, printed] = others.slice(-2)
    writeFileSync(join(folder, script.file), script.code)
    const { code, stdout, stderr } = await run('node', [script.file], { cwd: folder, env })
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: printed.code, stderr: '' })
  })
})
