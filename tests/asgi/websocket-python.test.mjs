// Checklist 84 to 105 with another client: Python's websockets, in a process of its own.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { pythonExecutable, run } from '../node/support.mjs'
import { serveWebSockets } from './websockets.mjs'

const site = serveWebSockets({ before, after })
const script = fileURLToPath(new URL('websocket_client.py', import.meta.url))

test('asgi_84_85_86_90_93_98_103_105 Python\'s websockets agrees with ws', { timeout: 30_000 }, async (t) => {
  t.mock.method(console, 'error', () => {})
  const { code, stdout, stderr } = await run(pythonExecutable(), [script, site.url])
  assert.equal(code, 0, stderr)
  assert.deepEqual(JSON.parse(stdout), {
    echo: ['text é', [0, 255], 'fragments', 100_000, 'b', ['permessage-deflate']],
    closing: [4002, 'bye'],
    large: 1009,
    refused: [[403, ''], [418, 'I am a teapot'], [500, 'Internal Server Error']],
    flood: 50_000_000,
  })
})
