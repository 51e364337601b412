// From settings to a server, and to its end.

import { openSync, closeSync } from 'node:fs'
import { resolve as absolute } from 'node:path'
import { trustOf } from '../incoming/proxy.js'
import { PythonError, PythonHandler } from '../index.js'
import { choose } from '../python/discovery.js'
import { accessLogFor } from './log/access.js'
import { checkAddress, listenOn, urlOf } from './listen/address.js'
import { sayStarted } from './log/banner.js'
import { findApp } from './app/discover.js'
import { loadEnvFile } from './settings/env-file.js'
import { followerOf, frontOf, headersOf } from './front/front.js'
import { handlerOptions, trustedProxies } from './app/handler-options.js'
import { hasColors, loggerFor } from './log/log.js'
import { Proxies } from './front/proxy.js'
import { Server } from './listen/server.js'
import { Reloader } from './life/reloader.js'
import { onSignals } from './life/signals.js'
import { staticFiles } from './front/static.js'
import { Stop } from './life/stop.js'
import { tlsOptions } from './listen/tls.js'
import { Silent, StartError } from './errors.js'
import { Watcher } from './life/watcher.js'

/** @typedef {import('./settings/settings.js').Settings} Settings */

/** What uvicorn ends with when the application does not start. */
const APP_FAILED = 3

const HUP_WITHOUT_WORKERS = 'SIGHUP: the application runs in this process, which cannot load it anew: use --workers 1, or restart it'
const HUP_TOO_EARLY = 'SIGHUP: the application has not started yet, and is loaded as it is now'

/**
 * @param {Settings} settings
 * @returns {Promise<number>} the exit code
 */
export async function serve(settings) {
  const colors = hasColors(settings.useColors, process.stderr)
  const log = loggerFor(settings.logLevel, colors)
  if (settings.envFile !== undefined) loadEnvFile(settings.envFile)
  const trust = trustedProxies(settings)
  const proxies = new Proxies(settings.proxy, log)
  const access = accessLogFor(settings, log)
  const gate = { closing: false }
  const follow = followerOf(access.log, trustOf(trust))
  const layers = { headers: headersOf(settings), files: settings.static.map((text) => staticFiles(text, follow)) }
  const tls = tlsOptions(settings)
  const ending = endingOf(log, settings.workers > 0 ? HUP_TOO_EARLY : HUP_WITHOUT_WORKERS)
  await checkAddress(settings)
  const found = await findApp(settings).catch((error) => {
    throw new Silent(failed(error, log))
  })
  if (found.found !== null) log.info({}, `Found ${found.app}: ${found.found}`)

  const watcher = settings.reload ? new Watcher(settings, found.folder) : null
  await watcher?.ready()
  const options = handlerOptions(settings, found, log, access.log)
  try {
    const handler = await started(options, ending, watcher, log)
    if (handler === null) return 0
    const onRequest = settings.workers === 0 ? requestCounter(settings, ending.stop) : () => {}
    const front = frontOf({ handler, settings, proxies, ...layers, follow, gate, onRequest })
    const server = new Server(settings, tls, front.listener, front.upgrade)
    const stop = new Stop({ handler, server, gate, idle: front.idle, delay: settings.drainDelay * 1000, timeout: settings.timeoutGracefulShutdown * 1000 })
    ending.onInsist = () => stop.now()
    try {
      await listenOn(server.net, settings)
    } catch (error) {
      await handler.close({ timeout: 0 }).catch(() => {})
      throw error
    }
    if (settings.workers > 0) reloadOn(new Reloader(handler, log), ending, watcher)
    // It has been asked before: the answer is kept.
    const python = await choose({ ...options, appDir: absolute(found.folder), embedded: settings.workers === 0 })
    const url = urlOf(server.net, server.isSecure)
    await sayStarted({ log, handler, access, app: found.app, workers: settings.workers, python, url, rootPath: settings.rootPath, colors })
    await ending.asked
    await watcher?.close()
    return await drained(stop, log)
  } finally {
    await watcher?.close()
  }
}

/**
 * A handler that is ready; null where the process is asked to end before. Under --reload, an application that does not start is
 * tried again when its files have changed.
 * @param {import('../index.js').PythonHandlerOptions} options
 * @param {ReturnType<typeof endingOf>} ending
 * @param {Watcher | null} watcher
 * @param {import('../log/types.js').Logger} log
 */
async function started(options, ending, watcher, log) {
  while (!ending.isAsked) {
    const handler = new PythonHandler(options)
    ending.onInsist = () => handler.close({ timeout: 0 }).catch(() => {})
    try {
      await Promise.race([handler.ready(), ending.asked])
      if (!ending.isAsked) return handler
      await handler.close()
    } catch (error) {
      await handler.close({ timeout: 0 }).catch(() => {})
      const exitCode = failed(error, log)
      if (watcher === null) throw new Silent(exitCode)
      log.info({}, 'Waiting for a change of its files')
      await Promise.race([new Promise((resolve) => (watcher.onChange = resolve)), ending.asked])
    }
  }
  return null
}

/**
 * @param {Reloader} reloader
 * @param {ReturnType<typeof endingOf>} ending
 * @param {Watcher | null} watcher
 */
function reloadOn(reloader, ending, watcher) {
  ending.onReload = () => void reloader.reload('SIGHUP')
  if (watcher === null) return
  watcher.onChange = (paths) => void reloader.reload(paths.length > 3 ? `${paths.length} files have changed` : `${paths.join(', ')} changed`)
}

/**
 * @param {Stop} stop
 * @param {import('../log/types.js').Logger} log
 */
async function drained(stop, log) {
  log.info({}, 'Shutting down: waiting for requests to finish (CTRL+C to force quit)')
  try {
    await stop.drain()
  } catch (error) {
    if (!(error instanceof PythonError)) throw error
    log.error({ err: error }, `${error.code}: ${error.message}`)
    return 1
  }
  log.info({}, `Finished process ${process.pid}`)
  return 0
}

/**
 * Why it was not served: the application's failure as its log, everything else as one line.
 * @param {unknown} error
 * @param {import('../log/types.js').Logger} log
 */
function failed(error, log) {
  if (!(error instanceof PythonError)) throw error
  log.error({ err: error }, `${error.code}: ${error.message}`)
  // A worker that dies before it is ready has died of what it imports.
  if (/^(APP|LIFESPAN)_|^EVENT_LOOP|^WORKER_DIED/.test(error.code)) return APP_FAILED
  throw new StartError('Python could not be started: asgi-node doctor says more')
}

/**
 * The process is asked to end by signals, or by `stop`.
 * @param {import('../log/types.js').Logger} log
 * @param {string} noReload said at SIGHUP until there is something to load anew
 */
function endingOf(log, noReload) {
  let stop = () => {}
  const asked = /** @type {Promise<void>} */ (new Promise((resolve) => (stop = resolve)))
  const ending = { asked, isAsked: false, stop: () => {}, onInsist: async () => {}, onReload: () => log.warn({}, noReload) }
  ending.stop = () => {
    ending.isAsked = true
    stop()
  }
  onSignals({
    onStop: ending.stop,
    onInsist: (exitCode) => void ending.onInsist().finally(() => process.exit(exitCode)),
    onReload: () => {
      if (isTerminalGone()) return ending.stop()
      ending.onReload()
    }
  })
  return ending
}

/** Whoever closes a terminal wants what runs in it to end, and sends the signal that elsewhere is a reload. */
function isTerminalGone() {
  if (!process.stderr.isTTY) return false
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return false
  } catch {
    return true
  }
}

/**
 * @param {Settings} settings
 * @param {() => void} stop
 */
function requestCounter({ limitMaxRequests, limitMaxRequestsJitter }, stop) {
  if (limitMaxRequests === undefined) return () => {}
  const limit = limitMaxRequests + Math.floor(Math.random() * (limitMaxRequestsJitter + 1))
  let count = 0
  return () => {
    if (++count === limit) stop()
  }
}
