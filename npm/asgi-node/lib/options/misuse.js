// Common mistakes of beginners: each gets a sentence that says what to write, not just a stack that ends in this package.

/**
 * `app.use(python.middleware)`: it is called with a request instead of options.
 * @param {unknown} options
 */
export function checkIsNoRequest(options) {
  if (!Array.isArray(/** @type {{ rawHeaders?: unknown } | null | undefined} */ (options)?.rawHeaders)) return
  throw new TypeError('python.middleware creates middleware: write app.use(python.middleware())')
}

/**
 * `app.use(python.upgrade)`: it is called with a response instead of a socket.
 * @param {unknown} socket
 */
export function checkIsSocket(socket) {
  if (typeof (/** @type {{ writeHead?: unknown } | null} */ (socket)?.writeHead) !== 'function') return
  throw new TypeError("python.upgrade is a listener for 'upgrade', not middleware: write server.on('upgrade', python.upgrade)")
}

/** `python.listener(new Request(…))`: there is no response to write to. */
export const isNoRequest = () =>
  new TypeError(
    'python.listener takes (req, res) of node:http: write createServer(python.listener). ' +
      'For a WHATWG Request there is python.fetch(request), and without any server python.handleRequest(request)'
  )

/** `createServer(python)`: Node takes the handler for options. */
export const isNoListener = () => new TypeError('A handler is not a listener itself: write createServer(python.listener)')

/** Options of other servers, and what to use here instead. @type {ReadonlyMap<string, string>} */
const ELSEWHERE = new Map([
  ['port', "it is the server's: createServer(python.listener).listen(port)"],
  ['host', "it is the server's: createServer(python.listener).listen(port, host)"],
  ['logLevel', "it is Python's: logging.basicConfig(level=…) in the application, or the level of your logger"],
  ['log_level', "it is Python's: logging.basicConfig(level=…) in the application, or the level of your logger"],
  ['ssl', "it is the server's: https.createServer({ key, cert }, python.listener)"],
  ['headers', 'they are set by the application, or by your server before it calls python.listener'],
  ['timeout', 'there are requestTimeout, startupTimeout and shutdownTimeout'],
  ['cwd', 'the folder of the application is docroot'],
  ['appDir', 'the folder of the application is docroot'],
  ['env', 'Python sees process.env as it is when the first handler starts'],
])

/**
 * The error for an option of other servers; null if the name is not one of them.
 * @param {string} name
 */
export function optionOfOthers(name) {
  const where = ELSEWHERE.get(name)
  return where === undefined ? null : new TypeError(`Unknown option "${name}": ${where}`)
}
