// Surroundings that lack something: each starts as python would, or says what is wrong.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runNode, temporaryFolder } from '../node/support.mjs'

const ASK = `const handler = new PythonHandler({ app: 'main:app', docroot: apps })
  const response = await handler.handleRequest({ url: '/' })
  console.log(JSON.stringify(response.body.toString()))
  await handler.close()`

describe('surroundings', { timeout: 300_000 }, () => {
  test('no HOME, no LANG, next to no environment', async () => {
    const nothing = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]))
    const { PATH, ASGI_NODE_PYTHON } = process.env
    const outcome = await runNode(ASK, { env: { ...nothing, PATH, ASGI_NODE_PYTHON } })
    assert.deepEqual([outcome.code, outcome.result, outcome.stderr], [0, 'Hello, world!', ''])
  })

  test('a working directory that is deleted: docroot is given, and it starts', async (t) => {
    const cwd = temporaryFolder(t)
    const outcome = await runNode(
      `const { rmSync } = await import('node:fs')
      process.chdir(${JSON.stringify(cwd)})
      rmSync(${JSON.stringify(cwd)}, { recursive: true })
      ${ASK}`,
    )
    assert.deepEqual([outcome.code, outcome.result, outcome.stderr], [0, 'Hello, world!', ''])
  })

  test('PYTHONPATH and PYTHONOPTIMIZE act as for python', async (t) => {
    const folder = temporaryFolder(t, {
      'from_python_path.py': `
import sys
async def app(scope, receive, send):
    text = str(sys.flags.optimize)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})
`,
    })
    const outcome = await runNode(ASK.replace('main:app', 'from_python_path:app'), {
      env: { PYTHONPATH: folder, PYTHONOPTIMIZE: '2' },
    })
    assert.deepEqual([outcome.code, outcome.result], [0, '2'], outcome.stderr)
  })
})
