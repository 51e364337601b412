// What a JavaScript runtime other than Node may do otherwise: workers, streams, errors, Python's output, fetch, signals. Prints a
// line for each; it ends by itself, after a signal. Run as smoke.mjs is.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { Worker, isMainThread } from 'node:worker_threads'
import { PythonHandler } from 'asgi-node'

/** @type {string[]} */
const lines = []
const python = new PythonHandler({ app: 'app:app', stdio: (line) => lines.push(line) })

/** @param {string} url */
const ask = async (url) => JSON.parse((await python.handleRequest({ url })).body.toString())
assert.equal(await ask('/hello'), 'hello')

if (isMainThread) {
  const worker = new Worker(fileURLToPath(import.meta.url))
  assert.equal(await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject)), 0)
  assert.equal(await ask('/hello'), 'hello')
  console.log('a worker')

  let streamed = ''
  for await (const chunk of await python.handleStream({ url: '/stream' })) streamed += chunk
  assert.equal(streamed, 'part 0, part 1, part 2, ')
  console.log('a stream')

  await assert.rejects(python.handleRequest({ url: '/fail' }), { code: 'APP_ERROR', message: /broken on purpose/ })
  console.log('an error')

  const response = await python.fetch(new Request('http://localhost/hello'))
  assert.equal(await response.json(), 'hello')
  console.log('fetch')

  await ask('/print')
  for (let tries = 0; tries < 100 && lines.length === 0; tries += 1) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual(lines, ['printed'])
  console.log("Python's output")

  // As the README's server ends.
  const server = createServer(python.listener).listen(0, '127.0.0.1')
  process.once('SIGTERM', async () => {
    server.close()
    await python.close()
    console.log('a signal')
  })
  setTimeout(() => process.kill(process.pid, 'SIGTERM'), 100)
} else {
  await python.close()
}
