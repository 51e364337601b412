// The extensions that send files (asgi_124, asgi_125): Node reads them, Python only names them.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { PythonHandler } from 'asgi-node'
import { bytes, openSocket, rawExchange, run, serveApp, sha256, temporaryFolder, text, until, call } from '../node/support.mjs'

const limits = { timeout: 20_000 }

describe('pathsend and zerocopysend', limits, () => {
  const site = serveApp({ before, after }, 'files_app:app', { extensions: { pathsend: true, zerocopysend: true } })
  const content = bytes(3_000_000)
  const folder = temporaryFolder({ after }, { empty: '' })
  const big = join(folder, 'big')
  writeFileSync(big, content)
  const descriptors = () => readdirSync('/proc/self/fd').length
  const get = async (path, init) => {
    const response = await fetch(`${site.url}${path}`, init)
    return { response, body: Buffer.from(await response.arrayBuffer()) }
  }

  test('asgi_124 a file by its path, whole', async () => {
    const { body } = await get(`/path?file=${big}`)
    assert.equal(sha256(body), sha256(content))
    const sized = await get(`/path?file=${big}&length=3000000`)
    assert.equal(sized.response.headers.get('content-length'), '3000000')
    assert.equal(sha256(sized.body), sha256(content))
  })

  test('asgi_124 an empty file, and HEAD', async () => {
    assert.equal((await get(`/path?file=${join(folder, 'empty')}`)).body.length, 0)
    const { response, body } = await get(`/path?file=${big}&length=3000000`, { method: 'HEAD' })
    assert.deepEqual([response.headers.get('content-length'), body.length], ['3000000', 0])
  })

  test('asgi_124 what is no regular file, is not there or has another length is refused in the app', async () => {
    const cases = { [folder]: 'ValueError', [join(folder, 'none')]: 'FileNotFoundError', relative: 'FileNotFoundError' }
    for (const [file, expected] of Object.entries(cases)) {
      assert.equal((await get(`/path?file=${file}`)).body.toString(), expected, file)
    }
    await run('mkfifo', [join(folder, 'fifo')])
    assert.equal((await get(`/path?file=${join(folder, 'fifo')}`)).body.toString(), 'ValueError')
    assert.equal((await get(`/path?file=${big}&length=20`)).body.toString().trim(), 'RuntimeError')
  })

  test('field_6 asgi_124 a relative path resolves against the working directory', async () => {
    const { body } = await get(`/path?file=${relative(process.cwd(), big)}`)
    assert.equal(sha256(body), sha256(content))
  })

  test('field_26 asgi_124 a name that is no UTF-8 reaches the file as Python names it', async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9])]), 'found')
    assert.equal((await get(`/path?file=${folder}/caf%E9`)).body.toString(), 'found')
  })

  test('asgi_125 a range by descriptor between two pieces, in order, though the app closes it at once', async () => {
    const { body } = await get(`/zerocopy?file=${big}&offset=10&count=1000000`)
    const expected = Buffer.concat([Buffer.from('<<'), content.subarray(10, 1_000_010), Buffer.from('>>')])
    assert.equal(sha256(body), sha256(expected))
    assert.equal((await get(`/zerocopy?file=${big}`)).body.length, 3_000_004)
    assert.equal((await get(`/zerocopy?file=${big}&offset=3000000`)).body.toString(), '<<>>')
  })

  test('asgi_124 a file that shrinks while it is sent cuts the connection: the client sees it', async (t) => {
    const shrinking = join(folder, 'shrinking')
    writeFileSync(shrinking, content)
    truncateSync(shrinking, 40_000_000)
    const client = await openSocket(t, site.port)
    client.write(`GET /path?file=${shrinking}&length=40000000 HTTP/1.1\r\nHost: x\r\n\r\n`)
    await once(client.socket, 'data')
    client.socket.pause()
    truncateSync(shrinking, 1000)
    client.socket.on('end', () => client.socket.end())
    client.socket.resume()
    await client.ended
    assert.ok(client.received.length < 40_000_000, `${client.received.length} bytes`)
  })

  test('asgi_124 a client that leaves in the middle leaves no descriptor open', async (t) => {
    const before = descriptors()
    for (let i = 0; i < 20; i++) {
      const client = await openSocket(t, site.port)
      client.write(`GET /path?file=${big} HTTP/1.1\r\nHost: x\r\n\r\n`)
      await once(client.socket, 'data')
      client.socket.destroy()
    }
    await until(() => descriptors() <= before + 2, 'the descriptors to be closed')
  })

  test('asgi_132 only a connection offers them', async (t) => {
    const names = 'http.response.early_hint http.response.pathsend http.response.trailers http.response.zerocopysend'
    assert.equal((await get('/extensions')).body.toString(), names)
    assert.equal(text(await call(site.handler, '/extensions')), '')
    const old = await rawExchange(t, site.port, 'GET /extensions HTTP/1.0\r\n\r\n')
    assert.match(old, /\r\n\r\nhttp\.response\.pathsend http\.response\.zerocopysend$/)
  })
})

describe('without the extensions, which are off by default', limits, () => {
  const folder = temporaryFolder({ after }, { 'note.txt': 'a note, '.repeat(1000) })
  const note = join(folder, 'note.txt')
  const byDefault = serveApp({ before, after }, 'middleware_files_app:app')
  const turnedOn = serveApp({ before, after }, 'middleware_files_app:app', { extensions: { pathsend: true } })
  const offered = serveApp({ before, after }, 'files_app:app')
  const expected = 'a note, '.repeat(1000)

  test('field_6 asgi_36 the scope does not offer them', async () => {
    assert.equal(await (await offered.fetch('/extensions')).text(), 'http.response.early_hint http.response.trailers')
    const refused = await offered.fetch(`/path?file=${note}`)
    assert.equal(await refused.text(), 'RuntimeError')
  })

  test('field_6 middleware that joins or compresses bodies works with FileResponse', async () => {
    for (const file of [note, relative(process.cwd(), note)]) {
      assert.equal(await (await byDefault.fetch(`/named?file=${file}`)).text(), expected)
      assert.equal(await (await byDefault.fetch(`/joined/named?file=${file}`)).text(), expected.toUpperCase())
      const zipped = await byDefault.fetch(`/zipped/named?file=${file}`)
      assert.deepEqual([zipped.headers.get('content-encoding'), await zipped.text()], ['gzip', expected])
    }
  })

  test('field_6 turned on, a file goes by its path, and such middleware has to know it', async () => {
    assert.equal(await (await turnedOn.fetch('/static/package.json')).text(), readFileSync('package.json', 'utf8'))
    assert.equal(await (await turnedOn.fetch(`/named?file=${relative(process.cwd(), note)}`)).text(), expected)
    const zipped = await turnedOn.fetch(`/zipped/named?file=${note}`)
    assert.deepEqual([zipped.headers.get('content-encoding'), await zipped.text()], [null, expected])
  })

  test('field_6 the option is checked', () => {
    const make = (extensions) => () => new PythonHandler({ app: 'main:app', extensions })
    assert.throws(make(true), { message: 'Option extensions must be an object with pathsend, zerocopysend, not true' })
    assert.throws(make({ pathsend: 1 }), { message: 'Option extensions.pathsend must be a boolean, not 1' })
    assert.throws(make({ pathSend: true }), /Unknown option "extensions.pathSend". Did you mean "extensions.pathsend"\?/)
  })
})
