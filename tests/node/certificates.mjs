// Certificates for tests, made by the openssl program: Node can read X.509, but not write it.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './support.mjs'

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']

/**
 * An authority, a server's certificate for 127.0.0.1 and localhost, and the client's `subject`, signed by an authority in
 * between that only the client has.
 * @param {{ after(close: () => unknown): void }} scope
 * @param {string} [subject] as openssl takes it
 */
export function certificates(scope, subject = '/C=DE/O=Example, Inc./OU=a+OU=b/CN=J\\+rg "the" Müller') {
  const folder = temporaryFolder(scope, {
    'server.ext': 'subjectAltName=IP:127.0.0.1,DNS:localhost\n',
    'issuer.ext': 'basicConstraints=critical,CA:true\n',
  })
  const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const read = (name) => readFileSync(join(folder, name), 'utf8')
  const self = (name, subj) => openssl('req', '-x509', ...KEY, '-keyout', `${name}.key`, '-out', `${name}.pem`, '-utf8', '-subj', subj)
  const signed = (name, subj, issuer, ...more) => {
    openssl('req', ...KEY.slice(0, -2), '-keyout', `${name}.key`, '-out', `${name}.csr`, '-utf8', '-subj', subj)
    openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`, '-CAcreateserial', '-days', '2', '-out', `${name}.pem`, ...more)
  }
  self('ca', '/CN=Test authority')
  signed('server', '/CN=127.0.0.1', 'ca', '-extfile', 'server.ext')
  signed('issuer', '/CN=Test issuer', 'ca', '-extfile', 'issuer.ext')
  signed('client', subject, 'issuer')
  self('stranger', '/CN=Stranger')
  return {
    ca: read('ca.pem'),
    issuer: read('issuer.pem'),
    server: { cert: read('server.pem'), key: read('server.key') },
    client: { cert: read('client.pem') + read('issuer.pem'), key: read('client.key'), own: read('client.pem') },
    stranger: { cert: read('stranger.pem'), key: read('stranger.key') },
  }
}
