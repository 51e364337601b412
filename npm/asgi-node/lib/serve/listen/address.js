// The address that the server listens on, and the messages if it cannot.

import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { StartError, UsageError } from '../errors.js'

/** @typedef {import('../settings/settings.js').CommandSettings} CommandSettings */
/** Of a Unix socket, in bytes: `sun_path` without its NUL. */
const LONGEST_PATH = process.platform === 'darwin' ? 103 : 107

/** @typedef {{ port: number, host: string } | { path: string } | { fd: number }} Place */

/** @param {CommandSettings} settings @returns {Place} */
function placeOf({ host, port, uds, fd }) {
  if (fd !== undefined) return { fd }
  return uds === undefined ? { port, host } : { path: uds }
}

/**
 * Reports mistakes at once that would otherwise show only after the application has been imported.
 * @param {CommandSettings} settings
 */
export async function checkAddress(settings) {
  const place = placeOf(settings)
  // With an empty host Node would listen on all addresses.
  if ('host' in place && place.host === '') throw new UsageError('--host needs an address: for example 127.0.0.1, or 0.0.0.0 for all addresses')
  if ('fd' in place || ('port' in place && place.port === 0)) return
  if ('path' in place) await removeStale(place)
  const probe = createServer()
  await listenOn(probe, settings)
  await new Promise((done) => probe.close(done))
}

/**
 * @param {import('node:net').Server} server
 * @param {CommandSettings} settings
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
  // Every user may connect, as to a port, because a proxy runs as another user. The folder's permissions can restrict that.
  if ('path' in place) chmodSync(place.path, 0o666)
}

/**
 * Removes a socket file that a killed server has left behind.
 * @param {{ path: string }} place
 */
async function removeStale(place) {
  const { path } = place
  // Node 20 and 22 would listen on a path that is cut.
  if (Buffer.byteLength(path) > LONGEST_PATH) throw new UsageError(`--uds ${path}: the path of a Unix socket may have ${LONGEST_PATH} bytes, and this one has ${Buffer.byteLength(path)}`)
  try {
    // Of a link itself, which is there although it may lead nowhere.
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found === undefined) return
    if (!found.isSocket()) throw new StartError(`--uds ${path}: the file exists already and is not a socket`)
    if (!(await isAnswered(path))) unlinkSync(path)
  } catch (error) {
    throw error instanceof StartError ? error : new StartError(reasonOf(/** @type {NodeJS.ErrnoException} */ (error), place))
  }
}

/** @param {string} path */
function isAnswered(path) {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    }).on('error', (error) => resolve(/** @type {NodeJS.ErrnoException} */ (error).code !== 'ECONNREFUSED'))
  })
}

/**
 * @param {NodeJS.ErrnoException} error
 * @param {Place} place
 */
function reasonOf(error, place) {
  const { code } = error
  if ('fd' in place) return `--fd ${place.fd} is not a socket that this server can listen on (${code}): systemd and other supervisors pass sockets from 3 on`
  if ('path' in place) {
    if (code === 'EADDRINUSE') return `The Unix socket ${place.path} is in use: another server listens on it`
    return `The Unix socket ${place.path} cannot be created (${code}): does its folder exist, and may this user write to it?`
  }
  const { host, port } = place
  if (code === 'EADDRINUSE') return `Port ${port} of ${host} is in use: stop the other server, or choose another --port`
  if (code === 'EACCES') return `This user may not open port ${port}: choose a --port from 1024 on, or give node the capability CAP_NET_BIND_SERVICE`
  if (code === 'EADDRNOTAVAIL') return `${host} is not an address of this machine: --host is the address to listen on; 0.0.0.0 stands for all addresses`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `--host ${host} is not an address, and no address was found for this name`
  return `The server cannot listen on ${host}:${port} (${code}): ${error.message}`
}

/**
 * The server's URL, or its Unix socket.
 * @param {import('node:net').Server} server
 * @param {boolean} isSecure
 */
export function urlOf(server, isSecure) {
  const address = server.address()
  if (typeof address === 'string' || address === null) return address ? `unix:${address}` : 'a socket that was passed'
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `${isSecure ? 'https' : 'http'}://${host}:${address.port}`
}
