// Processes started by both sides: Node's libuv and Python's loop both live on SIGCHLD, and each must see its own exits.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { callJson, makeHandler, runNode, runNodeCleanly } from '../node/support.mjs'

const limits = { timeout: 40_000 }

describe('children of both sides at once', limits, () => {
  for (const loop of ['uvloop', 'asyncio']) {
    test(`20 of Node and 20 of ${loop}, three times over: every exit is seen by its owner`, async () => {
      const result = await runNodeCleanly(`
        import { spawn } from 'node:child_process'
        const handler = new PythonHandler({ app: 'children_app:app', docroot: apps, loop: '${loop}' })
        await handler.ready()
        const child = (code) => new Promise((resolve) => {
          const timer = setTimeout(() => resolve('never exited'), 15_000)
          spawn('/bin/sh', ['-c', 'sleep 0.05; exit ' + code]).on('exit', (exit) => (clearTimeout(timer), resolve(exit)))
        })
        const rounds = []
        for (let round = 0; round < 3; round += 1) {
          const pending = handler.handleRequest(new Request({ url: '/children?count=20' }))
          const node = Promise.all(Array.from({ length: 20 }, (_, code) => child(code)))
          rounds.push({ node: await node, python: JSON.parse((await pending).body.toString()) })
        }
        await handler.close()
        console.log(JSON.stringify(rounds))`)
      const codes = Array.from({ length: 20 }, (_, code) => code)
      assert.deepEqual(result, [0, 1, 2].map(() => ({ node: codes, python: codes })))
    })
  }
})

describe('processes of Python', limits, () => {
  const handler = makeHandler({ after }, 'children_app:app')

  test('pipes to and from an asyncio child', async () => {
    assert.equal(await callJson(handler, '/piped'), 'through a pipe')
  })

  test('sys.executable starts the same Python, with the same prefix', async (t) => {
    const facts = makeHandler(t, 'facts_app:app')
    const { prefix } = await callJson(facts, '/interpreter')
    assert.equal(await callJson(handler, '/subprocess'), prefix)
  })

  for (const method of ['spawn', 'forkserver', 'fork']) {
    test(`multiprocessing by ${method} works, and its processes have site-packages`, async (t) => {
      const facts = makeHandler(t, 'facts_app:app')
      const { prefix } = await callJson(facts, '/interpreter')
      const expected = [0, 2, 4, 6, 8].map((value) => [value, prefix, true])
      assert.deepEqual(await callJson(handler, `/multiprocessing?method=${method}`), expected)
    })
  }
})

test('children inherit stdin, stdout and stderr, as those of any Python', limits, async () => {
  for (const stdio of ["'inherit'", '() => {}']) {
    const outcome = await runNode(
      `const handler = new PythonHandler({ app: 'children_app:app', docroot: apps, stdio: ${stdio}, blockedThreshold: 0 })
      const { body } = await handler.handleRequest({ url: '/inherited' })
      console.log(body.toString())
      await handler.close()`,
    )
    const ways = ['subprocess', 'os.system', 'asyncio', 'spawn', 'forkserver', 'fork']
    const said = (stream) => ways.map((way) => `${way} to ${stream}\n`).join('')
    assert.deepEqual(outcome.result, ways.map(() => 0), outcome.stderr)
    assert.deepEqual([outcome.stdout, outcome.stderr], [`${said('stdout')}${JSON.stringify(outcome.result).replaceAll(',', ', ')}\n`, said('stderr')])
  }
})
