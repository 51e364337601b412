// The example of docs/logging.md, run.
import assert from 'node:assert/strict'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { blocksOf } from './documents.mjs'
import { pythonExecutable, repository, run, temporaryFolder } from './support.mjs'

test('docs/logging.md: the example writes what stands below it', { timeout: 60_000 }, async (t) => {
  const folder = temporaryFolder(t)
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  const [app, server, written] = blocksOf(readFileSync(join(repository, 'docs', 'logging.md'), 'utf8'))
  assert.deepEqual([app.file, server.file, written.language], ['app.py', 'log.mjs', 'text'])
  for (const { file, code } of [app, server]) writeFileSync(join(folder, file), code)
  const outcome = await run('node', [server.file], { cwd: folder, env: { ASGI_NODE_PYTHON: pythonExecutable() } })
  assert.deepEqual([outcome.code, outcome.stdout, outcome.stderr], [0, written.code, ''])
})
