// The options of PythonHandler: spellings, defaults, and errors that say which one. Needs no Python.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Log } from '../../npm/asgi-node/lib/log/logger.js'
import { checkMiddlewareOptions } from '../../npm/asgi-node/lib/http/middleware.js'
import { CONFIG_NAMES, EXTENSION_NAMES } from '../../npm/asgi-node/lib/native/protocol.js'
import { checkOptions, closeTimes } from '../../npm/asgi-node/lib/options/options.js'

const configOf = (options) => JSON.parse(checkOptions(options).config)

describe('options', () => {
  test('the configuration has the names that native code takes, and no others', () => {
    const config = configOf({ app: 'main:app' })
    assert.deepEqual(Object.keys(config).toSorted(), CONFIG_NAMES.toSorted())
    assert.deepEqual(Object.keys(config.extensions).toSorted(), EXTENSION_NAMES.toSorted())
  })

  test('defaults', () => {
    const { config, ...settings } = checkOptions({ app: 'main:app' })
    assert.deepEqual(JSON.parse(config), {
      app: 'main:app',
      factory: false,
      interface: 'auto',
      wsgiThreads: 10,
      docroot: process.cwd(),
      loop: 'auto',
      lifespan: 'auto',
      startupTimeout: 60_000,
      shutdownTimeout: 60_000,
      exitTimeout: 10_000,
      rootPath: '',
      rootPathStripped: false,
      highWaterMark: 65536,
      largestWindow: 1_048_576,
      maxConcurrency: 65536,
      maxQueue: 32,
      requestTimeout: 0,
      cancelOnDisconnect: false,
      extensions: { pathsend: false, zerocopysend: false },
      logLevel: 30,
      takesLines: false,
      blockedThreshold: 1000,
    })
    const { matches, ...websocket } = settings.websocket
    assert.ok(settings.log instanceof Log)
    delete settings.log
    assert.ok(matches('/any/path'))
    assert.deepEqual({ ...settings, websocket }, {
      docroot: process.cwd(),
      highWaterMark: 65536,
      deepbind: 'auto',
      python: undefined,
      venv: undefined,
      requestTimeout: 0,
      startupTimeout: 60_000,
      shutdownTimeout: 60_000,
      cancelOnDisconnect: false,
      maxBodySize: Infinity,
      trust: null,
      signal: undefined,
      websocket: {
        maxPayload: 16 * 1024 * 1024,
        maxQueue: 32,
        maxFragments: 131_072,
        pingInterval: 20_000,
        pingTimeout: 20_000,
        acceptTimeout: 10_000,
        perMessageDeflate: true,
      },
      stdio: null,
      accessLog: null,
      unhealthyAfter: 30_000,
      rewriter: undefined,
      workers: null,
      reload: null,
    })
  })

  test('each spelling of the app', () => {
    for (const options of [
      { app: 'pkg.main:site.app' },
      { appTarget: 'pkg.main:site.app' },
      { app: { module: 'pkg.main', attribute: 'site.app' } },
      { module: 'pkg.main', attribute: 'site.app' },
    ]) {
      assert.equal(configOf(options).app, 'pkg.main:site.app')
    }
    assert.equal(configOf({ app: { module: 'main' } }).app, 'main:app')
  })

  test('undefined means not given', () => {
    assert.equal(configOf({ app: 'main:app', loop: undefined, appTarget: undefined, docroot: undefined }).loop, 'auto')
  })

  test('docroot becomes absolute, rootPath loses its last slash', () => {
    const config = configOf({ app: 'a:b', docroot: 'x', rootPath: '/api/' })
    assert.deepEqual([config.docroot, config.rootPath], [`${process.cwd()}/x`, '/api'])
    assert.equal(configOf({ app: 'a:b', rootPath: '/' }).rootPath, '')
  })

  test('an unknown option is named, and the nearest known one', () => {
    const nearest = { docRoot: 'docroot', apptarget: 'appTarget', highWatermark: 'highWaterMark', root_path: 'rootPath', pyhton: 'python' }
    for (const [name, known] of Object.entries(nearest)) {
      assert.throws(() => checkOptions({ app: 'a:b', [name]: 1 }), (error) => {
        assert.ok(error instanceof TypeError && error.message.includes(`"${name}"`), error.message)
        assert.ok(error.message.includes(`Did you mean "${known}"`), error.message)
        return true
      })
    }
    assert.throws(() => checkOptions({ app: 'a:b', somethingElse: 1 }), /^TypeError: Unknown option "somethingElse"$/)
    assert.throws(() => checkOptions({ app: 'a:b', constructor: 1 }), /Unknown option "constructor"/)
  })

  test('a wrong value is a TypeError that names its option', () => {
    const wrong = {
      app: [7, null, true, '', 'main', ':app', 'main:', 'a:b:c', 'a:b\0', {}, { module: 7 }, { module: 'a', atribute: 'b' }, { module: 'a:b' }],
      docroot: [7, '', 'a\0b'],
      factory: ['yes', 1],
      interface: ['asgi', true, ''],
      wsgiThreads: [0, 1025, 1.5, '2', null],
      python: [true, ''],
      venv: [[], ''],
      loop: ['trio', 7],
      signal: [null, {}, 'SIGTERM', new AbortController()],
      rootPath: [7, 'api'],
      highWaterMark: [0, -1, 1.5, '1', NaN, 2 ** 31],
      maxConcurrency: [0, null],
      rootPathStripped: ['no', 1, null],
      maxBodySize: [-1, 1.5, '1', NaN, null],
      trustProxy: [-1, 1.5, NaN, null, {}, [7], '', 'localhost', '10.0.0.0/33', '::/129', '10.0.0/8', '10.0.0.0/', '1.2.3.4/8/8', 'fe80::1%eth0', 'Loopback', ['loopback', '']],
      deepbind: ['yes', 1],
      websocket: [null, [], 7, { maxPayload: 0 }, { pingInterval: -1 }, { maxQueue: 1.5 }, { perMessageDeflate: 1 }, { other: 1 }],
      logger: [null, 7, 'pino', {}, { info() {} }, { debug() {}, info() {}, warn() {}, error: 'x' }],
      accessLog: [null, 7, '', 'common', 'toString', {}],
      stdio: [null, 7, 'pipe', {}],
      blockedThreshold: [-1, 1.5, '1', NaN, null, 2 ** 31],
      unhealthyAfter: [0, -1, 1.5, null],
      upgrade: [null, 'x', { match: 'ws' }, { match: 7 }, { other: 1 }],
    }
    for (const [name, values] of Object.entries(wrong)) {
      for (const value of values) {
        const check = (error) => error instanceof TypeError && new RegExp(name === 'app' ? 'app|module|attribute' : name).test(error.message)
        assert.throws(() => checkOptions({ app: 'main:app', [name]: value }), check, `${name}: ${String(JSON.stringify(value))}`)
      }
    }
  })

  test('field_26 half of a surrogate pair, which Python could not take, is named with its option', () => {
    const wrong = { app: 'm\ud800:app', docroot: '/tmp/\udfff', python: '/\ud800', venv: '\udc00x', rootPath: '/\ud800' }
    for (const [name, value] of Object.entries(wrong)) {
      const message = new RegExp(`^Option ${name} must be text, but has half of a surrogate pair`)
      assert.throws(() => checkOptions({ app: 'main:app', [name]: value }), { name: 'TypeError', message })
    }
    for (const [name, value] of Object.entries({ module: 'm\ud800', attribute: 'a\ud800' })) {
      assert.throws(() => checkOptions({ module: 'main', [name]: value }), { name: 'TypeError', message: /half of a surrogate pair/ })
    }
    assert.doesNotThrow(() => checkOptions({ app: 'main:app', docroot: '/tmp/\ud83d\ude00' }))
  })

  test('what is wanted of a number is said', () => {
    const time = 'a whole number of milliseconds from'
    for (const [option, value, message] of [
      ['requestTimeout', 1.5, `Option requestTimeout must be ${time} 0 to 2^31 - 1, not 1.5`],
      ['unhealthyAfter', 0, `Option unhealthyAfter must be ${time} 1 to 2^31 - 1, not 0`],
      ['unhealthyAfter', NaN, `Option unhealthyAfter must be ${time} 1 to 2^31 - 1, not NaN`],
      ['highWaterMark', 0, 'Option highWaterMark must be a whole number of bytes from 1 to 2^31 - 1, not 0'],
      ['wsgiThreads', 1025, 'Option wsgiThreads must be a whole number of threads from 1 to 1024, not 1025'],
      ['websocket', { maxQueue: 0 }, 'Option websocket.maxQueue must be a whole number of messages from 1 to 2^31 - 1, not 0'],
      ['workers', { maxMemory: -1 }, 'Option workers.maxMemory must be a whole number of bytes from 0 to 2^53 - 1, not -1'],
      ['maxBodySize', 1.5, 'Option maxBodySize must be a whole number of bytes, or Infinity, not 1.5'],
      ['stdio', 'pipe', "Option stdio must be 'inherit' or a function (line, stream), not \"pipe\""],
      ['app', 7, 'Option app must be a string "module:attribute" or { module, attribute }, not 7'],
      ['loop', 'trio', 'Option loop must be one of "auto", "asyncio", "uvloop", not "trio"'],
    ]) {
      assert.throws(() => checkOptions({ app: 'a:b', [option]: value }), { name: 'TypeError', message })
    }
  })

  test('an option group is an object, and what is unknown in it has its full name', () => {
    const workers = 'count, maxRequests, maxRequestsJitter, maxMemory, maxAge, killBlockedAfter, drainTimeout, resourceLimits'
    const websocket = 'maxPayload, maxQueue, maxFragments, pingInterval, pingTimeout, acceptTimeout, perMessageDeflate'
    const groups = {
      app: ['atribute', 'attribute', 'module, attribute', 'a string "module:attribute" or { module, attribute }'],
      extensions: ['pathsnd', 'pathsend', 'pathsend, zerocopysend'],
      websocket: ['maxPayloads', 'maxPayload', websocket],
      upgrade: ['mach', 'match', 'match'],
      workers: ['cont', 'count', workers, `a number of processes, or an object with ${workers}`],
      'workers.resourceLimits': ['memroy', 'memory', 'memory'],
      reload: ['dlay', 'delay', 'paths, include, exclude, delay', 'a boolean, or an object with paths, include, exclude, delay'],
    }
    for (const [group, [misspelt, known, all, expected = `an object with ${all}`]] of Object.entries(groups)) {
      const [option, inner] = group.split('.')
      const check = (value) => () => checkOptions({ app: 'a:b', [option]: inner === undefined ? value : { [inner]: value } })
      assert.throws(check({ [misspelt]: 1 }), { name: 'TypeError', message: `Unknown option "${group}.${misspelt}". Did you mean "${group}.${known}"?` })
      assert.throws(check({ somethingElse: 1 }), { name: 'TypeError', message: `Unknown option "${group}.somethingElse": ${group} has ${all}` })
      assert.throws(check([]), { name: 'TypeError', message: `Option ${group} must be ${expected}, not an array` })
      assert.throws(check(new Map()), { name: 'TypeError', message: `Option ${group} must be ${expected}, not an instance of Map` })
      if (option !== 'workers' || inner !== undefined) assert.throws(check(null), { name: 'TypeError', message: `Option ${group} must be ${expected}, not null` })
    }
    for (const name of workers.split(', ').slice(0, -1)) {
      assert.throws(() => checkOptions({ app: 'a:b', workers: { [name]: null } }), { name: 'TypeError', message: new RegExp(`^Option workers\\.${name} must be a whole number of .*, not null$`) })
    }
    assert.throws(() => checkOptions({ app: { module: 'a:b' } }), { message: 'Option app.module must not contain ":", but is "a:b"' })
  })

  test('the options of close() and middleware()', () => {
    assert.deepEqual([undefined, {}, { timeout: undefined }, { timeout: 0 }].map((options) => closeTimes(options).timeout), [30_000, 30_000, 30_000, 0])
    assert.deepEqual([{}, { delay: undefined }, { delay: 5 }].map((options) => closeTimes(options).delay), [0, 0, 5])
    for (const [check, value, message] of [
      [closeTimes, null, 'The options of close() must be an object, not null'],
      [closeTimes, 5, 'The options of close() must be an object, not 5'],
      [closeTimes, [], 'The options of close() must be an object, not an array'],
      [closeTimes, { timout: 5 }, 'Unknown option "timout". Did you mean "timeout"?'],
      [closeTimes, { force: true }, 'Unknown option "force": close() has timeout, delay'],
      [closeTimes, { delay: -1 }, 'Option delay must be a whole number of milliseconds from 0 to 2^31 - 1, not -1'],
      [closeTimes, { timeout: null }, 'Option timeout must be a whole number of milliseconds from 0 to 2^31 - 1, not null'],
      [checkMiddlewareOptions, null, 'The options of middleware() must be an object, not null'],
      [checkMiddlewareOptions, { fallThrough: true }, 'Unknown option "fallThrough". Did you mean "fallthrough"?'],
      [checkMiddlewareOptions, { x: 1 }, 'Unknown option "x": middleware() has fallthrough'],
    ]) {
      assert.throws(() => check(value), { name: 'TypeError', message })
    }
  })

  test('each spelling of trustProxy', () => {
    for (const nobody of [false, 0, []]) assert.equal(checkOptions({ app: 'a:b', trustProxy: nobody }).trust, null)
    for (const somebody of [true, 2, '10.0.0.1', '10.0.0.0/8, ::1', 'loopback', ['unix', 'linklocal', 'uniquelocal', 'fd00::/8']]) {
      assert.notEqual(checkOptions({ app: 'a:b', trustProxy: somebody }).trust, null)
    }
  })

  test('options that contradict each other', () => {
    assert.throws(() => checkOptions({}), /app is missing/)
    assert.throws(() => checkOptions({ app: 'a:b', module: 'c' }), /cannot be used together/)
    assert.throws(() => checkOptions({ app: 'a:b', attribute: 'c' }), /attribute/)
    assert.throws(() => checkOptions({ app: 'a:b', python: 'p', venv: 'v' }), /python and venv/)
    for (const options of [undefined, null, 'main:app', 7, []]) assert.throws(() => checkOptions(options), TypeError)
  })
})
