// Runs a server with the given settings, from its start to its end.

import { resolve as absolute } from 'node:path'
import { trustOf } from '../incoming/proxy.js'
import { PythonError } from '../index.js'
import { choose } from '../python/discovery.js'
import { Reloader } from '../reload/reloader.js'
import { accessLogFor } from './log/access.js'
import { checkAddress, listenOn, urlOf } from './listen/address.js'
import { sayStarted } from './log/banner.js'
import { findAnyhow, isBlocked, started } from './life/opening.js'
import { loadEnvFile } from './settings/env-file.js'
import { Follower } from './front/follower.js'
import { frontOf, headersOf } from './front/front.js'
import { handlerOptions, trustedProxies } from './app/handler-options.js'
import { Documentation } from './log/documentation.js'
import { hasColors, loggerFor, styled } from './log/log.js'
import { Proxies } from './front/proxy.js'
import { Server } from './listen/server.js'
import { endingOf } from './life/ending.js'
import { Stop } from './life/stop.js'
import { tlsOptions } from './listen/tls.js'

/** @typedef {import('./settings/settings.js').CommandSettings} CommandSettings */

const HUP_WITHOUT_WORKERS = 'SIGHUP: the application runs in this process, which cannot load it again: use --workers 1, or restart it'
const HUP_TOO_EARLY = 'SIGHUP: the application has not started yet, so its current code is being loaded anyway'

/**
 * @param {CommandSettings} settings
 * @returns {Promise<number>} the exit code
 */
export async function serve(settings) {
  // A reader of the log that has gone loses lines. Without a listener it would end the server.
  process.stderr.on('error', () => {})
  const colors = hasColors(settings.useColors, process.stderr)
  const log = loggerFor(settings.logLevel, colors)
  if (settings.envFile !== undefined) loadEnvFile(settings.envFile)
  const trust = trustedProxies(settings)
  const accessLog = accessLogFor(settings, log)
  const gate = { closing: false }
  const follower = new Follower(accessLog, trustOf(trust))
  const layers = { headers: headersOf(settings), files: await filesOf(settings, follower), proxies: new Proxies(settings.proxy, log, follower) }
  const tls = tlsOptions(settings)
  const ending = endingOf(log, settings.workers > 0 ? HUP_TOO_EARLY : HUP_WITHOUT_WORKERS)
  await checkAddress(settings)
  const { found, watcher } = await findAnyhow(settings, ending, log)
  if (found === null) return 0
  if (found.found !== null) log.info({}, `Found ${found.app}: ${found.found}`)

  const documentation = new Documentation(log, (text) => styled('bold', text, colors))
  const options = handlerOptions(settings, found, documentation.logger, accessLog, watcher)
  try {
    const handler = await started(options, ending, watcher, log, settings.timeoutGracefulShutdown * 1000)
    if (handler === null) return 0
    const onRequest = settings.workers === 0 ? requestCounter(settings, ending.stop) : () => {}
    const front = frontOf({ handler, settings, ...layers, gate, onRequest })
    const server = new Server(settings, tls, front.listener, front.upgrade)
    const stop = new Stop({ handler, server, gate, idle: front.idle, delay: settings.drainDelay * 1000, timeout: settings.timeoutGracefulShutdown * 1000 })
    ending.onInsist = () => stop.now()
    try {
      await listenOn(server.net, settings)
    } catch (error) {
      await handler.close({ timeout: 0 }).catch(() => {})
      throw error
    }
    if (settings.workers > 0) {
      const reloader = new Reloader(() => handler.reload(), (level, object, message) => log[level](object, message))
      ending.onReload = () => void reloader.reload('SIGHUP')
    }
    // The interpreter has been asked before, and the answer is cached.
    const python = await choose({ ...options, appDir: absolute(found.folder), embedded: settings.workers === 0 })
    const url = urlOf(server.net, server.isSecure)
    sayStarted({ log, handler, app: found.app, workers: settings.workers, python, url, colors })
    if (url.startsWith('http')) documentation.servedOn(url)
    await ending.asked
    await watcher?.close()
    return await drained(stop, log)
  } finally {
    await watcher?.close()
  }
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
    if (!isBlocked(error)) log.error({ err: error }, `${error.code}: ${error.message}`)
    return 1
  }
  log.info({}, `Finished process ${process.pid}`)
  return 0
}

/**
 * The layers of static files. `send` and what it needs take a tenth of a start, and few servers have any.
 * @param {CommandSettings} settings
 * @param {Follower} follower
 */
async function filesOf(settings, follower) {
  if (settings.static.length === 0) return []
  const { staticFiles } = await import('./front/static.js')
  return settings.static.map((text) => staticFiles(text, follower))
}

/**
 * @param {CommandSettings} settings
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
