/** @typedef {import('../index.js').PythonErrorCode} PythonErrorCode */

/** @typedef {Omit<import('./binding.js').NativeFailure, 'traceback'> & { traceback?: string }} NativeFailure what the native side gives as a reason */

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
      /** @type {string | undefined} what to do about it; the message ends with it */
      this.fix = fix
    }
  }
}

// On the prototype, as Error does it: the name is no fact about one error, and must not show up when one is inspected.
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
 * The same error for a log, whose reader wants to know where it was raised in Python. Where it was made in JavaScript says
 * nothing, but stays what its other holders see.
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
 * What a native function threw, as the PythonError that users match on. Anything that carries no code of ours (a
 * TypeError of Node-API, say) stays what it is.
 * @param {unknown} error
 * @returns {unknown}
 */
export function errorFromNative(error) {
  if (!(error instanceof Error) || error instanceof PythonError) return error
  const { code, traceback } = /** @type {Error & { code?: unknown, traceback?: unknown }} */ (error)
  // Ours are upper-case words; Node's own (ERR_…, ENOENT) and Node-API's (InvalidArg) are told apart by that.
  if (typeof code !== 'string' || !/^(?!ERR_)[A-Z]+(_[A-Z]+)+$/.test(code)) return error
  return new PythonError(code, error.message, {
    traceback: typeof traceback === 'string' ? traceback : undefined,
    cause: error.cause
  })
}

/** @param {number} limit bytes */
export function bodyTooLarge(limit) {
  return new PythonError('BODY_TOO_LARGE', `The request body is larger than ${limit} bytes (option maxBodySize)`)
}

export function closedError() {
  return new PythonError('HANDLER_CLOSED', 'This PythonHandler is closed')
}

/**
 * A value as it should look in an error message: short, and with its type visible.
 * @param {unknown} value
 */
export function show(value) {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value)
  if (value === null || typeof value !== 'object') return typeof value === 'function' ? 'a function' : String(value)
  return Array.isArray(value) ? 'an array' : `an instance of ${value.constructor?.name ?? 'Object'}`
}
