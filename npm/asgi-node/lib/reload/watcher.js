// Watches the files of an application.

import { basename, relative, resolve, sep } from 'node:path'

/**
 * What to watch.
 * @typedef {object} Watched
 * @property {readonly string[]} paths the folders and files
 * @property {readonly string[]} include patterns of files to watch in addition to `*.py`
 * @property {readonly string[]} exclude patterns of files and folders to ignore, in addition to the built-in ones
 * @property {number} delay milliseconds without a further change before changes are reported
 */

/**
 * @typedef {object} Listener
 * @property {() => void} onSeen called at once for the first change after a pause
 * @property {(paths: string[]) => void} onChange called with the files when nothing changes any more
 */

/** The patterns of uvicorn, and the folders of packages. */
const INCLUDED = ['*.py']
const EXCLUDED = ['.*', '*.py[cod]', '.sw.*', '~*', '__pycache__', 'node_modules', 'venv', 'site-packages']

/**
 * A pattern without a slash matches names. A pattern with a slash matches paths below the watched folder.
 * @param {typeof import('picomatch')} picomatch
 * @param {readonly string[]} patterns
 * @returns {(path: string) => boolean}
 */
function matcher(picomatch, patterns) {
  const named = picomatch(patterns.filter((pattern) => !pattern.includes('/')), { dot: true })
  const paths = picomatch(patterns.filter((pattern) => pattern.includes('/')), { dot: true })
  return (path) => named(basename(path)) || paths(path)
}

/** Reports when files of an application change, and when nothing has changed for some time. */
export class Watcher {
  /** @type {import('chokidar').FSWatcher | null} */
  #watcher = null
  #isClosed = false
  #delay
  #ready
  /** @type {Set<string>} */
  #changed = new Set()
  /** Runs while further changes are waited for. @type {NodeJS.Timeout | null} */
  #timer = null
  #isPersistent
  /** @type {Listener | null} */
  #listener = null

  /**
   * @param {Watched} watched its paths must exist
   * @param {{ isPersistent: boolean }} options whether it keeps the process alive
   */
  constructor(watched, { isPersistent }) {
    this.#delay = watched.delay
    this.#isPersistent = isPersistent
    this.#ready = this.#start(watched)
    // `ready()` reports the error.
    this.#ready.catch(() => {})
  }

  /** @param {Watched} watched */
  async #start({ paths, include, exclude }) {
    // Not imported with the package: most handlers watch nothing.
    const [{ watch }, { default: picomatch }] = await Promise.all([import('chokidar'), import('picomatch')])
    if (this.#isClosed) return
    const roots = paths.map((one) => resolve(one))
    const includes = matcher(picomatch, [...INCLUDED, ...include])
    const excludes = matcher(picomatch, [...EXCLUDED, ...exclude])
    const ignored = (/** @type {string} */ path, /** @type {import('node:fs').Stats | undefined} */ stats) => {
      const root = roots.find((one) => path === one || path.startsWith(one.endsWith(sep) ? one : one + sep))
      // The watched folder itself may be inside a folder whose name begins with a dot.
      if (root === undefined || path === root) return false
      const below = relative(root, path)
      return excludes(below) || (stats?.isFile() === true && !includes(below))
    }
    const watcher = watch(roots, { ignored, ignoreInitial: true, persistent: this.#isPersistent })
    this.#watcher = watcher
    watcher.on('all', (event, path) => {
      if (event !== 'addDir' && event !== 'unlinkDir') this.#note(path)
    })
    await new Promise((done, reject) => {
      watcher.once('ready', () => done(undefined))
      watcher.on('error', (error) => reject(cannotWatch(error)))
    })
  }

  /** Fulfilled when every later change will be seen. @returns {Promise<void>} */
  async ready() {
    await this.#ready
  }

  /**
   * Sets the listener for changes. Changes that nobody has got yet are reported at once.
   * @param {Listener | null} listener null: changes are kept
   */
  listen(listener) {
    this.#listener = listener
    if (listener === null || this.#changed.size === 0) return
    listener.onSeen()
    if (this.#timer === null) this.flush()
  }

  /** Drops the changes until now, because the caller is about to read the files. */
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
      this.flush()
    }, this.#delay)
    if (!this.#isPersistent) this.#timer.unref()
  }

  /** Reports changes now. The caller is about to block this thread, so it cannot wait until nothing changes any more. */
  flush() {
    if (this.#listener === null || this.#changed.size === 0) return
    const paths = [...this.#changed]
    this.#changed.clear()
    this.#listener.onChange(paths)
  }

  async close() {
    this.forget()
    this.#listener = null
    this.#isClosed = true
    await this.#watcher?.close()
  }
}

/** @param {unknown} cause */
function cannotWatch(cause) {
  const { code, message } = /** @type {NodeJS.ErrnoException} */ (cause)
  const how = code === 'ENOSPC' ? 'more files than fs.inotify.max_user_watches allows: raise it, or watch fewer folders' : message
  return new Error(`Files cannot be watched: ${how}`, { cause })
}
