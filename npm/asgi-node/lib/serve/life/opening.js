// Finds and starts the application. Under --reload a start that fails is tried again when the files have changed.

import { PythonError, PythonHandler } from '../../index.js'
import { BrokenFile, Silent, StartError, UsageError } from '../errors.js'
import { watcherOf } from './changes.js'
import { findApp } from '../app/discover.js'

/** @typedef {import('../settings/settings.js').CommandSettings} CommandSettings */
/** @typedef {import('./ending.js').Ending} Ending */
/** @typedef {import('../../log/types.js').Logger} Logger */
/** @typedef {import('../../reload/watcher.js').Watcher} Watcher */

/** uvicorn's exit code if the application does not start. */
const APP_FAILED = 3

/**
 * Finds the application, and under --reload a watcher of its files.
 * @param {CommandSettings} settings
 * @param {Ending} ending
 * @param {Logger} log
 * @returns {Promise<{ found: import('../app/discover.js').Found | null, watcher: Watcher | null }>} null: the process is asked to end
 */
export async function findAnyhow(settings, ending, log) {
  const files = new WatchedFiles(settings)
  try {
    while (!ending.isAsked) {
      files.watcher?.forget()
      try {
        const found = await findApp(settings)
        await files.watch(found.folder)
        return { found, watcher: files.watcher }
      } catch (error) {
        if (!settings.reload || !(error instanceof BrokenFile || files.isMissing(error))) throw new Silent(failed(error, log))
        if (error instanceof BrokenFile) {
          // The file may have been repaired before the watcher saw it.
          if (await files.watch(error.folder)) continue
          log.error({ stack: error.where }, error.message)
        } else log.error({}, error.message)
        await waiting(files.watcher, ending, log)
      }
    }
  } catch (error) {
    await files.watcher?.close()
    throw error
  }
  await files.watcher?.close()
  return { found: null, watcher: null }
}

/**
 * A handler that is ready, and that follows changes since its start; null if the process is asked to end before that.
 * @param {import('../../index.js').PythonHandlerOptions} options
 * @param {Ending} ending
 * @param {Watcher | null} watcher
 * @param {Logger} log
 * @param {number} timeout milliseconds that an application has to start if the process is asked to end meanwhile
 */
export async function started(options, ending, watcher, log, timeout) {
  while (!ending.isAsked) {
    watcher?.forget()
    const handler = new PythonHandler(options)
    ending.onInsist = () => handler.close({ timeout: 0 }).catch(() => {})
    try {
      await Promise.race([handler.ready(), ending.asked])
      if (!ending.isAsked) return handler
    } catch (error) {
      await handler.close({ timeout: 0 }).catch(() => {})
      const exitCode = failed(error, log)
      if (watcher === null) throw new Silent(exitCode)
      await waiting(watcher, ending, log)
      continue
    }
    await endBeforeStart(handler, timeout, log)
  }
  return null
}

/** Whether the handler has logged this already. @param {unknown} error */
export const isBlocked = (error) => error instanceof PythonError && error.code === 'EVENT_LOOP_BLOCKED'

/**
 * An import cannot be interrupted, and a start-up should not be: it may be changing a database.
 * @param {PythonHandler} handler
 * @param {number} timeout
 * @param {Logger} log
 */
async function endBeforeStart(handler, timeout, log) {
  log.info({}, 'Shutting down: waiting for the application to start (CTRL+C to force quit)')
  try {
    await handler.close({ timeout })
  } catch (error) {
    // The handler says itself that it is blocked, and where.
    throw new Silent(isBlocked(error) ? APP_FAILED : failed(error, log))
  }
  log.info({}, `Finished process ${process.pid}`)
}

/** The folder of an application, watched under --reload. */
class WatchedFiles {
  #settings
  #folder = ''
  /** @type {Watcher | null} */
  watcher = null

  /** @param {CommandSettings} settings */
  constructor(settings) {
    this.#settings = settings
  }

  /** @param {string} folder @returns {Promise<boolean>} whether watching has begun with this call */
  async watch(folder) {
    if (!this.#settings.reload || folder === this.#folder) return false
    await this.watcher?.close()
    this.watcher = await watcherOf(this.#settings, folder)
    this.#folder = folder
    return true
  }

  /**
   * Whether the missing file existed before: some editors remove a file for a moment.
   * @param {unknown} error
   * @returns {error is UsageError}
   */
  isMissing(error) {
    return this.watcher !== null && error instanceof UsageError
  }
}

/**
 * Returns when files have changed since the call of `forget`. That call comes before the files are read, so no change is missed.
 * @param {Watcher | null} watcher
 * @param {Ending} ending
 * @param {Logger} log
 */
async function waiting(watcher, ending, log) {
  log.info({}, 'Waiting for a change of its files')
  await Promise.race([new Promise((resolve) => watcher?.listen({ onSeen() {}, onChange: resolve })), ending.asked])
  watcher?.listen(null)
}

/**
 * Logs why the application is not served: its own failure as a log record, everything else as one line.
 * @param {unknown} error
 * @param {Logger} log
 * @returns {number} the exit code
 */
function failed(error, log) {
  if (!(error instanceof PythonError)) throw error
  log.error({ err: error }, `${error.code}: ${error.message}`)
  // A worker that dies before it is ready was killed by an import of the application.
  if (/^(APP|LIFESPAN)_|^EVENT_LOOP|^WORKER_DIED/.test(error.code)) return APP_FAILED
  throw new StartError('Python could not be started: asgi-node doctor says more')
}
