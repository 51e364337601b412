// Python's logging in a JavaScript logger: pino itself, the console, loggers that are broken or slow.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import pino from 'pino'
import { call, makeHandler, runNode, serve, until } from '../node/support.mjs'

const limits = { timeout: 110_000 }

/** A pino logger, and the lines that it has written, parsed. */
function recorder(options = {}) {
  const lines = []
  const write = (text) => {
    lines.push(JSON.parse(text))
    // Of a name that stands there twice JSON.parse shows the last only.
    const names = [...text.replace(/"extra":\{.*?\}/, '').matchAll(/"(level|time|pid|hostname|msg|logger)":/g)].map(([, name]) => name)
    if (names.length !== new Set(names).size) lines.push({ msg: `twice: ${text}` })
  }
  return { logger: pino(options, { write }), lines }
}

/** Calls an app whose logger is pino, and gives the lines of `count` records. */
function speaker(scope, options = {}, pinoOptions = {}) {
  const { logger, lines } = recorder(pinoOptions)
  const handler = makeHandler(scope, 'speaking_app:app', { logger, ...options })
  const said = async (path, count) => {
    const from = lines.length
    await call(handler, path).catch(() => {})
    await until(() => lines.length >= from + count, `${count} lines of ${path}`)
    return lines.slice(from)
  }
  return { handler, lines, said }
}

describe('records in pino', limits, () => {
  const { lines, said, handler } = speaker({ after }, {}, { level: 'trace' })

  test('each level has the name that pino has for it; one of the app\'s own has its number and name too', async () => {
    const found = await said('/levels', 7)
    assert.deepEqual(found.map(({ level, msg, levelName }) => [level, msg, levelName]), [
      [10, 'level 5', 'Level 5'], [20, 'level 10', undefined], [30, 'level 20', undefined], [30, 'level 25', 'Level 25'],
      [40, 'level 30', undefined], [50, 'level 40', undefined], [60, 'level 50', undefined],
    ])
    assert.deepEqual(new Set(found.map(({ logger }) => logger)), new Set(['shop.db']))
  })

  test('extra fields come as JSON has them; what pino writes itself stands apart', async () => {
    const [line, ...more] = await said('/fields', 1)
    assert.deepEqual(more, [])
    const { user, tags, when, big, nan, odd, surrogate, nul, level, extra } = line
    assert.deepEqual({ user, tags, when, big, nan, odd, surrogate, nul, level, extra }, {
      user: 'ann', tags: ['a', { b: 1.5 }], when: [1, 2], big: String(2n ** 60n), nan: 'nan', odd: '(Odd, whose repr raised)',
      surrogate: '\ud800', nul: '\0', level: 40, extra: { level: 'mine', time: 1 },
    })
  })

  test('field_26 a field called __proto__ is one like any other', async (t) => {
    const seen = []
    const note = (object) => void seen.push(object)
    const handler = makeHandler(t, 'speaking_app:app', { logger: { level: 'debug', debug: note, info: note, warn: note, error: note } })
    await call(handler, '/prototype')
    await until(() => seen.length > 0)
    const [record] = seen
    assert.equal(Object.getPrototypeOf(record), Object.prototype)
    assert.equal(record.isAdmin, undefined)
    assert.deepEqual(Object.getOwnPropertyDescriptor(record, '__proto__').value, { isAdmin: true })
  })

  test('of long and deep fields the beginning comes, with a mark; of one that cannot be read its type', async () => {
    const [{ row, map, deep, lazy }] = await said('/large', 1)
    assert.deepEqual([row.length, row[999], row[1000]], [1001, 999, '… 500 more'])
    assert.deepEqual([Object.keys(map).length, map['999'], map['…']], [1001, 999, '2 more'])
    assert.deepEqual(deep, [[[[[[[['[[[]]]']]]]]]]])
    assert.equal(lazy, "{'a': 'b'}")
  })

  test('exceptions are errors with the traceback, also those that cannot be shown', async () => {
    const [plain, odd, stack] = await said('/raised', 3)
    assert.deepEqual([plain.level, plain.msg, plain.err.code, plain.err.message], [50, 'it raised', 'PYTHON_EXCEPTION', 'ValueError: of the app'])
    assert.match(plain.err.stack, /^Traceback \(most recent call last\):\n {2}File ".*speaking_app\.py", line \d+, in raised\n[^]*ValueError: of the app$/)
    assert.equal(odd.err.message, 'OddError (showing it raised KeyboardInterrupt)')
    assert.match(stack.stack, /^Stack \(most recent call last\):\n[^]*speaking_app\.py/)
  })

  test('threads, warnings of asyncio and lines of uvicorn\'s loggers come too', async () => {
    assert.deepEqual((await said('/threads', 1)).map(({ msg }) => msg), ['from a thread'])
    const [forgotten] = await said('/forgotten', 1)
    assert.deepEqual([forgotten.logger, forgotten.msg.split('\n')[0]], ['asyncio', 'Future exception was never retrieved'])
    for (const name of ['uvicorn', 'uvicorn.error', 'uvicorn.access']) {
      const [line] = await said(`/named?name=${name}&level=20&text=of-${name}`, 1)
      assert.deepEqual([line.logger, line.level, line.msg], [name, 30, `of-${name}`])
    }
  })

  test('the exception of a thread is told, unless the app has a hook of its own for that', async () => {
    const [plain] = await said('/fails?way=plain', 1)
    assert.deepEqual([plain.logger, plain.level, plain.msg], ['asgi_node', 50, 'Exception in thread worker'])
    assert.match(plain.err.stack, /^Traceback [^]*threading\.py[^]*ValueError: invalid literal for int/)
    await said('/fails?way=exit', 0)
    const [hooked] = await said('/fails?way=hooked', 1)
    assert.match(hooked.msg, /^of the hook: invalid literal/)
  })

  test('an exception of the app is told once: to the caller, else to the log with method, path and id', async (t) => {
    const from = lines.length
    await assert.rejects(call(handler, '/fail'), { code: 'APP_ERROR' })
    const { url } = await serve(t, handler.listener)
    assert.equal((await fetch(`${url}/fail?secret=1`, { method: 'POST' })).status, 500)
    await call(handler, '/late')
    await until(() => lines.length >= from + 2)
    // A further line would come with or before this one.
    await said('/named?name=last', 1)
    const [failed, late, last] = lines.slice(from)
    assert.equal(last.msg, 'text')
    assert.deepEqual([failed.level, failed.method, failed.path, typeof failed.id], [50, 'POST', '/fail', 'number'])
    assert.deepEqual([failed.err.code, failed.err.message], ['APP_ERROR', 'RuntimeError: of the app'])
    assert.match(failed.err.traceback, /^Traceback [^]*speaking_app\.py[^]*RuntimeError: of the app$/)
    // What log viewers show.
    assert.equal(failed.err.stack, failed.err.traceback)
    assert.equal(failed.msg, 'Exception in ASGI application: POST /fail')
    assert.deepEqual([late.logger, late.method, late.path, late.id > failed.id], ['asgi_node', 'GET', '/late', true])
    assert.match(late.err.stack, /RuntimeError: after the response$/)
    assert.equal(late.msg, 'Exception in ASGI application: GET /late')
  })

  test('field_22 an exception that the application has logged itself is not logged again', async (t) => {
    const { logger, lines } = recorder()
    const raising = makeHandler(t, 'raising_apps:plain', { factory: true, lifespan: 'off', logger })
    for (let round = 1; round <= 3; round += 1) {
      assert.equal((await call(raising, '/boom')).status, 500)
      // A record of ours would come behind it, and before that of the next round.
      await until(() => lines.length >= round, 'the record of the application')
    }
    const own = ['plain', 'failed', 'LookupError: boom']
    assert.deepEqual(lines.map((line) => [line.logger, line.msg, line.err.message]), [own, own, own])
  })

  test('field_22 nor is one that it raises before its response', async (t) => {
    const { logger, lines } = recorder()
    const raising = makeHandler(t, 'raising_apps:unanswered', { factory: true, lifespan: 'off', logger })
    const { url } = await serve(t, raising.listener)
    for (const path of ['/boom', '/boom', '/unlogged', '/boom']) assert.equal((await fetch(url + path)).status, 500)
    await until(() => lines.length >= 4)
    const own = ['unanswered', 'failed', 'LookupError: boom']
    const ours = [undefined, 'Exception in ASGI application: GET /unlogged', 'LookupError: boom']
    assert.deepEqual(lines.map((line) => [line.logger, line.msg, line.err.message]), [own, own, ours, own])
    // Whoever asked from JavaScript has it in any case.
    await assert.rejects(call(raising, '/boom'), { code: 'APP_ERROR', message: 'LookupError: boom' })
    assert.equal(raising.health().errorsTotal, 5)
  })

  test('the id is that which others gave the request', async (t) => {
    const { url } = await serve(t, (req, res) => handler.listener(Object.assign(req, { id: 'req-7' }), res))
    const from = lines.length
    await (await fetch(`${url}/fail`)).text()
    await until(() => lines.length > from)
    assert.equal(lines[from].id, 'req-7')
  })
})

describe('which handler hears it', limits, () => {
  test('each app speaks to its own; the level of each is what its logger wants', async (t) => {
    const first = speaker(t, {}, { level: 'warn' })
    await first.handler.ready()
    const second = speaker(t, {}, { level: 'info' })
    await second.said('/named?name=shop.second&level=20&text=second', 1)
    await first.said('/named?name=shop.first&level=20&text=kept-back', 0)
    await first.said('/named?name=shop.first&level=30&text=first', 1)
    assert.deepEqual([first.lines.map(({ msg }) => msg), second.lines.map(({ msg }) => msg)], [['first'], ['second']])
    await first.handler.close()
    await second.said('/threads', 1)
    assert.equal(second.lines.at(-1).msg, 'from a thread')
  })

  // The loop is everybody's: the handler that has been open longest is told, and here it is the only one.
  for (const loop of ['asyncio', 'uvloop']) {
    test(`sys.exit() in a task or a callback is told once, as an error: ${loop}`, async (t) => {
      const { said } = speaker(t, { loop, lifespan: 'off' })
      for (const where of ['task', 'callback']) {
        const [first] = await said(`/ends?where=${where}`, 1)
        const [second] = await said('/named?name=last', 1)
        assert.deepEqual([first.logger, first.msg], ['asgi_node', 'an application tried to end the process from its event loop, which goes on'])
        assert.equal(first.err.message, 'SystemExit: 3')
        assert.match(first.err.stack, where === 'task' ? /speaking_app\.py", line \d+, in leave\n[^]*SystemExit: 3$/ : /SystemExit: 3$/)
        assert.equal(second.logger, 'last')
      }
    })
  }

  test('a record that finds nobody goes to stderr, as in plain Python', async () => {
    const outcome = await runNode(`
      const options = { app: 'speaking_app:app', docroot: apps }
      const handler = new PythonHandler({ ...options, logger: { debug() {}, info() {}, warn() {}, error() {} } })
      await handler.handleRequest({ url: '/levels' })
      await handler.close()
      const silent = new PythonHandler({ ...options, logger: (await import('pino')).default({ level: 'silent' }) })
      await silent.handleRequest({ url: '/levels' })
      console.log('{}')`)
    assert.deepEqual([outcome.code, outcome.stderr], [0, ''])
  })
})

describe('loggers that misbehave', limits, () => {
  test('one that throws, or rejects, hurts nobody: the console has the line', async () => {
    const outcome = await runNode(`
      const fail = () => { throw new Error('of the logger') }
      const logger = { debug: fail, info: fail, warn: fail, error: async () => fail() }
      const handler = new PythonHandler({ app: 'speaking_app:app', docroot: apps, logger })
      for (const name of ['levels', 'fail', 'late', 'levels']) await handler.handleRequest({ url: '/' + name }).catch(() => {})
      await handler.close()
      console.log(JSON.stringify({ ok: true }))`)
    assert.deepEqual([outcome.code, outcome.result], [0, { ok: true }], outcome.stderr)
    assert.equal(outcome.stderr.match(/The option logger of a PythonHandler has thrown/g).length, 1)
    assert.equal(outcome.stderr.match(/shop\.db: level 30/g).length, 2)
    assert.equal(outcome.stderr.match(/shop\.db: level 50/g).length, 2)
    assert.match(outcome.stderr, /RuntimeError: after the response/)
  })

  test('while Node is stuck, Python is not: what does not fit is dropped, counted and told of', async () => {
    const seen = []
    const note = (object, message) => void seen.push([object, message])
    const logger = { debug: note, info: note, warn: note, error: note }
    const handler = makeHandler({ after }, 'speaking_app:app', { logger, blockedThreshold: 0 })
    await handler.ready()
    const count = 30_000
    const begun = performance.now()
    handler.handleRequestSync({ url: `/flood?count=${count}` })
    const took = performance.now() - begun
    const dropped = await until(() => seen.find(([object]) => object.droppedRecords > 0))
    const records = await until(() => {
      const found = seen.filter(([, message]) => /^record \d+$/.test(message))
      return found.length + dropped[0].droppedRecords === count && found
    })
    assert.ok(records.length >= 10_000, records.length)
    // In their order, from the first.
    assert.deepEqual(records.slice(0, 10_000).map(([, message]) => message), Array.from({ length: 10_000 }, (_, number) => `record ${number}`))
    assert.equal(dropped[1], `${dropped[0].droppedRecords} log records of Python were dropped: JavaScript did not take them in time`)
    assert.ok(took < 30_000, took)
  })
})

describe('an app that configures logging itself', limits, () => {
  /** What stdout, stderr and pino have of some records after `configure`. */
  async function after(way, more = '') {
    const outcome = await runNode(`
      import pino from 'pino'
      const seen = []
      const logger = pino({ level: 'debug' }, { write: (text) => seen.push(JSON.parse(text)) })
      const handler = new PythonHandler({ app: 'speaking_app:app', docroot: apps, logger })
      const get = (url) => handler.handleRequest({ url })
      await get('/configure?way=${way}')
      await get('/named?name=shop.db&level=20&text=one')
      await get('/named?name=shop.db&level=10&text=two')
      await get('/named?name=other&level=20&text=three')
      await get('/named?name=other&level=30&text=four')
      ${more}
      await handler.close()
      process.stdout.write('\\n' + JSON.stringify(seen.map(({ logger, msg }) => [logger, msg])))`)
    assert.equal(outcome.code, 0, outcome.stderr)
    return { stdout: outcome.stdout.trim().split('\n').slice(0, -1).filter(Boolean), stderr: outcome.stderr.trim().split('\n').filter(Boolean), pino: outcome.result }
  }

  test('basicConfig(level=INFO): its handler has all of it, pino nothing, and the level is its own', async () => {
    const said = await after('basic')
    assert.deepEqual(said, { stdout: [], stderr: ['BASIC shop.db one', 'BASIC other three', 'BASIC other four'], pino: [] })
  })

  test('basicConfig() without a level means WARNING, as always', async () => {
    assert.deepEqual(await after('plain'), { stdout: [], stderr: ['PLAIN other four'], pino: [] })
  })

  test('setLevel and addHandler on the root logger', async () => {
    assert.deepEqual(await after('root'), { stdout: ['one', 'three', 'four'], stderr: [], pino: [] })
  })

  test('dictConfig for some loggers: theirs is theirs, pino has the rest, nothing twice', async () => {
    const said = await after('dict', "await get('/late')")
    assert.deepEqual(said.stdout, ['one'])
    assert.deepEqual(said.stderr, [])
    // dictConfig switches off the loggers that were there before; ours is not among them.
    assert.deepEqual(said.pino, [['other', 'three'], ['other', 'four'], ['asgi_node', 'Exception in ASGI application: GET /late']])
  })

  test('logging.warning and the like decide nothing, although Python configures itself for them', async () => {
    const three = [['root', 'of the module'], ['root', 'of the module'], ['root', 'of the module']]
    const rest = [['shop.db', 'one'], ['other', 'three'], ['other', 'four']]
    const [module, level] = [await after('module'), await after('level')]
    assert.deepEqual(module, { stdout: [], stderr: [], pino: [...three, rest[0], ['shop.db', 'two'], ...rest.slice(1)] })
    // The level is the app's decision, where the records go is not.
    assert.deepEqual(level, { stdout: [], stderr: [], pino: [three[0], ...rest] })
  })

  test('basicConfig() of the app itself is a decision, even without a word', async () => {
    assert.deepEqual(await after('bare'), { stdout: [], stderr: ['WARNING:other:four'], pino: [] })
  })

  test('asgi_node.logs.Handler in a basicConfig: the message is the message, unless it has a formatter', async () => {
    const said = await after('basic-ours')
    assert.deepEqual(said, { stdout: [], stderr: [], pino: [['shop.db', 'one'], ['other', 'three'], ['other', 'four']] })
    assert.deepEqual((await after('formatted')).pino, [['shop.db', '<one>'], ['other', '<three>'], ['other', '<four>']])
  })

  test('asgi_node.logs.Handler by name in a dictConfig', async () => {
    // Its own logger was there before, so dictConfig has switched it off.
    assert.deepEqual((await after('ours')).pino, [['other', 'three'], ['other', 'four']])
  })
})
