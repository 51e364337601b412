// The examples of docs/logging.md and docs/health.md, run.
import assert from 'node:assert/strict'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { blocksOf } from './documents.mjs'
import { pythonExecutable, repository, run, runNodeCleanly, temporaryFolder } from './support.mjs'

test('docs/logging.md: the example writes what stands below it', { timeout: 60_000 }, async (t) => {
  const folder = temporaryFolder(t)
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  const [app, server, written] = blocksOf(readFileSync(join(repository, 'docs', 'logging.md'), 'utf8'))
  assert.deepEqual([app.file, server.file, written.language], ['app.py', 'log.mjs', 'text'])
  for (const { file, code } of [app, server]) writeFileSync(join(folder, file), code)
  const outcome = await run('node', [server.file], { cwd: folder, env: { ASGI_NODE_PYTHON: pythonExecutable() } })
  assert.deepEqual([outcome.code, outcome.stdout, outcome.stderr], [0, written.code, ''])
})

test('docs/health.md: the checks answer 200, and 503 when the handler has been closed', { timeout: 60_000 }, async () => {
  const [checks] = blocksOf(readFileSync(join(repository, 'docs', 'health.md'), 'utf8'))
  const result = await runNodeCleanly(`
    import { createServer } from 'node:http'
    const python = new PythonHandler({ app: 'main:app', docroot: apps })
    const server = createServer().listen(0, '127.0.0.1')
    ${checks.code}
    await python.ready()
    const statuses = []
    const ask = async () => {
      for (const path of ['/livez', '/readyz']) {
        const response = await fetch('http://127.0.0.1:' + server.address().port + path)
        statuses.push(response.status, (await response.json()).draining)
      }
    }
    await ask()
    await python.close()
    await ask()
    server.close()
    server.closeAllConnections()
    console.log(JSON.stringify(statuses))`)
  assert.deepEqual(result, [200, false, 200, false, 200, true, 503, true])
})
