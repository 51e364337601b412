import { WebSocket } from 'ws'

/**
 * A WebSocket of `ws`, which closes at once when the client breaks the protocol. Here the application still answers what came
 * before that, as an application that is called by `ws` itself would have done.
 */
export class ServedSocket extends WebSocket {
  /**
   * For `ws`, which answers a close frame with what stands in it, and a fault with a code alone, before its event 'error'.
   * @override
   * @param {number} [code]
   * @param {string | Buffer} [reason]
   */
  close(code, reason) {
    const isFault = code !== undefined && reason === undefined
    if (!isFault || this.readyState !== this.OPEN) super.close(code, reason)
  }

  /**
   * For us: sends a close frame.
   * @param {number} code
   * @param {string} [reason]
   */
  finish(code, reason = '') {
    super.close(code, reason)
  }
}
