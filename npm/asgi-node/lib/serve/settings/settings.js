import { resolve } from 'node:path'
import { optionsOfConfig, optionsOfPyproject } from './config-file.js'
import { optionsOfEnvironment } from './environment.js'
import { isFolder } from './files.js'
import { OPTIONS } from './table.js'
import { UsageError } from '../errors.js'
import { LIMIT } from '../../native/protocol.js'

/** @typedef {import('./arguments.js').Given} Given */
/** @typedef {'critical' | 'error' | 'warning' | 'info' | 'debug' | 'trace'} Level */

/**
 * All options, with their defaults. An option without a default is undefined.
 * @typedef {object} CommandSettings
 * @property {string | undefined} app
 * @property {string} appDir
 * @property {boolean} factory
 * @property {'auto' | 'asgi3' | 'asgi2' | 'wsgi'} interface
 * @property {'auto' | 'on' | 'off'} lifespan
 * @property {'auto' | 'asyncio' | 'uvloop'} loop
 * @property {string} rootPath
 * @property {string | undefined} python
 * @property {string | undefined} venv
 * @property {string | undefined} envFile
 * @property {string} host
 * @property {number} port
 * @property {string | undefined} uds
 * @property {number | undefined} fd
 * @property {number} backlog
 * @property {string | undefined} sslKeyfile
 * @property {string | undefined} sslCertfile
 * @property {string | undefined} sslKeyfilePassword
 * @property {string | undefined} sslCaCerts
 * @property {'0' | '1' | '2'} sslCertReqs
 * @property {string | undefined} sslCiphers
 * @property {boolean} http2
 * @property {number} timeoutKeepAlive seconds
 * @property {number} h11MaxIncompleteEventSize bytes
 * @property {string[]} header
 * @property {boolean} serverHeader
 * @property {boolean} dateHeader
 * @property {boolean} proxyHeaders
 * @property {string} forwardedAllowIps
 * @property {number} wsMaxSize bytes
 * @property {number} wsMaxQueue
 * @property {number} wsPingInterval seconds
 * @property {number} wsPingTimeout seconds
 * @property {boolean} wsPerMessageDeflate
 * @property {number} limitConcurrency
 * @property {number | undefined} limitMaxRequests
 * @property {number} limitMaxRequestsJitter
 * @property {string | undefined} healthPath
 * @property {number} drainDelay seconds
 * @property {number} timeoutGracefulShutdown seconds
 * @property {number} workers
 * @property {boolean} reload
 * @property {string[]} reloadDir
 * @property {string[]} reloadInclude
 * @property {string[]} reloadExclude
 * @property {number} reloadDelay seconds
 * @property {Level} logLevel
 * @property {boolean} accessLog
 * @property {'uvicorn' | 'combined' | 'json'} accessLogFormat
 * @property {boolean | undefined} useColors
 * @property {string[]} static
 * @property {string[]} proxy
 */

/**
 * Reads the command line, the environment and the files; the first one that has an option wins. Changes to the folder of `--cwd`.
 * @param {Given} line
 * @param {Given} [preset] values in place of the defaults
 * @returns {Promise<CommandSettings>}
 */
export async function settingsOf(line, preset = new Map()) {
  const environment = optionsOfEnvironment(process.env)
  goTo(line.get('cwd') ?? environment.get('cwd'))
  const config = await optionsOfConfig(/** @type {string | undefined} */ (line.get('config') ?? environment.get('config')))
  const files = new Map([...optionsOfPyproject(), ...config])
  if (!line.has('cwd') && !environment.has('cwd')) goTo(files.get('cwd'))
  // The handler itself reads ASGI_NODE_PYTHON, which has priority over a file.
  if (process.env.ASGI_NODE_PYTHON) files.delete('python')
  if (process.env.ASGI_NODE_PYTHON || line.has('python')) files.delete('venv')
  if (line.has('python')) environment.delete('venv')
  if (line.has('venv') || environment.has('venv')) files.delete('python')
  const given = new Map([...preset, ...files, ...environment, ...line])
  const entries = [...OPTIONS.values()].map(({ name, list, type, default: fallback }) => {
    const nothing = list ? [] : type === 'flag' && name !== 'use-colors' ? false : undefined
    return [camelCase(name), given.get(name) ?? fallback ?? nothing]
  })
  const settings = /** @type {CommandSettings} */ (Object.fromEntries(entries))
  checkTogether(settings, given)
  checkFolders(settings)
  // An interpreter cannot unload modules, so new code needs a new process.
  if (settings.reload && settings.workers === 0) settings.workers = 1
  return settings
}

/** @param {string} name */
const camelCase = (name) => name.replaceAll(/-(\w)/g, (_, letter) => letter.toUpperCase())

/** @param {unknown} folder */
function goTo(folder) {
  if (folder === undefined) return
  try {
    process.chdir(String(folder))
  } catch {
    throw new UsageError(`--cwd ${String(folder)} is not a folder, or this user may not enter it`)
  }
}

/**
 * @param {CommandSettings} settings
 * @param {Given} given
 */
function checkTogether(settings, given) {
  for (const name of ['reload-dir', 'reload-include', 'reload-exclude', 'reload-delay']) {
    if (given.has(name) && !settings.reload) throw new UsageError(`--${name} needs --reload`)
  }
  if (given.has('limit-max-requests-jitter') && settings.limitMaxRequests === undefined) throw new UsageError('--limit-max-requests-jitter needs --limit-max-requests')
  if (settings.workers > LIMIT.PROCESSES) throw new UsageError(`--workers must be a whole number from 0 to ${LIMIT.PROCESSES}, not ${settings.workers}`)
  const { uds, fd, sslCertfile, sslKeyfile, http2, python, venv, healthPath, rootPath } = settings
  if (uds !== undefined && fd !== undefined) throw new UsageError('--uds and --fd cannot be used together: give only one of them')
  if ((uds !== undefined || fd !== undefined) && (given.has('host') || given.has('port'))) {
    throw new UsageError(`--${uds === undefined ? 'fd' : 'uds'} replaces --host and --port: give only one of them`)
  }
  if (python !== undefined && venv !== undefined) throw new UsageError('--python and --venv cannot be used together: give only one of them')
  if (sslKeyfile !== undefined && sslCertfile === undefined) throw new UsageError('--ssl-keyfile needs --ssl-certfile')
  for (const name of ['ssl-keyfile-password', 'ssl-ca-certs', 'ssl-ciphers', 'ssl-cert-reqs']) {
    if (given.has(name) && sslCertfile === undefined) throw new UsageError(`--${name} needs --ssl-certfile and --ssl-keyfile`)
  }
  if (settings.sslCertReqs !== '0' && settings.sslCaCerts === undefined) throw new UsageError('--ssl-cert-reqs needs --ssl-ca-certs: the authorities that client certificates are checked against')
  if (http2 && sslCertfile === undefined) throw new UsageError('--http2 needs --ssl-certfile and --ssl-keyfile: browsers use HTTP/2 only over TLS')
  if (healthPath !== undefined && (!/^\/[^?#]*[^/?#]$/.test(healthPath) || /[^!-~]/.test(healthPath))) throw new UsageError(`--health-path must be a path such as /healthz, not ${JSON.stringify(healthPath)}`)
  if (rootPath !== '' && !rootPath.startsWith('/')) throw new UsageError(`--root-path must start with "/", but is ${JSON.stringify(rootPath)}`)
}

/** @param {CommandSettings} settings */
function checkFolders({ app, appDir, venv }) {
  if (app === '') throw new UsageError('APP is empty: name the application, as main:app, or leave it out to have it found')
  for (const [name, path] of [['app-dir', appDir], ['venv', venv]]) {
    if (path !== undefined && !isFolder(path)) throw new UsageError(`--${name} ${path}: there is no folder ${resolve(path)}`)
  }
}
