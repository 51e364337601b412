// Which files of an application count, and when they have changed.

import { basename, relative, resolve, sep } from 'node:path'
import { watch } from 'chokidar'
import picomatch from 'picomatch'

/**
 * What is watched, and for which changes.
 * @typedef {object} Watched
 * @property {readonly string[]} paths folders and files
 * @property {readonly string[]} include patterns of files that count beside `*.py`
 * @property {readonly string[]} exclude patterns of what does not count beside what never does
 * @property {number} delay milliseconds without a further change
 */

/**
 * @typedef {object} Listener
 * @property {() => void} onSeen is told of the first change after a pause, at once
 * @property {(paths: string[]) => void} onChange is told which files, when nothing changes any more
 */

/** uvicorn's, and where packages are. */
const INCLUDED = ['*.py']
const EXCLUDED = ['.*', '*.py[cod]', '.sw.*', '~*', '__pycache__', 'node_modules', 'venv', 'site-packages']

/** How long a change is waited for that comes right behind another: an editor writes several files, or one twice. */
export const RELOAD_DELAY = 50

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

/** Tells when files of an application change, and when nothing has changed any more for a moment. */
export class Watcher {
  #watcher
  #delay
  #ready
  /** @type {Set<string>} */
  #changed = new Set()
  /** Until nothing has changed for long enough. @type {NodeJS.Timeout | null} */
  #timer = null
  #isPersistent
  /** @type {Listener | null} */
  #listener = null

  /**
   * @param {Watched} watched its paths exist
   * @param {{ isPersistent: boolean }} options whether the process stays alive for it
   */
  constructor({ paths, include, exclude, delay }, { isPersistent }) {
    const roots = paths.map((one) => resolve(one))
    const includes = matcher([...INCLUDED, ...include])
    const excludes = matcher([...EXCLUDED, ...exclude])
    const ignored = (/** @type {string} */ path, /** @type {import('node:fs').Stats | undefined} */ stats) => {
      const root = roots.find((one) => path === one || path.startsWith(one.endsWith(sep) ? one : one + sep))
      // The folder itself may be below one with a dot.
      if (root === undefined || path === root) return false
      const below = relative(root, path)
      return excludes(below) || (stats?.isFile() === true && !includes(below))
    }
    this.#delay = delay
    this.#isPersistent = isPersistent
    this.#watcher = watch(roots, { ignored, ignoreInitial: true, persistent: isPersistent })
    this.#watcher.on('all', (event, path) => {
      if (event !== 'addDir' && event !== 'unlinkDir') this.#note(path)
    })
    this.#ready = new Promise((done, reject) => {
      this.#watcher.once('ready', () => done(undefined))
      this.#watcher.on('error', (error) => reject(cannotWatch(error)))
    })
    // Whoever asks is told.
    this.#ready.catch(() => {})
  }

  /** Fulfilled when every change from now on is seen. @returns {Promise<void>} */
  async ready() {
    await this.#ready
  }

  /**
   * Has changes told to this one from now on, and those that nobody has heard of at once.
   * @param {Listener | null} listener null: they are kept
   */
  listen(listener) {
    this.#listener = listener
    if (listener === null || this.#changed.size === 0) return
    listener.onSeen()
    if (this.#timer === null) this.hurry()
  }

  /** What has changed until now is read next, and need not be told. */
  forget() {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#changed.clear()
  }

  /** @param {string} path */
  #note(path) {
    if (this.#changed.size === 0) this.#listener?.onSeen()
    this.#changed.add(relative('', path))
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.hurry()
    }, this.#delay)
    if (!this.#isPersistent) this.#timer.unref()
  }

  /** Whoever blocks this thread next cannot wait until nothing changes any more. */
  hurry() {
    if (this.#listener === null || this.#changed.size === 0) return
    const paths = [...this.#changed]
    this.#changed.clear()
    this.#listener.onChange(paths)
  }

  async close() {
    this.forget()
    this.#listener = null
    await this.#watcher.close()
  }
}

/** @param {unknown} cause */
function cannotWatch(cause) {
  const { code, message } = /** @type {NodeJS.ErrnoException} */ (cause)
  const how = code === 'ENOSPC' ? 'more files than fs.inotify.max_user_watches allows: raise it, or watch fewer folders' : message
  return new Error(`Files cannot be watched: ${how}`, { cause })
}
