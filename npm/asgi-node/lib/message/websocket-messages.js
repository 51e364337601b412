import { BodySource, toBytes } from './body-source.js'
import { PythonError } from '../native/errors.js'

/**
 * The WebSocket that the messages go into.
 * @typedef {import('../native/exchanges.js').Exchange & { accepted: boolean, message(data: Uint8Array, isText: boolean): boolean, end(): void }} WebSocketSink
 */

/** The messages that `request.write()` puts into a WebSocket, before or after the request is sent. */
export class WrittenMessages extends BodySource {
  /** @type {{ data: Uint8Array, isText: boolean }[]} */
  #messages = []
  /** @type {((taken: boolean) => void)[]} */
  #waiting = []
  #ended = false
  #full = false
  /** Whether a WebSocket was opened with them: only one can be. */
  used = false

  /**
   * @param {string | Uint8Array} chunk
   * @returns {Promise<boolean>}
   */
  write(chunk) {
    const data = toBytes(chunk, 'A message')
    if (this.#ended) return Promise.reject(new PythonError('INVALID_REQUEST', 'write() on a WebSocket that was closed by end()'))
    if (this.over) return Promise.resolve(false)
    this.#messages.push({ data, isText: typeof chunk === 'string' })
    this.pump()
    // As in a body: the caller that would wait here may be the one that has to make room.
    if (this.sink === null || this.#messages.length === 0 || this.sink.stalled) return Promise.resolve(!this.over)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Closes the WebSocket after the written messages. */
  end() {
    this.#ended = true
    this.pump()
  }

  /** @override */
  resume() {
    this.#full = false
    this.pump()
  }

  /** @override */
  pump() {
    const call = /** @type {WebSocketSink | null} */ (this.sink)
    // As over a socket, the app gets no message before it has accepted.
    if (call === null || !call.accepted || this.over) return
    let taken = 0
    let room = !this.#full
    while (room && taken < this.#messages.length) {
      const { data, isText } = this.#messages[taken++]
      room = call.message(data, isText)
    }
    this.#full = !room
    this.#messages.splice(0, taken)
    if (!room) return
    this.#wake(true)
    if (this.#ended) call.end()
  }

  /** @override */
  yield() {
    this.#wake(true)
  }

  /** @override */
  stop() {
    super.stop()
    this.#messages = []
    this.#wake(false)
  }

  /** @param {boolean} taken */
  #wake(taken) {
    for (const resolve of this.#waiting.splice(0)) resolve(taken)
  }
}
