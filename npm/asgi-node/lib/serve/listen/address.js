// Where the server listens, and what is said when it cannot.

import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { StartError, UsageError } from '../errors.js'

/** @typedef {import('../settings/settings.js').Settings} Settings */
/** @typedef {{ port: number, host: string } | { path: string } | { fd: number }} Place */

/** @param {Settings} settings @returns {Place} */
function placeOf({ host, port, uds, fd }) {
  if (fd !== undefined) return { fd }
  return uds === undefined ? { port, host } : { path: uds }
}

/**
 * Says at once what would otherwise be found out after the application has been imported.
 * @param {Settings} settings
 */
export async function checkAddress(settings) {
  const place = placeOf(settings)
  // Node would listen on all of them.
  if ('host' in place && place.host === '') throw new UsageError('--host needs an address, as 127.0.0.1, or 0.0.0.0 for all of them')
  if ('fd' in place || ('port' in place && place.port === 0)) return
  if ('path' in place) await removeStale(place.path)
  const probe = createServer()
  await listenOn(probe, settings)
  await new Promise((done) => probe.close(done))
}

/**
 * @param {import('node:net').Server} server
 * @param {Settings} settings
 * @returns {Promise<void>}
 */
export async function listenOn(server, settings) {
  const place = placeOf(settings)
  await new Promise((resolve, reject) => {
    server.once('error', reject)
    try {
      server.listen({ ...place, backlog: settings.backlog }, () => {
        server.off('error', reject)
        resolve(undefined)
      })
    } catch (error) {
      reject(error)
    }
  }).catch((error) => {
    throw new StartError(`${reasonOf(error, place)}`)
  })
  // Everybody may connect, as to a port: a proxy is another user. The folder says who gets there.
  if ('path' in place) chmodSync(place.path, 0o666)
}

/**
 * A socket file that a killed server has left behind is nobody's.
 * @param {string} path
 */
async function removeStale(path) {
  // Of a link itself, which is there although it may lead nowhere.
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new StartError(`${path} of --uds is there already, and is no socket`)
  const answered = await new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    }).on('error', (error) => resolve(/** @type {NodeJS.ErrnoException} */ (error).code !== 'ECONNREFUSED'))
  })
  if (!answered) unlinkSync(path)
}

/**
 * @param {NodeJS.ErrnoException} error
 * @param {Place} place
 */
function reasonOf(error, place) {
  const { code } = error
  if ('fd' in place) return `--fd ${place.fd} is not a socket that can be listened on (${code}): systemd and other supervisors pass theirs from 3 on`
  if ('path' in place) {
    if (code === 'EADDRINUSE') return `The Unix socket ${place.path} is in use: another server listens on it`
    return `The Unix socket ${place.path} cannot be made (${code}): is its folder there, may this user write to it, and is the path shorter than 108 bytes?`
  }
  const { host, port } = place
  if (code === 'EADDRINUSE') return `Port ${port} of ${host} is in use: stop the other server, or choose another --port`
  if (code === 'EACCES') return `Port ${port} may not be opened by this user: choose a --port from 1024 on, or give node the capability CAP_NET_BIND_SERVICE`
  if (code === 'EADDRNOTAVAIL') return `${host} is no address of this machine: --host is where to listen; 0.0.0.0 is everywhere`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `${host} is no address, and no name that has one (--host)`
  return `${host}:${port} cannot be listened on (${code}): ${error.message}`
}

/**
 * Where others find it: a URL, or the Unix socket.
 * @param {import('node:net').Server} server
 * @param {boolean} isSecure
 */
export function urlOf(server, isSecure) {
  const address = server.address()
  if (typeof address === 'string' || address === null) return address ? `unix:${address}` : 'a socket that was passed'
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `${isSecure ? 'https' : 'http'}://${host}:${address.port}`
}
