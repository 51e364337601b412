// A uvloop that is installed and broken (of another Python, half replaced): said, and never a start that hangs.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runNode, temporaryFolder } from '../node/support.mjs'

const BROKEN = {
  'raises at import': 'raise ImportError("undefined symbol: uv_something")',
  'has no loop in it': 'version = "0"',
}

for (const [how, source] of Object.entries(BROKEN)) {
  test(`a uvloop that ${how}: asyncio's loop serves`, async (t) => {
    const { code, result, stderr } = await ask(t, source, 'auto')
    assert.deepEqual([code, result], [0, { body: 'Hello, world!' }], stderr)
    assert.match(stderr, /uvloop does not work, asyncio's loop runs instead: \w+Error: /)
  })
}

test('a uvloop that was asked for and cannot be imported is an error of the start', async (t) => {
  const { code, result } = await ask(t, BROKEN['raises at import'], 'uvloop')
  assert.equal(code, 0)
  assert.equal(result.code, 'LOOP_NOT_AVAILABLE')
  assert.match(result.message, /cannot be imported \(ImportError: undefined symbol: uv_something\): install it again/)
})

function ask(t, source, loop) {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'uvloop'))
  writeFileSync(join(folder, 'uvloop', '__init__.py'), source)
  return runNode(
    `const handler = new PythonHandler({ app: 'main:app', docroot: apps, loop: '${loop}' })
    try {
      const { body } = await handler.handleRequest({ url: '/' })
      console.log(JSON.stringify({ body: body.toString() }))
    } catch ({ code, message }) {
      console.log(JSON.stringify({ code, message }))
    }
    await handler.close()`,
    { env: { PYTHONPATH: folder } },
  )
}
