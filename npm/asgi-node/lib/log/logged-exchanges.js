import { Call } from '../call/calls.js'
import { EVENT, Exchanges, FLAG } from '../native/exchanges.js'
import { statusOf } from './failures.js'

/** @typedef {import('./access-log.js').AccessLog} AccessLog */
/** @typedef {import('./access-log.js').AccessRecord} AccessRecord */
/** @typedef {import('../native/exchanges.js').Exchange} Exchange */

/**
 * Exchanges with an access log. Those of a server are followed by their connection, which knows what the client got; here
 * are those that were called from JavaScript, which are over with the last event of the app.
 */
export class LoggedExchanges extends Exchanges {
  /** @type {Map<number, AccessRecord>} by the number of their exchange */
  #records = new Map()

  /** @param {import('../options/options.js').Settings & { accessLog: AccessLog }} settings */
  constructor(settings) {
    super(settings)
    const { deliver } = this
    /** @type {import('../native/exchanges.js').Deliver} */
    this.deliver = (id, kind, status, text, data) => {
      const record = this.#records.get(id)
      if (record !== undefined) note(record, kind, status, data)
      return deliver(id, kind, status, text, data)
    }
  }

  /** @override @param {Exchange} exchange @param {string} head @param {Uint8Array | undefined} body @param {number} flags */
  submit(exchange, head, body, flags) {
    if (!(exchange instanceof Call)) return super.submit(exchange, head, body, flags)
    const accessLog = /** @type {AccessLog} */ (this.accessLog)
    const record = accessLog.called(head, (flags & FLAG.WEBSOCKET) !== 0)
    try {
      super.submit(exchange, head, body, flags)
    } catch (error) {
      record.answered(statusOf(error))
      throw error
    }
    this.#records.set(exchange.id, record)
  }

  /** @override @param {Exchange} exchange */
  remove(exchange) {
    // Its number may be another's by now.
    if (!exchange.open) return
    super.remove(exchange)
    const record = this.#records.get(exchange.id)
    if (record === undefined) return
    this.#records.delete(exchange.id)
    record.end()
  }
}

/**
 * @param {AccessRecord} record
 * @param {number} kind one of EVENT
 * @param {number} status
 * @param {import('../native/exchanges.js').WholeBody} data
 */
function note(record, kind, status, data) {
  const isBody = kind === EVENT.COMPLETE || kind === EVENT.START || kind === EVENT.BODY || kind === EVENT.END
  if (isBody && data !== undefined) record.bytes += data.length
  if (kind === EVENT.COMPLETE || kind === EVENT.START) record.status = status
  else if (kind === EVENT.ACCEPT) record.status = 101
  else if (kind === EVENT.CLOSE) record.code = status
  else if (kind === EVENT.FAILED) record.status ||= 500
  record.complete ||= kind === EVENT.COMPLETE || kind === EVENT.END || kind === EVENT.CLOSE || (kind === EVENT.FAILED && status === 0)
}
