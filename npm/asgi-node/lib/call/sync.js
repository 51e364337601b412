import { checkedRequest } from './arguments.js'
import { requestHead } from '../incoming/head.js'
import { completeBody } from '../message/request.js'
import { responseFrom } from '../message/response.js'
import { PythonError, bodyTooLarge, errorFromFailure } from '../native/errors.js'
import { isDelivering } from '../native/exchanges.js'
import { completedOutcome, failedOutcome } from '../native/outcome.js'

/** @typedef {import('../native/exchanges.js').Exchanges} Exchanges */
/** @typedef {import('../native/binding.js').NativeHandler} NativeHandler */

/**
 * Sends a request and blocks this thread until its response has come. It is no exchange: no event of it is delivered.
 * @param {unknown} request
 * @param {Exchanges} exchanges
 * @param {() => NativeHandler} start starts the handler if that has not been done, and blocks until then
 */
export function callSync(request, exchanges, start) {
  if (isDelivering()) {
    throw new PythonError('SYNC_REENTRANT', 'handleRequestSync was called while an event of a response is being delivered')
  }
  const ours = checkedRequest(request)
  const { bytes, length } = completeBody(ours)
  if (length > exchanges.maxBodySize) throw bodyTooLarge(exchanges.maxBodySize)
  const native = start()
  const head = requestHead(ours, length)
  const record = exchanges.accessLog?.called(head, false)
  const { status, headers, body, failure } = native.callSync(head, bytes)
  if (!failure) exchanges.count()
  // One that was refused has no number, and only the native side knows.
  else exchanges.recount(native.health()?.requests)
  const error = failure ? errorFromFailure(failure) : null
  record?.settle(error === null ? completedOutcome(status) : failedOutcome(error), body?.length)
  if (error !== null) throw error
  return responseFrom(status, headers, body ?? Buffer.alloc(0), null)
}
