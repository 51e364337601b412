import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { StartError, UsageError } from '../errors.js'

/** @typedef {import('../settings/settings.js').CommandSettings} CommandSettings */

/**
 * The options for node:tls; null if the server speaks plain HTTP.
 * @param {CommandSettings} settings
 * @returns {import('node:tls').TlsOptions | null}
 */
export function tlsOptions(settings) {
  const { sslCertfile, sslKeyfile, sslKeyfilePassword, sslCaCerts, sslCertReqs, sslCiphers } = settings
  if (sslCertfile === undefined) return null
  const options = {
    cert: read('--ssl-certfile', sslCertfile),
    // If no key is named, it is read from the certificate's file, as in uvicorn.
    key: read('--ssl-keyfile', sslKeyfile ?? sslCertfile),
    ...(sslKeyfilePassword !== undefined && { passphrase: sslKeyfilePassword }),
    ...(sslCaCerts !== undefined && { ca: certificates('--ssl-ca-certs', sslCaCerts) }),
    ...(sslCiphers !== undefined && { ciphers: sslCiphers })
  }
  try {
    createSecureContext(options)
  } catch (error) {
    if (/NO_CIPHER_MATCH/.test(/** @type {NodeJS.ErrnoException} */ (error).code ?? '')) throw new UsageError(`--ssl-ciphers must be ciphers that OpenSSL knows, with colons between them, not ${JSON.stringify(sslCiphers)}`)
    throw new StartError(`The certificate ${sslCertfile} and the key ${sslKeyfile ?? sslCertfile} cannot be used: ${reasonOf(error, sslKeyfilePassword !== undefined)}`)
  }
  return { ...options, requestCert: sslCertReqs !== '0', rejectUnauthorized: sslCertReqs === '2' }
}

/** Checks that a file has certificates. Node accepts a file without one, and then refuses every client. @param {string} option @param {string} path */
function certificates(option, path) {
  const text = read(option, path)
  if (!/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/.test(text.toString('latin1'))) throw new StartError(`The file ${path} of ${option} has no PEM certificate`)
  return text
}

/** @param {unknown} error @param {boolean} hasPassword */
function reasonOf(error, hasPassword) {
  const { code = '', message } = /** @type {NodeJS.ErrnoException} */ (error)
  if (/DECRYPT|PASSWORD|interrupted or cancelled/i.test(code + message)) {
    return hasPassword ? 'the password is wrong (--ssl-keyfile-password)' : 'the key is encrypted (--ssl-keyfile-password)'
  }
  if (/KEY_VALUES_MISMATCH/.test(code)) return 'the key does not belong to the certificate'
  if (/NO_START_LINE|no start line/.test(code + message)) return 'the file has no PEM block of that kind'
  return message
}

/** @param {string} option @param {string} path */
function read(option, path) {
  try {
    return readFileSync(path)
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error)
    const why = code === 'ENOENT' ? 'does not exist' : code === 'EACCES' ? 'may not be read by this user' : `cannot be read (${code})`
    throw new StartError(`The file ${path} of ${option} ${why}`)
  }
}
