// Python's stdout and stderr: to the descriptors, where Node has made them non-blocking, and line by line to a function.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { apps, call, callJson, makeHandler, repository, runNode, sha256, temporaryFolder, text, until } from '../node/support.mjs'

const limits = { timeout: 110_000 }

/** A Node that runs `source` with a handler on the app that speaks; its stdio as for `spawn`. */
function start(scope, source, stdio, env = {}) {
  const script = `import { PythonHandler } from 'asgi-node'
    const handler = new PythonHandler({ app: 'speaking_app:app', docroot: ${JSON.stringify(apps)}, blockedThreshold: 0 })
    const get = async (url) => (await handler.handleRequest({ url })).body.toString()
    ${source}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: repository,
    stdio,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env },
  })
  scope.after(() => child.kill('SIGKILL'))
  return child
}

/** All of a stream, read so slowly that its pipe is full for a good part of it. */
async function readSlowly(stream) {
  const chunks = []
  for await (const data of stream) {
    chunks.push(data)
    if (chunks.length < 40) await sleep(10)
  }
  return Buffer.concat(chunks)
}

describe('to a pipe that Node has made non-blocking', limits, () => {
  test('2 MB through a slow reader, with nothing lost: print, buffer, a handler of logging, sys.__stdout__', async (t) => {
    // That stdout is used in JavaScript is what makes its pipe non-blocking.
    const child = start(t, `process.stdout.write('')
      for (const way of ['print', 'buffer', 'logging', 'dunder']) process.stderr.write(await get('/megabytes?count=5000&way=' + way) + ' ')`, ['ignore', 'pipe', 'pipe'])
    let told = ''
    child.stderr.setEncoding('utf8').on('data', (data) => (told += data))
    const ended = once(child, 'close')
    const read = await readSlowly(child.stdout)
    await ended
    const parts = [0, 1, 2, 3].map((part) => sha256(read.subarray(part * 500_000, (part + 1) * 500_000)))
    assert.deepEqual([child.exitCode, read.length, parts], [0, 2_000_000, told.trim().split(' ')])
  })

  for (const unbuffered of ['', '1']) test(`lines of both sides are whole where they share a pipe (PYTHONUNBUFFERED=${unbuffered})`, async (t) => {
    const child = start(t, `
      await handler.ready()
      const done = get('/megabytes?count=3000&way=print')
      let over = false
      done.then(() => (over = true))
      const timer = setInterval(() => over ? clearInterval(timer) : process.stdout.write('from JavaScript\\n'), 1)`, ['ignore', 'pipe', 'inherit'], { PYTHONUNBUFFERED: unbuffered })
    let output = ''
    for await (const data of child.stdout) {
      output += data
      if (output.length < 100_000) await sleep(2)
    }
    const lines = output.split('\n')
    assert.equal(lines.pop(), '')
    const python = lines.filter((line) => line !== 'from JavaScript')
    assert.equal(python.length, 3000)
    assert.deepEqual(python.filter((line, number) => !(line.length === 99 && line.startsWith(String(number).padStart(9, '0')))), [])
  })

  test('a file gets all of it in order, stderr as well as stdout', async (t) => {
    const path = join(temporaryFolder(t), 'output')
    const descriptor = openSync(path, 'w')
    const child = start(t, "await get('/lines?count=200')", ['ignore', descriptor, descriptor])
    closeSync(descriptor)
    await once(child, 'close')
    const expected = Array.from({ length: 200 }, (_, number) => `line ${number} of stdout\nline ${number} of stderr\n`)
    assert.equal(readFileSync(path, 'utf8'), expected.join(''))
  })

  test('a line is there when it is complete, not when a buffer is full', async (t) => {
    const child = start(t, "await get('/lines?count=1'); setInterval(() => {}, 1000)", ['ignore', 'pipe', 'ignore'])
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (data) => (output += data))
    await until(() => output === 'line 0 of stdout\n', 'the line', 15_000)
  })

  test('what has no end of its line is there when it is flushed', async (t) => {
    const child = start(t, "await get('/partial?flush='); setInterval(() => {}, 1000)", ['ignore', 'pipe', 'ignore'])
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (data) => (output += data))
    await until(() => output === 'no end', 'the beginning of a line', 15_000)
  })

  test('a reader that leaves is a BrokenPipeError of the app, and nobody else\'s', async (t) => {
    const child = start(t, `
      process.stdout.on('error', () => {})
      process.once('message', async () => {
        const code = await get('/megabytes?count=5000&way=print').catch((error) => error.message)
        process.send([code.split(':')[0], await get('/')])
      })
      await get('/')
      process.send('ready')`, ['ignore', 'pipe', 'ignore', 'ipc'])
    assert.deepEqual(await once(child, 'message').then(([message]) => message), 'ready')
    child.stdout.destroy()
    const answer = once(child, 'message')
    child.send('go')
    assert.deepEqual((await answer)[0], ['BrokenPipeError', ''])
  })
})

describe('to a function', limits, () => {
  const heard = []
  const handler = makeHandler({ after }, 'speaking_app:app', { stdio: (line, stream) => void heard.push([stream, line]), blockedThreshold: 0 })
  async function hear(path, count) {
    const from = heard.length
    await call(handler, path)
    await until(() => heard.length >= from + count, `${count} lines of ${path}`)
    return heard.slice(from)
  }

  test('each line once, without its end, in the order of both streams', async () => {
    const expected = [0, 1, 2].flatMap((number) => [['stdout', `line ${number} of stdout`], ['stderr', `line ${number} of stderr`]])
    assert.deepEqual(await hear('/lines', 6), expected)
  })

  test('a line that has not ended waits for its end, flushed or not', async () => {
    await call(handler, '/partial')
    await call(handler, '/partial?flush=')
    assert.deepEqual(await hear('/lines?count=1', 2), [['stdout', 'no endno endline 0 of stdout'], ['stderr', 'line 0 of stderr']])
  })

  test('empty lines, long ones, and bytes that are no text', async () => {
    const lines = await hear('/odd_lines', 4)
    assert.deepEqual(lines.map(([, line]) => line), ['\ufffd\ufffd', '', 'Grüße, 世界 🎉', 'x'.repeat(100_000)])
  })

  test('2 MB, none lost', async () => {
    const from = heard.length
    const digest = text(await call(handler, '/megabytes?count=20000&way=print'))
    await until(() => heard.length >= from + 20_000, 'all lines', 20_000)
    assert.equal(sha256(heard.slice(from).map(([, line]) => `${line}\n`).join('')), digest)
  })

  test('another encoding is understood', async () => {
    assert.deepEqual((await hear('/reconfigured', 2)).map(([, line]) => line), ['Grüße ?', 'Grüße €'])
  })

  test('the streams are what libraries look for', async () => {
    const { captured, ...streams } = await callJson(handler, '/nature')
    assert.equal(captured, 'captured\n')
    const common = { isatty: false, encoding: 'utf-8', mode: 'w', type: 'TextIOWrapper', buffer: true, writable: true, readable: false, seekable: false, closed: false, line_buffering: true }
    assert.deepEqual(streams, {
      stdout: { ...common, errors: streams.stdout.errors, fileno: 1, name: '<stdout>' },
      stderr: { ...common, errors: 'backslashreplace', fileno: 2, name: '<stderr>' },
    })
  })

  for (const [what, wrap] of Object.entries({ throws: (fail) => fail, rejects: (fail) => async (line) => fail(line) })) {
    test(`one that ${what} is told to the log, and goes on`, async (t) => {
      const told = []
      const note = (object, message) => void told.push([object.err?.message, message])
      const lines = []
      const stdio = wrap((line) => {
        lines.push(line)
        throw new Error('of the function')
      })
      const other = makeHandler(t, 'speaking_app:app', { stdio, logger: { debug: note, info: note, warn: note, error: note } })
      await call(other, '/lines?count=2')
      await until(() => lines.length === 4 && told.length === 4)
      assert.deepEqual(told, lines.map(() => ['of the function', 'The function of option stdio has thrown']))
    })
  }
})

describe('at the edges', limits, () => {
  test('a line that has not ended reaches the function when the handler closes, and nobody else', async () => {
    const { result, stdout, stderr } = await runNode(
      `const heard = []
      const handlers = [0, 1].map((number) => new PythonHandler({
        app: 'speaking_app:app', docroot: apps, stdio: (line, stream) => heard.push([number, stream, line]),
      }))
      await Promise.all(handlers.map((handler) => handler.ready()))
      await handlers[0].handleRequest({ url: '/partial' })
      // It may be the other's.
      await handlers[1].close()
      const before = heard.length
      await handlers[0].close()
      console.log(JSON.stringify([before, heard]))`,
    )
    assert.deepEqual(result, [0, [[0, 'stdout', 'no end']]], stderr)
    assert.equal(stdout, `${JSON.stringify(result)}\n`)
  })

  test('the last lines of a process reach the function, also after process.exit()', async () => {
    for (const end of ['', 'process.exit(0)', "throw new Error('uncaught')"]) {
      const outcome = await runNode(`
        const stdio = (line) => process.stdout.write('heard ' + line + '\\n')
        const handler = new PythonHandler({ app: 'speaking_app:app', docroot: apps, stdio, loop: 'asyncio' })
        await handler.ready()
        handler.handleRequestSync({ url: '/lines?count=2' })
        handler.handleRequestSync({ url: '/partial' })
        ${end}`)
      const lines = [0, 1].flatMap((n) => [`heard line ${n} of stdout\n`, `heard line ${n} of stderr\n`])
      assert.equal(outcome.stdout, [...lines, 'heard no end\n'].join(''), outcome.stderr)
      assert.equal(outcome.code, end.startsWith('throw') ? 1 : 0)
    }
  })

  test('faulthandler, children and forks write to the descriptors', async () => {
    const outcome = await runNode(`
      const heard = []
      const stdio = (line) => heard.push(line)
      const handler = new PythonHandler({ app: 'speaking_app:app', docroot: apps, stdio })
      for (const name of ['dump', 'child', 'fork']) await handler.handleRequest({ url: '/' + name })
      await handler.close()
      console.log(JSON.stringify(heard))`)
    assert.deepEqual([outcome.code, outcome.result], [0, []], outcome.stderr)
    assert.match(outcome.stderr, /most recent call first[^]*speaking_app\.py", line \d+ in dump/)
    assert.match(outcome.stdout, /^from a child\nfrom a fork\n/)
    assert.match(outcome.stderr, /logged in a fork/)
  })

  test('a terminal is one, and so are its size and colours for libraries', async () => {
    const folder = join(repository, 'tests', 'node')
    const source = `import { PythonHandler } from 'asgi-node'
      const handler = new PythonHandler({ app: 'speaking_app:app', docroot: ${JSON.stringify(apps)} })
      const { stdout } = JSON.parse((await handler.handleRequest({ url: '/nature' })).body)
      console.log(stdout.isatty + ' ' + stdout.fileno)`
    const pty = `import os, pty, sys
pty.spawn([${JSON.stringify(process.execPath)}, '--input-type=module', '--eval', sys.argv[1]])`
    const child = spawn(process.env.ASGI_NODE_PYTHON ?? 'python3', ['-c', pty, source], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    for await (const data of child.stdout) output += data
    assert.match(output, /true 1/)
  })
})

describe('an access log that cannot be written', limits, () => {
  const serving = `import { createServer } from 'node:http'
    import { PythonHandler } from 'asgi-node'
    const handler = new PythonHandler({ app: 'main:app', docroot: ${JSON.stringify(apps)}, accessLog: true, blockedThreshold: 0 })
    const server = createServer(handler.listener).listen(0, '127.0.0.1', () => process.send(server.address().port))
    process.once('message', async () => {
      server.close()
      await handler.close()
      process.disconnect()
    })`

  /** A server whose stdout is this; gives what it says on stderr. */
  async function serveInto(t, stdout, during) {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', serving], {
      cwd: repository,
      stdio: ['ignore', stdout, 'pipe', 'ipc'],
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    })
    t.after(() => child.kill('SIGKILL'))
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (data) => (said += data))
    const [port] = await once(child, 'message')
    const request = async () => {
      const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })
      assert.equal(response.status, 200)
      await response.text()
    }
    await during(child, request, () => said)
    child.send('end')
    const [code, signal] = await once(child, 'exit')
    assert.deepEqual([code, signal], [0, null], said)
  }

  test('field_20 a full disk costs lines, and is told of once', async (t) => {
    const full = openSync('/dev/full', 'w')
    t.after(() => closeSync(full))
    await serveInto(t, full, async (_child, request, said) => {
      for (let i = 0; i < 3; i++) {
        await request()
        await sleep(50)
      }
      await until(() => said().includes('ENOSPC'))
      assert.equal(said().split('The access log cannot be written to stdout').length, 2, said())
    })
  })

  test('field_20 so does a reader that has gone', async (t) => {
    await serveInto(t, 'pipe', async (child, request, said) => {
      await request()
      await once(child.stdout, 'readable')
      child.stdout.destroy()
      for (let i = 0; i < 3; i++) {
        await request()
        await sleep(50)
      }
      await until(() => said().includes('EPIPE'))
      assert.equal(said().split('The access log cannot be written to stdout').length, 2, said())
    })
  })

  test('field_20 lines that can be written again are, and the log says how many were lost', async (t) => {
    const { Lines } = await import('../../npm/asgi-node/lib/log/access-lines.js')
    const listeners = process.stdout.listenerCount('error')
    const told = []
    const lines = new Lines({ write: (level, object, message) => void told.push([level, object.droppedLines, message]) })
    const written = []
    let failing = true
    t.mock.method(process.stdout, 'write', (text, done) => {
      if (failing) return done(new Error('ENOSPC: full'))
      written.push(text)
      done()
    })
    for (const line of ['one', 'two']) {
      lines.add(line)
      lines.flush()
    }
    failing = false
    lines.add('three')
    lines.flush()
    t.mock.restoreAll()
    assert.deepEqual(written, ['three\n'])
    assert.deepEqual(told, [
      ['error', undefined, 'The access log cannot be written to stdout: ENOSPC: full'],
      ['warn', 2, '2 lines of the access log were dropped: ENOSPC: full'],
    ])
    await sleep(5)
    assert.equal(process.stdout.listenerCount('error'), listeners)
  })
})
