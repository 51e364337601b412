// Workers that are terminated in the middle of their requests: `make workers` does it a thousand times.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runNode } from '../node/support.mjs'
import { terminations } from './terminations.mjs'

test('eight workers are terminated with 20 requests in flight: no crash, and every request is told', { timeout: 300_000 }, async (t) => {
  const { code, signal, stderr, result } = await terminations(8)
  assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
  t.diagnostic(JSON.stringify(result))
  assert.equal(result.terminated, 8)
  assert.equal(result.begun, result.ended)
  assert.ok(result.told > 0, JSON.stringify(result))
})

test('what a terminated worker has not heard goes to the descriptors', { timeout: 60_000 }, async () => {
  const { result, stdout, stderr } = await runNode(
    `const { Worker } = await import('node:worker_threads')
    const source = \`import('asgi-node').then(async ({ PythonHandler }) => {
      const { parentPort } = await import('node:worker_threads')
      const heard = () => parentPort.postMessage('heard')
      const logger = { debug: heard, info: heard, warn: heard, error: heard }
      const own = new PythonHandler({ app: 'speaking_app:app', docroot: '\${apps}', stdio: heard, logger, blockedThreshold: 0 })
      await own.ready()
      own.handleRequest({ url: '/lines' })
      own.handleRequest({ url: '/levels' })
      // They are sent at the end of this turn; then nothing is heard any more.
      setImmediate(() => {
        parentPort.postMessage('blocks')
        for (;;);
      })
    })\`
    const messages = []
    const worker = new Worker(source, { eval: true })
    worker.on('message', (message) => {
      messages.push(message)
      setTimeout(() => worker.terminate(), 500)
    })
    await new Promise((resolve) => worker.once('exit', resolve))
    await new Promise((resolve) => setTimeout(resolve, 200))
    console.log(JSON.stringify(messages))`,
  )
  assert.deepEqual(result, ['blocks'])
  const lines = (stream) => [0, 1, 2].map((number) => `line ${number} of ${stream}\n`).join('')
  assert.equal(stdout, `${lines('stdout')}["blocks"]\n`)
  const [said, records] = [stderr.slice(0, lines('stderr').length), stderr.slice(lines('stderr').length)]
  assert.equal(said, lines('stderr'))
  const told = records.trim().split('\n').map((line) => JSON.parse(line).m)
  assert.deepEqual(told, [20, 25, 30, 40, 50].map((level) => `level ${level}`))
})
