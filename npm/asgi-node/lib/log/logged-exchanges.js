import { Exchanges } from '../native/exchanges.js'
import { EVENT, FLAG } from '../native/protocol.js'
import { completedOutcome } from '../native/outcome.js'

/** @typedef {import('./access-log.js').AccessLog} AccessLog */
/** @typedef {import('../native/exchange.js').Exchange} Exchange */
/** @typedef {import('../native/outcome.js').Outcome} Outcome */

/**
 * Exchanges with an access log, for calls from JavaScript: their outcome is logged. Requests of a server are logged by
 * their connection, which knows what the client got.
 */
export class LoggedExchanges extends Exchanges {
  /** @param {ConstructorParameters<typeof Exchanges>[0] & { accessLog: AccessLog }} settings */
  constructor(settings) {
    super(settings)
    const { deliver } = this
    /** @type {import('../native/exchanges.js').Deliver} */
    this.deliver = (id, kind, status, text, data) => {
      const record = this.get(id)?.record
      if (record) {
        if (kind <= EVENT.END && data !== undefined) record.bytes += data.length
        if (kind === EVENT.CLOSE) record.code = status
      }
      return deliver(id, kind, status, text, data)
    }
  }

  /** @override @param {Exchange} exchange @param {string} head @param {Uint8Array | undefined} body @param {number} flags */
  submit(exchange, head, body, flags) {
    if (exchange.headForLog() !== null) exchange.record = this.#begin(head, (flags & FLAG.WEBSOCKET) !== 0)
    super.submit(exchange, head, body, flags)
  }

  /** @param {string} head @param {boolean} isWebSocket */
  #begin(head, isWebSocket) {
    return /** @type {AccessLog} */ (this.accessLog).called(head, isWebSocket)
  }

  /** @override @param {Exchange} exchange */
  completed(exchange) {
    exchange.record?.settle(completedOutcome(exchange.status))
  }

  /** @override @param {Exchange} exchange @param {Outcome} outcome */
  over(exchange, outcome) {
    if (exchange.record === null) {
      const head = exchange.headForLog()
      if (head === null) return
      exchange.record = this.#begin(head, false)
    }
    exchange.record.settle(outcome)
  }
}
