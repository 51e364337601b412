import { CIPHER_SUITES } from './tls-ciphers.js'

/** @typedef {import('node:tls').TLSSocket} TLSSocket */
/** @typedef {import('node:crypto').X509Certificate} X509Certificate */

/** The versions of TLS as on the wire. @type {Record<string, number>} */
const VERSIONS = { TLSv1: 0x0301, 'TLSv1.1': 0x0302, 'TLSv1.2': 0x0303, 'TLSv1.3': 0x0304 }

/** The separator between the certificates of a chain, which are one field of the head. */
const CHAIN_SEPARATOR = '\x01'

/** No real chain has more certificates. */
const MAX_CHAIN = 32

/**
 * The fields of the head for the `tls` extension (ASGI TLS extension), with a NUL before each: server
 * certificate, client's chain, its name, its error, version, cipher suite. '' for a socket without encryption.
 *
 * Called once for a connection: OpenSSL gives a chain only once.
 * @param {object} socket
 */
export function tlsFields(socket) {
  const tls = /** @type {Partial<TLSSocket>} */ (socket)
  if (!tls.encrypted || typeof tls.getCipher !== 'function') return ''
  const chain = chainOf(tls.getPeerX509Certificate?.())
  // Node also reports an error if it has asked for a certificate and the client has sent none; ASGI does not.
  const error = chain.length > 0 && !tls.authorized ? String(tls.authorizationError ?? '') : ''
  const fields = [
    pem(tls.getX509Certificate?.()),
    chain.map(pem).join(CHAIN_SEPARATOR),
    chain.length > 0 ? utf8(distinguishedName(chain[0].subject)) : '',
    error,
    VERSIONS[tls.getProtocol?.() ?? ''] ?? '',
    CIPHER_SUITES[tls.getCipher()?.standardName ?? ''] ?? ''
  ]
  return fields.map((field) => `\0${String(field).replaceAll('\0', '')}`).join('')
}

/**
 * The certificates that the client sent, its own first. Only its own if Node does not give the others: in versions with
 * nodejs/node#65579 (24.21, for example), or if other code has asked for them before.
 * @param {X509Certificate | undefined} certificate
 */
function chainOf(certificate) {
  const chain = []
  while (certificate !== undefined && chain.length < MAX_CHAIN) {
    chain.push(certificate)
    certificate = certificate.issuerCertificate
  }
  return chain
}

/** @param {X509Certificate | undefined} certificate */
function pem(certificate) {
  return certificate?.toString() ?? ''
}

/**
 * A name as in RFC 4514: the last part first. Node gives one line for each part, with values that are already escaped, and
 * ` + ` between the attributes of one part (a plus sign in a value is escaped).
 * @param {string | undefined} subject
 */
export function distinguishedName(subject) {
  if (!subject) return ''
  const parts = subject.split('\n').map((part) => part.split(' + ').map(attribute).join('+'))
  return parts.toReversed().join(',')
}

/** Only one of OpenSSL's short names differs from those of the RFC. @param {string} text */
function attribute(text) {
  return text.replace(/^street=/, 'STREET=')
}

/** The UTF-8 bytes, one character each: a head is latin-1. @param {string} text */
function utf8(text) {
  return Buffer.from(text).toString('latin1')
}
