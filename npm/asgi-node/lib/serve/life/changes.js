// --reload: chooses the files to watch.

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { Watcher } from '../../reload/watcher.js'
import { StartError, UsageError } from '../errors.js'

/**
 * A watcher that has started. It also sees changes before a handler has started.
 * @param {import('../settings/settings.js').CommandSettings} settings
 * @param {string} folder of the application
 */
export async function watcherOf({ reloadDir, reloadInclude, reloadExclude, reloadDelay }, folder) {
  const missing = reloadDir.find((one) => !existsSync(one))
  if (missing !== undefined) throw new UsageError(`--reload-dir ${missing}: there is no folder ${resolve(missing)}`)
  const paths = reloadDir.length > 0 ? reloadDir : [folder]
  const watcher = new Watcher({ paths, include: reloadInclude, exclude: reloadExclude, delay: reloadDelay * 1000 }, { isPersistent: true })
  try {
    await watcher.ready()
  } catch (error) {
    await watcher.close()
    throw new StartError(/** @type {Error} */ (error).message)
  }
  return watcher
}
