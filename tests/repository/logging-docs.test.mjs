// The examples of docs/logging.md and docs/health.md, run.
import assert from 'node:assert/strict'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { blocksOf, freePort } from './documents.mjs'
import { apps, pythonExecutable, repository, run, temporaryFolder } from '../node/support.mjs'

test('docs/logging.md: the example writes what stands below it', { timeout: 60_000 }, async (t) => {
  const folder = temporaryFolder(t)
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  const [app, server, written] = blocksOf(readFileSync(join(repository, 'docs', 'logging.md'), 'utf8'))
  assert.deepEqual([app.file, server.file, written.language], ['app.py', 'log.mjs', 'text'])
  for (const { file, code } of [app, server]) writeFileSync(join(folder, file), code)
  const outcome = await run('node', [server.file], { cwd: folder, env: { ASGI_NODE_PYTHON: pythonExecutable() } })
  assert.deepEqual([outcome.code, outcome.stdout, outcome.stderr], [0, written.code, ''])
})

test('docs/health.md: the checks answer 200, and 503 when the handler has been closed; the app answers the rest', { timeout: 60_000 }, async (t) => {
  const folder = temporaryFolder(t)
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  for (const file of ['main.py', 'fixture_kit.py']) symlinkSync(join(apps, file), join(folder, file))
  const [{ file, code }] = blocksOf(readFileSync(join(repository, 'docs', 'health.md'), 'utf8'))
  const port = await freePort()
  writeFileSync(join(folder, file), `${code.replace('3000', String(port))}
    await python.ready()
    const answers = []
    const ask = async () => {
      for (const path of ['/livez', '/readyz', '/']) {
        const response = await fetch('http://127.0.0.1:${port}' + path)
        const text = await response.text()
        answers.push(response.status, path === '/' ? text : JSON.parse(text).draining)
      }
    }
    await ask()
    await python.close()
    await ask()
    server.close()
    server.closeAllConnections()
    console.log(JSON.stringify(answers))`)
  const outcome = await run('node', [file], { cwd: folder, env: { ASGI_NODE_PYTHON: pythonExecutable() } })
  assert.deepEqual([outcome.code, outcome.stderr], [0, ''])
  assert.deepEqual(JSON.parse(outcome.stdout), [200, false, 200, false, 200, 'Hello, world!', 200, true, 503, true, 503, 'Service Unavailable'])
})
