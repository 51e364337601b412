// The interpreter inside Node: that it is the chosen one, looks like plain Python from inside, and uses its own libraries.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { PythonHandler } from 'asgi-node'
import { apps, callJson, makeHandler, plainPython, pythonExecutable, runNode, runNodeCleanly, temporaryFolder } from '../node/support.mjs'

const limits = { timeout: 60_000 }
const handler = makeHandler({ after }, 'facts_app:app')

/** What plain Python says about itself, as `facts_app` does inside Node. */
const outside = (group, env) =>
  plainPython(`import sys, json; sys.path.insert(0, ${JSON.stringify(apps)}); import facts_app; print(json.dumps(facts_app.${group}()))`, env)

describe('PythonHandler.python', limits, () => {
  test('tells what was chosen and why', async () => {
    await handler.ready()
    const { python } = PythonHandler
    const inside = await callJson(handler, '/interpreter')
    assert.equal(python.executable, inside.executable)
    assert.equal(python.version, inside.version.join('.'))
    assert.ok(existsSync(python.libpython), python.libpython)
    assert.match(basename(python.libpython), /^libpython3\.\d+/)
    assert.equal(python.venv, inside.prefix === inside.base_prefix ? null : inside.prefix)
    assert.ok(['asyncio', 'uvloop'].includes(python.loop), python.loop)
    assert.equal(typeof python.deepbind, 'boolean')
    assert.equal(typeof python.source, 'string')
    if (process.env.ASGI_NODE_PYTHON) assert.equal(python.source, 'ASGI_NODE_PYTHON')
  })

  test('is null before the start', async () => {
    const before = await runNodeCleanly(`console.log(JSON.stringify(PythonHandler.python ?? null))`)
    assert.equal(before, null)
  })

  test('a second interpreter in one process is a PYTHON_CONFLICT that names both', async (t) => {
    await handler.ready()
    const folder = temporaryFolder(t)
    const other = join(folder, 'other')
    await plainPython(`import json, venv; venv.create(${JSON.stringify(other)}, with_pip=False); print(json.dumps(1))`)
    const second = makeHandler(t, 'main:app', { venv: other })
    await assert.rejects(second.ready(), (error) => {
      assert.equal(error.code, 'PYTHON_CONFLICT')
      assert.ok(error.message.includes(other), error.message)
      assert.ok(error.message.includes(PythonHandler.python.executable), error.message)
      return true
    })
  })
})

describe('seen from inside', limits, () => {
  test('executable, prefixes, version and site are those of plain Python', async () => {
    const inside = await callJson(handler, '/interpreter')
    const plain = await outside('interpreter')
    for (const name of ['executable', 'prefix', 'base_prefix', 'version', 'site']) {
      assert.deepEqual(inside[name], plain[name], name)
    }
    assert.equal(realpathSync(inside.executable), realpathSync(pythonExecutable()))
    assert.equal(inside.path0, apps)
    assert.ok(inside.argv.length >= 1 && inside.argv.every((argument) => typeof argument === 'string'))
    assert.notEqual(inside.executable, process.execPath)
  })

  test('a site-packages package works: numpy comes from the prefix', async () => {
    const { prefix } = await callJson(handler, '/interpreter')
    const { version, trace } = await callJson(handler, '/numpy')
    assert.match(version, /^\d+\.\d+/)
    assert.equal(trace, 251616502500)
    const { file } = await callJson(handler, '/import?module=numpy')
    assert.ok(realpathSync(file).startsWith(realpathSync(prefix)), file)
  })

  test('an app cannot take the signals of Node', async () => {
    assert.equal((await callJson(handler, '/threads')).signal, 'ValueError')
  })

  test('without LANG text is UTF-8 all the same', async () => {
    const env = { LANG: undefined, LC_ALL: undefined, LC_CTYPE: undefined, PYTHONUTF8: undefined, PYTHONIOENCODING: undefined }
    const inside = await runNodeCleanly(
      `const handler = new PythonHandler({ app: 'facts_app:app', docroot: apps })
      const response = await handler.handleRequest(new Request({ url: '/text' }))
      console.log(response.body.toString())`,
      { env },
    )
    assert.deepEqual(inside, await outside('text', env))
    assert.match(inside.filesystem, /^utf-?8$/i)
    assert.match(inside.stdout, /^utf-?8$/i)
    assert.match(inside.stderr, /^utf-?8$/i)
    assert.equal(inside.roundtrip, 'Grüße/日本')
  })

  test("variables that change Python's start mean what they mean to python", async () => {
    const none = { LANG: undefined, LC_ALL: undefined, LC_CTYPE: undefined, PYTHONUTF8: undefined }
    const environments = [
      { ...none, PYTHONHASHSEED: '7', PYTHONTRACEMALLOC: '3' },
      { ...none, PYTHONHASHSEED: '0', PYTHONUTF8: '0', PYTHONSAFEPATH: '1' },
      { ...none, PYTHONHASHSEED: '4294967295', PYTHONUTF8: '1', PYTHONDEVMODE: '1', LC_ALL: 'C.UTF-8' },
    ]
    for (const env of environments) {
      const source = `const handler = new PythonHandler({ app: 'facts_app:app', docroot: apps, blockedThreshold: 0 })
        const response = await handler.handleRequest(new Request({ url: '/interpreter' }))
        console.log(response.body.toString())`
      // Development mode warns on stderr.
      const { code, result, stderr } = await runNode(source, { env })
      assert.equal(code, 0, stderr)
      const plain = await outside('interpreter', env)
      // site is run later here.
      const { flags, hash, tracemalloc } = result
      assert.deepEqual({ flags: { ...flags, no_site: 0 }, hash, tracemalloc }, { flags: plain.flags, hash: plain.hash, tracemalloc: plain.tracemalloc })
    }
  })

  test('recursion in C goes as deep as in plain Python, and never through the stack', async () => {
    const inside = await runNodeCleanly(`
      const handler = new PythonHandler({ app: 'facts_app:app', docroot: apps })
      const response = await handler.handleRequest(new Request({ url: '/recursion' }))
      console.log(JSON.stringify(JSON.parse(response.body.toString()).outcome))`)
    assert.equal(inside, await outside('recurse'))
  })
})

describe('libraries that Node has copies of', limits, () => {
  test('versions are those of plain Python', async () => {
    const inside = await callJson(handler, '/libraries')
    const plain = await outside('libraries')
    for (const name of ['openssl', 'zlib', 'uvloop']) assert.equal(inside[name], plain[name], name)
  })

  test('no symbol of theirs is bound to Node: OpenSSL, zlib, brotli, libuv', async (t) => {
    const folder = temporaryFolder(t)
    const outcome = await runNode(
      `const handler = new PythonHandler({ app: 'facts_app:app', docroot: apps })
      for (const url of ['libraries', 'numpy', 'import?module=uvloop', 'import?module=sqlite3', 'import?module=hashlib', 'threads']) {
        await handler.handleRequest(new Request({ url: '/' + url }))
      }
      console.log(JSON.stringify(PythonHandler.python.deepbind))`,
      { env: { LD_DEBUG: 'bindings', LD_DEBUG_OUTPUT: join(folder, 'bindings') } },
    )
    assert.deepEqual([outcome.code, outcome.result], [0, true], outcome.stderr)
    const symbols = /^(SSL|EVP|OPENSSL|CRYPTO|X509|BIO|ERR|ASN1|BN|EC|RSA|PEM|uv|deflate|inflate|crc32|adler32|zlib|compress|uncompress|gz|Brotli)(_|[A-Z0-9]|$)/
    const line = /binding file (\S+) \[\d+\] to (\S+) \[\d+\]: \w+ symbol `([^']+)'/g
    const node = basename(process.execPath)
    const counts = { fromNode: 0, own: 0, hijacked: [] }
    for (const name of readdirSync(folder)) {
      for (const [, from, to, symbol] of readFileSync(join(folder, name), 'latin1').matchAll(line)) {
        if (basename(from) === node) counts.fromNode += 1
        else if (!symbols.test(symbol)) continue
        else if (basename(to) === node) counts.hijacked.push(`${basename(from)}: ${symbol}`)
        else counts.own += 1
      }
    }
    t.diagnostic(`${counts.own} symbols bound to Python's own libraries, ${counts.hijacked.length} to Node`)
    assert.ok(counts.fromNode > 0, 'the log does not name Node: this test sees nothing')
    assert.ok(counts.own > 500, `only ${counts.own} symbols seen: ssl, zlib and uvloop were not all loaded`)
    assert.deepEqual(counts.hijacked, [])
  })
})
