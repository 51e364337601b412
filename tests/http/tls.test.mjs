// The tls extension of ASGI, under real TLS servers with and without client certificates (asgi_130).
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get } from 'node:https'
import { describe, test } from 'node:test'
import { getCiphers } from 'node:tls'
import { CIPHER_SUITES } from '../../npm/asgi-node/lib/incoming/tls-ciphers.js'
import { distinguishedName, tlsFields } from '../../npm/asgi-node/lib/incoming/tls.js'
import { callJson, makeHandler, serve } from '../node/support.mjs'
import { certificates } from '../node/certificates.mjs'

const limits = { timeout: 20_000 }

/** A TLS server with a handler of its own, and what the tls extension says to a client of it. */
async function setUp(t, serverOptions, app = 'scope_app:app', handlerOptions = {}) {
  const made = certificates(t)
  const handler = makeHandler(t, app, handlerOptions)
  const server = createServer({ ...made.server, ca: made.ca, ...serverOptions }, handler.listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `https://127.0.0.1:${server.address().port}`
  const fetchScope = async (options = {}) => {
    const [res] = await once(get(url, { ca: made.ca, agent: false, ...options }), 'response')
    return JSON.parse(Buffer.concat(await res.toArray()).toString()).scope
  }
  return { ...made, own: made.server, handler, server, url, fetchScope }
}

/** Whether this Node tells a server the chain that a client sent: some versions lose it (nodejs/node#65579). */
async function tellsChains(t, { server: own, ca, client }) {
  let told
  const server = createServer({ ...own, ca, requestCert: true }, (req, res) => {
    told = req.socket.getPeerX509Certificate().issuerCertificate !== undefined
    res.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address()
  const [res] = await once(get({ port, host: '127.0.0.1', ca, cert: client.cert, key: client.key, agent: false }), 'response')
  await res.toArray()
  return told
}

describe('the tls extension', limits, () => {
  test('without a client certificate, on TLS 1.3 and 1.2 (asgi_130)', async (t) => {
    const { fetchScope, server } = await setUp(t, {})
    const modern = await fetchScope()
    assert.equal(modern.scheme, 'https')
    const { cipher_suite: suite, tls_version: version, server_cert: own, ...client } = modern.extensions.tls
    assert.equal(version, 0x0304)
    assert.ok([0x1301, 0x1302, 0x1303].includes(suite), String(suite))
    assert.match(own, /^-----BEGIN CERTIFICATE-----\n[^]+-----END CERTIFICATE-----\n$/)
    assert.deepEqual(client, { client_cert_chain: [], client_cert_name: null, client_cert_error: null })
    const old = await fetchScope({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' })
    assert.deepEqual([old.extensions.tls.tls_version, old.extensions.tls.cipher_suite], [0x0303, 0xc02c])
    assert.ok(server.listening)
  })

  test('a client certificate with the chain that was sent, and its name (RFC 4514) (asgi_130)', async (t) => {
    const { fetchScope, server, ...made } = await setUp(t, { requestCert: true, rejectUnauthorized: true })
    const { client, issuer, ca } = made
    const chain = (await tellsChains(t, { ca, client, server: made.own })) ? [client.own, issuer] : [client.own]
    for (const maxVersion of ['TLSv1.3', 'TLSv1.2']) {
      const { tls } = (await fetchScope({ cert: client.cert, key: client.key, maxVersion })).extensions
      assert.deepEqual(tls.client_cert_chain, chain)
      assert.equal(tls.client_cert_name, String.raw`CN=J\+rg \"the\" Müller,OU=a+OU=b,O=Example\, Inc.,C=DE`)
      assert.equal(tls.client_cert_error, null)
    }
    assert.ok(server.listening)
  })

  test('a client certificate that is not accepted, where the server lets it in (asgi_130)', async (t) => {
    const { fetchScope, stranger } = await setUp(t, { requestCert: true, rejectUnauthorized: false })
    const { tls } = (await fetchScope({ ...stranger })).extensions
    assert.deepEqual([tls.client_cert_name, tls.client_cert_chain], ['CN=Stranger', [stranger.cert]])
    assert.match(tls.client_cert_error, /^[A-Z_]+$/)
    const none = (await fetchScope()).extensions.tls
    assert.deepEqual([none.client_cert_chain, none.client_cert_name, none.client_cert_error], [[], null, null])
  })

  test('each request of a connection has its own copy, and the headers stay what they were (asgi_37)', async (t) => {
    const { url, ca, client } = await setUp(t, { requestCert: true })
    const { Agent } = await import('node:https')
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    t.after(() => agent.destroy())
    const one = async () => {
      const [res] = await once(get(url, { ca, cert: client.cert, key: client.key, agent, headers: { 'x-a': '1' } }), 'response')
      return JSON.parse(Buffer.concat(await res.toArray()).toString()).scope
    }
    const [first, second] = [await one(), await one()]
    assert.deepEqual(second.extensions, first.extensions)
    assert.deepEqual(second.headers, first.headers)
    assert.deepEqual(second.client, first.client)
    assert.deepEqual(second.headers.map((pair) => (pair.tuple ?? pair)[0].bytes).filter((name) => name === 'x-a'), ['x-a'])
  })

  test('is not there without encryption, whatever a proxy says (asgi_36)', async (t) => {
    const handler = makeHandler(t, 'scope_app:app', { trustProxy: true })
    const { url } = await serve(t, handler.listener)
    const { scope } = await (await fetch(url, { headers: { 'x-forwarded-proto': 'https' } })).json()
    assert.equal(scope.scheme, 'https')
    assert.equal('tls' in scope.extensions, false)
    assert.equal('tls' in (await callJson(handler, 'https://h/')).scope.extensions, false)
  })
})

describe('names and numbers', limits, () => {
  test('the last part of a name first, as RFC 4514 has it', () => {
    assert.equal(distinguishedName('C=DE\nO=A\\, B\nOU=x + OU=y\nCN=n'), 'CN=n,OU=x+OU=y,O=A\\, B,C=DE')
    assert.equal(distinguishedName('street=Way 1\nDC=org'), 'DC=org,STREET=Way 1')
    assert.equal(distinguishedName(undefined), '')
    assert.equal(distinguishedName(''), '')
  })

  test('field_31 a chain without an end has 32 certificates, and no field brings a NUL of its own', () => {
    const certificate = { subject: 'CN=a\0b', toString: () => 'pem' }
    certificate.issuerCertificate = certificate
    const socket = {
      encrypted: true,
      authorized: false,
      authorizationError: 'NO\0PE',
      getX509Certificate: () => undefined,
      getPeerX509Certificate: () => certificate,
      getProtocol: () => 'TLSv1.3',
      getCipher: () => ({ standardName: 'TLS_AES_128_GCM_SHA256' }),
    }
    const [nothing, own, chain, name, error, version, suite, ...more] = tlsFields(socket).split('\0')
    assert.deepEqual([nothing, own, name, error, Number(version), Number(suite), more], ['', '', 'CN=ab', 'NOPE', 0x0304, 0x1301, []])
    assert.deepEqual(chain.split('\x01'), Array(32).fill('pem'))
  })

  test('field_31 what Node does not tell is empty, and a socket without encryption has no fields', () => {
    const unknown = { encrypted: true, authorized: false, authorizationError: 'ANY', getProtocol: () => 'TLSv9', getCipher: () => undefined }
    assert.equal(tlsFields(unknown), '\0'.repeat(6))
    assert.equal(tlsFields({ encrypted: false, getCipher() {} }), '')
    assert.equal(tlsFields({ encrypted: true }), '')
  })

  test('every cipher suite of TLS 1.3 that Node knows has its number', () => {
    const known = new Set(Object.keys(CIPHER_SUITES).map((name) => name.toLowerCase()))
    const modern = getCiphers().filter((name) => name.startsWith('tls_'))
    assert.ok(modern.length >= 3)
    assert.deepEqual(modern.filter((name) => !known.has(name)), [])
    const numbers = Object.values(CIPHER_SUITES)
    assert.equal(new Set(numbers).size, numbers.length)
  })

  const certificateOf = (name, issuer) => ({ subject: `CN=${name}`, issuerCertificate: issuer, toString: () => `<${name}>` })
  const fieldsOf = (socket) => tlsFields({ encrypted: true, getCipher: () => ({}), ...socket }).split('\0').slice(1)

  test('field_31 a chain has an end, also one that names itself as its issuer', () => {
    const self = certificateOf('a')
    self.issuerCertificate = self
    const [, chain, name] = fieldsOf({ getPeerX509Certificate: () => self, authorized: true })
    assert.deepEqual([chain.split('\x01').length, name], [32, 'CN=a'])
    let long
    for (let i = 40; i > 0; i -= 1) long = certificateOf(i, long)
    const [, certificates] = fieldsOf({ getPeerX509Certificate: () => long, authorized: true })
    assert.deepEqual(certificates.split('\x01'), Array.from({ length: 32 }, (_, i) => `<${i + 1}>`))
    assert.equal(fieldsOf({ getPeerX509Certificate: () => certificateOf('b', certificateOf('c')) })[1], '<b>\x01<c>')
  })

  test('field_31 no field ends early, and what is unknown is empty', () => {
    const odd = { subject: 'CN=a\0b\nO=\u00fc', toString: () => 'x\0y' }
    const fields = fieldsOf({
      getX509Certificate: () => odd,
      getPeerX509Certificate: () => odd,
      authorizationError: 'A\0B',
      getProtocol: () => 'TLSv9',
      getCipher: () => ({ standardName: 'TLS_NEW' }),
    })
    assert.deepEqual(fields, ['xy', 'xy', 'O=\xc3\xbc,CN=ab', 'AB', '', ''])
    for (const [version, number] of [['TLSv1', 0x0301], ['TLSv1.1', 0x0302], ['TLSv1.2', 0x0303], ['TLSv1.3', 0x0304]]) {
      assert.equal(fieldsOf({ getProtocol: () => version })[4], String(number))
    }
    assert.equal(tlsFields({ encrypted: false, getCipher: () => ({}) }), '')
    assert.equal(tlsFields({ encrypted: true }), '')
  })
})
