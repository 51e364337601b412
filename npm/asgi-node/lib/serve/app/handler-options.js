import { trustOf } from '../../incoming/proxy.js'
import { UsageError } from '../errors.js'

/** @typedef {import('../settings/settings.js').CommandSettings} CommandSettings */

/**
 * The options of the handler.
 * @param {CommandSettings} settings
 * @param {{ app: string, folder: string }} found
 * @param {import('../../log/types.js').Logger} logger
 * @param {import('../../log/access-log.js').AccessLog | null} accessLog
 * @param {import('../../reload/watcher.js').Watcher | null} watcher
 * @returns {import('../../index.js').PythonHandlerOptions}
 */
export function handlerOptions(settings, { app, folder }, logger, accessLog, watcher) {
  const { factory, lifespan, loop, rootPath, python, venv, limitConcurrency } = settings
  return {
    app,
    docroot: folder,
    factory,
    interface: settings.interface,
    lifespan,
    loop,
    rootPath,
    ...(python !== undefined && { python }),
    ...(venv !== undefined && { venv }),
    maxConcurrency: limitConcurrency,
    // uvicorn waits for ever. A version that never starts must not keep the next one from being tried.
    startupTimeout: settings.reload ? LONGEST_RELOAD : 0,
    workers: workersOf(settings),
    // No option of users, but taken as one: it has seen what changed before the handler was made.
    ...(watcher !== null && { reload: /** @type {import('../../index.js').ReloadOptions} */ (/** @type {unknown} */ (watcher)) }),
    trustProxy: trustedProxies(settings),
    websocket: {
      maxPayload: settings.wsMaxSize,
      maxQueue: settings.wsMaxQueue,
      pingInterval: milliseconds(settings.wsPingInterval),
      pingTimeout: milliseconds(settings.wsPingTimeout),
      perMessageDeflate: settings.wsPerMessageDeflate
    },
    logger,
    // This is the log itself, not a function. The handler accepts it in place of one.
    accessLog: accessLog === null ? false : /** @type {import('../../index.js').AccessFunction} */ (/** @type {unknown} */ (accessLog))
  }
}

/** Ten minutes, in milliseconds. */
const LONGEST_RELOAD = 600_000

/** 0 has a meaning of its own, so that little is not made none. @param {number} seconds */
const milliseconds = (seconds) => Math.ceil(seconds * 1000)

/**
 * With workers, `--limit-max-requests` applies to each worker, as in uvicorn, and the server goes on.
 * @param {CommandSettings} settings
 */
function workersOf({ workers, limitMaxRequests, limitMaxRequestsJitter }) {
  if (workers === 0) return 0
  if (limitMaxRequests === undefined) return { count: workers }
  return { count: workers, maxRequests: limitMaxRequests, maxRequestsJitter: limitMaxRequestsJitter }
}

/**
 * The option `trustProxy`, from uvicorn's two options.
 * @param {CommandSettings} settings
 */
export function trustedProxies({ proxyHeaders, forwardedAllowIps }) {
  if (!proxyHeaders) return false
  const list = forwardedAllowIps.split(',').map((item) => item.trim()).filter((item) => item !== '')
  if (list.includes('*')) return true
  try {
    trustOf(list)
  } catch {
    throw new UsageError(`--forwarded-allow-ips must be addresses and ranges with commas between them, "unix", or *, not ${JSON.stringify(forwardedAllowIps)}`)
  }
  return list
}
