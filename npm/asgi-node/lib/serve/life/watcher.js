// --reload: which files count, and when they have changed.

import { existsSync } from 'node:fs'
import { basename, relative, resolve, sep } from 'node:path'
import { watch } from 'chokidar'
import picomatch from 'picomatch'
import { StartError, UsageError } from '../errors.js'

/** @typedef {import('../settings/settings.js').Settings} Settings */

/** uvicorn's, and where packages are. */
const INCLUDED = ['*.py']
const EXCLUDED = ['.*', '*.py[cod]', '.sw.*', '~*', '__pycache__', 'node_modules', 'venv', 'site-packages']

/**
 * A pattern without a slash is for names, one with a slash for paths below the folder that is watched.
 * @param {readonly string[]} patterns
 * @returns {(path: string) => boolean}
 */
function matcher(patterns) {
  const named = picomatch(patterns.filter((pattern) => !pattern.includes('/')), { dot: true })
  const paths = picomatch(patterns.filter((pattern) => pattern.includes('/')), { dot: true })
  return (path) => named(basename(path)) || paths(path)
}

/** Tells when files of an application have changed and nothing has for a moment. */
export class Watcher {
  #watcher
  #delay
  /** @type {Set<string>} */
  #changed = new Set()
  /** @type {NodeJS.Timeout | undefined} */
  #timer
  /** Is told which files. @type {(paths: string[]) => void} */
  onChange = () => {}

  /**
   * @param {Settings} settings
   * @param {string} folder of the application
   */
  constructor({ reloadDir, reloadInclude, reloadExclude, reloadDelay }, folder) {
    const folders = (reloadDir.length > 0 ? reloadDir : [folder]).map((one) => resolve(one))
    const missing = reloadDir.find((one) => !existsSync(one))
    if (missing !== undefined) throw new UsageError(`--reload-dir ${missing}: there is no folder ${resolve(missing)}`)
    const includes = matcher([...INCLUDED, ...reloadInclude])
    const excludes = matcher([...EXCLUDED, ...reloadExclude])
    const ignored = (/** @type {string} */ path, /** @type {import('node:fs').Stats | undefined} */ stats) => {
      const root = folders.find((one) => path === one || path.startsWith(one + sep))
      // The folder itself may be below one with a dot.
      if (root === undefined || path === root) return false
      const below = relative(root, path)
      return excludes(below) || (stats?.isFile() === true && !includes(below))
    }
    this.#delay = reloadDelay * 1000
    this.#watcher = watch(folders, { ignored, ignoreInitial: true })
    this.#watcher.on('all', (event, path) => {
      if (event !== 'addDir' && event !== 'unlinkDir') this.#note(path)
    })
  }

  /** Fulfilled when every change from now on is seen. @returns {Promise<void>} */
  async ready() {
    await new Promise((done, reject) => {
      this.#watcher.once('ready', () => done(undefined))
      this.#watcher.once('error', (error) => {
        const { code, message } = /** @type {NodeJS.ErrnoException} */ (error)
        const how = code === 'ENOSPC' ? 'more files than fs.inotify.max_user_watches allows: raise it, or choose --reload-dir' : message
        reject(new StartError(`Files cannot be watched: ${how}`))
      })
    })
  }

  /** @param {string} path */
  #note(path) {
    this.#changed.add(relative('', path))
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      const paths = [...this.#changed]
      this.#changed.clear()
      this.onChange(paths)
    }, this.#delay)
  }

  async close() {
    clearTimeout(this.#timer)
    await this.#watcher.close()
  }
}
