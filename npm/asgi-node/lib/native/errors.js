/** @typedef {import('../index.js').PythonErrorCode} PythonErrorCode */

/** @typedef {Omit<import('./binding.js').NativeFailure, 'traceback'> & { traceback?: string }} NativeFailure an error of the native side, as values */

export class PythonError extends Error {
  /**
   * @param {PythonErrorCode} code
   * @param {string} message
   * @param {{ traceback?: string, cause?: unknown, fix?: string }} [details]
   */
  constructor(code, message, { traceback, cause, fix } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    /** @type {string | undefined} */
    this.traceback = traceback || undefined
    if (fix) {
      /** @type {string | undefined} what the user can do; the message ends with it */
      this.fix = fix
    }
  }
}

// The name is on the prototype, as Error's is. As an own property it would appear whenever an error is inspected.
Object.defineProperty(PythonError.prototype, 'name', { value: 'PythonError', writable: true, configurable: true })

/**
 * The error of a FAILED event.
 * @param {string} text `code\0message\0traceback`
 */
export function errorFromText(text) {
  const [code, message, ...traceback] = text.split('\0')
  return new PythonError(code || 'APP_ERROR', message || 'The application failed', { traceback: traceback.join('\0') })
}

/**
 * A copy of the error for the log. Its stack is Python's traceback, because the place where JavaScript created the error
 * says nothing. Others who hold the error itself keep its JavaScript stack.
 * @param {PythonError} error
 */
export function withPythonStack(error) {
  if (error.traceback === undefined || error.stack === error.traceback) return error
  const copy = Object.assign(new PythonError(error.code, error.message, error), error)
  copy.stack = error.traceback
  return copy
}

/** @param {NativeFailure} failure */
export function errorFromFailure({ code, message, traceback }) {
  return new PythonError(code, message, { traceback })
}

/**
 * Converts an error of a native function to a PythonError, which users match on. An error without one of our codes (for
 * example a TypeError of Node-API) is returned unchanged.
 * @param {unknown} error
 * @returns {unknown}
 */
export function errorFromNative(error) {
  if (!(error instanceof Error) || error instanceof PythonError) return error
  const { code, traceback } = /** @type {Error & { code?: unknown, traceback?: unknown }} */ (error)
  // Our codes are upper-case words. Those of Node (ERR_…, ENOENT) and Node-API (InvalidArg) have another form.
  if (typeof code !== 'string' || !/^(?!ERR_)[A-Z]+(_[A-Z]+)+$/.test(code)) return error
  return new PythonError(code, error.message, {
    traceback: typeof traceback === 'string' ? traceback : undefined,
    cause: error.cause
  })
}

/**
 * The reason why a request could not be submitted. A TypeError is about its head, which comes from a client, or from code that
 * has changed the request.
 * @param {unknown} error
 */
export function invalidRequest(error) {
  return error instanceof TypeError ? new PythonError('INVALID_REQUEST', error.message, { cause: error }) : error
}

/** @param {number} limit bytes */
export function bodyTooLarge(limit) {
  return new PythonError('BODY_TOO_LARGE', `The request body is larger than ${limit} bytes (option maxBodySize)`)
}

export function closedError() {
  return new PythonError('HANDLER_CLOSED', 'The handler is closed')
}

/**
 * A value for an error message: short, and with its type visible.
 * @param {unknown} value
 */
export function show(value) {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value)
  if (value === null || typeof value !== 'object') return typeof value === 'function' ? 'a function' : String(value)
  return Array.isArray(value) ? 'an array' : `an instance of ${value.constructor?.name ?? 'Object'}`
}
