// Where the command listens, by which protocol, and what it says when it cannot.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, openSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { certificates } from '../node/certificates.mjs'
import { temporaryFolder } from '../node/support.mjs'
import { request, run, startServer, suiteScope } from './support.mjs'

describe('a Unix socket', () => {
  test('--uds: made for everybody, taken over from a server that was killed, gone at the end', async (t) => {
    const folder = temporaryFolder(t)
    const path = join(folder, 'app.sock')
    const first = await startServer(t, ['--uds', path])
    assert.equal(first.url, `unix:${path}`)
    assert.equal(statSync(path).mode & 0o777, 0o666)
    const facts = JSON.parse((await request({ socketPath: path, path: '/facts', headers: { 'x-forwarded-for': '203.0.113.7' } })).text)
    assert.equal(facts.client[0], '203.0.113.7', 'a proxy on a Unix socket is believed')

    const second = await run(t, ['serve_app:app', '--uds', path])
    assert.deepEqual([second.code, second.stderr], [1, `asgi-node: The Unix socket ${path} is in use: another server listens on it\n`])

    first.child.kill('SIGKILL')
    await first.exited
    assert.ok(existsSync(path))
    const third = await startServer(t, ['--uds', path])
    third.child.kill('SIGTERM')
    assert.deepEqual(await third.exited, { code: 0, signal: null })
    assert.ok(!existsSync(path))

    writeFileSync(path, 'mine')
    const fourth = await run(t, ['serve_app:app', '--uds', path])
    assert.deepEqual([fourth.code, fourth.stderr], [1, `asgi-node: --uds ${path}: the file exists already and is not a socket\n`])
    assert.equal(readFileSync(path, 'utf8'), 'mine')
    const link = join(folder, 'link')
    symlinkSync(join(folder, 'nowhere'), link)
    const long = join(folder, 'x'.repeat(108 - folder.length))
    const cut = await run(t, ['serve_app:app', '--uds', long])
    assert.deepEqual([cut.code, cut.stderr], [2, `asgi-node: --uds ${long}: the path of a Unix socket may have 107 bytes, and this one has 109\n`])
    const name = await run(t, ['serve_app:app', '--uds', join(link, 'inside')])
    assert.equal(name.code, 1)
    assert.match(name.stderr, /^asgi-node: The Unix socket .*inside cannot be created \(\w+\): /)
    const fifth = await run(t, ['serve_app:app', '--uds', link])
    assert.deepEqual([fifth.code, fifth.stderr], [1, `asgi-node: --uds ${link}: the file exists already and is not a socket\n`])
  })
})

describe('--fd', () => {
  test('a socket that another process has opened, as systemd does, also while nobody serves it', async (t) => {
    const listener = createServer()
    await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve))
    const { port } = listener.address()
    const server = await startServer(t, ['--fd', '3'], { stdio: [listener._handle.fd] })
    // Ours is closed: the connection is the command's to take.
    listener.close()
    const { status, headers } = await request({ port, path: '/facts' })
    assert.deepEqual([status, headers.server], [200, 'asgi-node'])
    assert.equal(server.url, `http://127.0.0.1:${port}`)
  })

  test('what is no socket is said', async (t) => {
    const outcome = await run(t, ['serve_app:app', '--fd', '3'], { stdio: [openSync('/dev/null', 'r')] })
    assert.equal(outcome.code, 1)
    assert.match(outcome.stderr, /(?:^|\n)asgi-node: --fd 3 is not a socket that this server can listen on \(\w+\): systemd and other supervisors pass sockets from 3 on\n$/)
  })
})

describe('an address that cannot be had', () => {
  for (const [args, message] of [
    [['--host', '203.0.113.9', '--port', '0'], '203.0.113.9 is not an address of this machine: --host is the address to listen on; 0.0.0.0 stands for all addresses'],
    [['--host', 'no.such.invalid'], '--host no.such.invalid is not an address, and no address was found for this name'],
    [['--uds', '/nowhere/app.sock'], 'The Unix socket /nowhere/app.sock cannot be created (EACCES): does its folder exist, and may this user write to it?'],
  ]) {
    test(args.join(' '), async (t) => {
      const { code, stderr } = await run(t, ['serve_app:app', ...args])
      assert.equal(code, 1, stderr)
      assert.ok(stderr.split('\n').at(-2).startsWith(`asgi-node: ${message}`), stderr)
      assert.ok(!stderr.includes('    at '), stderr)
    })
  }

  test('a port below 1024 without the permission', async (t) => {
    // As nobody, in a network namespace of its own, where low ports are low.
    const through = ['unshare', '--net', 'sh', '-c', 'echo 1024 > /proc/sys/net/ipv4/ip_unprivileged_port_start; exec setpriv --reuid 65534 --clear-groups --bounding-set=-all --inh-caps=-all "$@"', 'sh']
    const { code, stderr } = await run(t, ['serve_app:app', '--host', '0.0.0.0', '--port', '80'], { through })
    assert.deepEqual([code, stderr], [1, 'asgi-node: This user may not open port 80: choose a --port from 1024 on, or give node the capability CAP_NET_BIND_SERVICE\n'])
  })
})

describe('TLS', () => {
  const scope = suiteScope(after)
  const folder = temporaryFolder(scope)
  const file = (name) => join(folder, name)
  let keys
  before(() => {
    keys = certificates(scope)
    for (const [name, text] of Object.entries({ 'ca.pem': keys.ca + keys.issuer, 'cert.pem': keys.server.cert, 'key.pem': keys.server.key, 'other.key': keys.client.key, 'both.pem': keys.server.key + keys.server.cert })) {
      writeFileSync(file(name), text)
    }
    execFileSync('openssl', ['pkey', '-in', file('key.pem'), '-aes256', '-passout', 'pass:secret', '-out', file('secret.key')])
  })

  /** @returns {Promise<any>} the facts, or the error's code */
  const ask = (port, options = {}) =>
    new Promise((resolve) => {
      https
        .get({ host: '127.0.0.1', port, path: '/facts', ca: keys.ca, agent: false, ...options }, (res) => {
          let text = ''
          const { socket } = res
          const cipher = socket.getCipher().name
          res.setEncoding('utf8').on('data', (chunk) => (text += chunk)).on('end', () => resolve({ ...JSON.parse(text), cipher }))
        })
        .on('error', (error) => resolve(error.code))
    })

  test('--ssl-certfile, --ssl-keyfile, --ssl-keyfile-password, --ssl-ciphers, --http2', async (t) => {
    const server = await startServer(t, ['--ssl-certfile', file('cert.pem'), '--ssl-keyfile', file('secret.key'), '--ssl-keyfile-password', 'secret', '--http2', '--ssl-ciphers', 'ECDHE-ECDSA-AES128-GCM-SHA256', '--header', 'x-a: 1', '--static', `${folder}:/files`])
    assert.match(server.url, /^https:/)
    const facts = await ask(server.port, { maxVersion: 'TLSv1.2' })
    assert.deepEqual([facts.scheme, facts.http_version, facts.cipher], ['https', '1.1', 'ECDHE-ECDSA-AES128-GCM-SHA256'])

    const session = http2.connect(`https://127.0.0.1:${server.port}`, { ca: keys.ca })
    t.after(() => session.destroy())
    const stream = session.request({ ':path': '/facts' })
    let text = ''
    const headers = await new Promise((resolve, reject) => stream.on('response', resolve).on('error', reject))
    for await (const chunk of stream.setEncoding('utf8')) text += chunk
    assert.equal(JSON.parse(text).http_version, '2')
    assert.deepEqual([headers[':status'], headers.server, headers['x-a']], [200, 'asgi-node', '1'])
    const download = session.request({ ':path': '/files/cert.pem' })
    let pem = ''
    for await (const chunk of download.setEncoding('utf8')) pem += chunk
    assert.equal(pem, keys.server.cert, '--static over HTTP/2')
    // A session that is open does not hold up the end.
    server.child.kill('SIGTERM')
    assert.deepEqual(await server.exited, { code: 0, signal: null })
  })

  test('--ssl-ca-certs and --ssl-cert-reqs: a client has to show a certificate', async (t) => {
    const files = ['--ssl-certfile', file('both.pem'), '--ssl-ca-certs', file('ca.pem')]
    const required = await startServer(t, [...files, '--ssl-cert-reqs', '2'])
    const optional = await startServer(t, [...files, '--ssl-cert-reqs', '1'])
    assert.match(String(await ask(required.port)), /^(?:ERR_SSL|ECONNRESET|EPROTO)/)
    assert.equal((await ask(required.port, keys.client)).scheme, 'https')
    assert.equal((await ask(optional.port)).scheme, 'https')
  })

  test('files that are missing, or do not fit, are one line', async (t) => {
    for (const [args, message] of [
      [['--ssl-certfile', '/nowhere.pem'], 'The file /nowhere.pem of --ssl-certfile does not exist'],
      [['--ssl-certfile', file('cert.pem'), '--ssl-keyfile', file('none.key')], `The file ${file('none.key')} of --ssl-keyfile does not exist`],
      [['--ssl-certfile', file('cert.pem'), '--ssl-keyfile', file('other.key')], `The certificate ${file('cert.pem')} and the key ${file('other.key')} cannot be used: the key does not belong to the certificate`],
      [['--ssl-certfile', file('cert.pem'), '--ssl-keyfile', file('secret.key')], `The certificate ${file('cert.pem')} and the key ${file('secret.key')} cannot be used: the key is encrypted (--ssl-keyfile-password)`],
      [['--ssl-certfile', file('cert.pem'), '--ssl-keyfile', file('secret.key'), '--ssl-keyfile-password', 'wrong'], `The certificate ${file('cert.pem')} and the key ${file('secret.key')} cannot be used: the password is wrong (--ssl-keyfile-password)`],
    ]) {
      const { code, stderr } = await run(t, ['serve_app:app', ...args])
      assert.deepEqual([code, stderr], [1, `asgi-node: ${message}\n`])
    }
    const { code, stderr } = await run(t, ['serve_app:app', '--ssl-certfile', file('cert.pem'), '--ssl-keyfile', file('key.pem'), '--ssl-ciphers', 'NOPE'])
    assert.deepEqual([code, stderr], [2, 'asgi-node: --ssl-ciphers must be ciphers that OpenSSL knows, with colons between them, not "NOPE"\n'])
  })
})
