import { PAYLOAD } from '../native/protocol.js'
import { isBetweenMessages, writeToReceiver, readBefore, readInto } from '../node-internals.js'

/** @typedef {import('../node-internals.js').Receiver & { [kFrames]?: Frames }} Receiver */
/** @typedef {import('./exchange.js').WebSocketExchange} WebSocketExchange */
/** @typedef {import('ws').WebSocket} WebSocket */
/** @typedef {import('node:stream').Duplex & { [kFrames]?: Frames }} Stream */

const kFrames = Symbol('asgi-node frames')

// First bytes of a frame. The two messages are final, and not compressed.
const TEXT = 0x81
const BINARY = 0x82
const PING = 0x89
const PONG = 0x8a

const MASKED = 0x80
/** From these on the length of a payload stands in bytes of its own: two and eight of them. */
const LENGTH_16 = 126
const LENGTH_64 = 127
/** What stands before the payload of a short frame: two bytes and the key of its mask. */
const SHORT_HEAD = 6

/**
 * What the sockets of this thread read into, one after the other: a message of 64 KiB and its head come in one read. What has been
 * read is taken, or copied, before the next read.
 */
const memory = Buffer.allocUnsafeSlow(66 * 1024)

/** A text frame with invalid UTF-8. `ws` handles it like any other invalid text. */
const NOT_UTF8 = Buffer.from([TEXT, MASKED | 1, 0, 0, 0, 0, 0xff])

/**
 * Takes the messages that need nothing of `ws` (whole in one frame, not compressed, as long as they may be) out of what a
 * client sends, and leaves everything else to `ws`. Native code unmasks them on their way to the application, in the one copy
 * that they need, and a long one never waits for its last packet.
 */
export class Frames {
  #receiver
  #exchange
  #largest
  /** The bytes of a message's head that have come without the rest. @type {Buffer | null} */
  #head = null
  /** How many bytes of a message's payload have not come yet. */
  #follow = 0
  #key = 0
  #isText = false

  /**
   * @param {WebSocket} ws
   * @param {WebSocketExchange} exchange
   * @param {number} maxPayload bytes
   */
  static read(ws, exchange, maxPayload) {
    const receiver = /** @type {Receiver | undefined} */ (readBefore(ws, write))
    if (receiver === undefined) return
    const frames = new Frames(receiver, exchange, maxPayload)
    receiver[kFrames] = frames
    const socket = /** @type {Stream | undefined} */ (readInto(ws, memory, onRead))
    if (socket !== undefined) socket[kFrames] = frames
  }

  /**
   * @param {Receiver} receiver
   * @param {WebSocketExchange} exchange
   * @param {number} maxPayload
   */
  constructor(receiver, exchange, maxPayload) {
    this.#receiver = receiver
    this.#exchange = exchange
    this.#largest = maxPayload
  }

  /**
   * What has come from the client.
   * @param {Buffer} packet
   * @returns {boolean} false: `ws` has enough
   */
  take(packet) {
    const chunk = this.#head === null ? packet : Buffer.concat([this.#head, packet])
    this.#head = null
    const at = this.#messages(chunk)
    if (at === chunk.length) return true
    return writeToReceiver(this.#receiver, at === 0 ? chunk : chunk.subarray(at))
  }

  /**
   * The same for bytes in the memory that all sockets read into: what is not taken is copied for the others that listen.
   * @param {Stream} socket
   * @param {Buffer} bytes
   * @returns {boolean} false: Node stops reading
   */
  takeShared(socket, bytes) {
    const isNext = this.#head === null && socket.readableFlowing === true && socket.readableLength === 0 && socket.listenerCount('data') === 1
    const at = isNext ? this.#messages(bytes) : 0
    return at === bytes.length || socket.push(Buffer.from(bytes.subarray(at)))
  }

  /**
   * Takes the messages at the beginning.
   * @param {Buffer} chunk
   * @returns {number} where the rest begins, which is for `ws`
   */
  #messages(chunk) {
    let at = this.#follow > 0 ? this.#payload(chunk, 0) : 0
    while (at < chunk.length && isBetweenMessages(this.#receiver)) {
      const next = this.#frame(chunk, at)
      if (next < 0) break
      at = next
    }
    return at
  }

  /**
   * Takes a frame, as much of it as there is.
   * @param {Buffer} chunk
   * @param {number} at
   * @returns {number} where the next one begins; -1 if this one, and what follows, is for `ws`
   */
  #frame(chunk, at) {
    const kind = chunk[at]
    if (kind !== TEXT && kind !== BINARY) return kind === PING || kind === PONG ? this.#control(chunk, at) : -1
    const second = at + 1 < chunk.length ? chunk[at + 1] : MASKED
    if (second < MASKED) return -1
    let length = second - MASKED
    const start = at + SHORT_HEAD + (length < LENGTH_16 ? 0 : length === LENGTH_16 ? 2 : 8)
    if (start > chunk.length) {
      // A copy: the packet would be held for these few bytes.
      this.#head = Buffer.from(chunk.subarray(at))
      return chunk.length
    }
    if (length === LENGTH_16) length = chunk.readUInt16BE(at + 2)
    else if (length === LENGTH_64) length = chunk.readUInt32BE(at + 2) * 2 ** 32 + chunk.readUInt32BE(at + 6)
    if (length > this.#largest) return -1
    this.#key = chunk.readUInt32LE(start - 4)
    this.#follow = length
    this.#isText = kind === TEXT
    return this.#payload(chunk, start)
  }

  /**
   * Takes bytes of the payload of a message, as many as there are.
   * @param {Buffer} chunk
   * @param {number} start
   */
  #payload(chunk, start) {
    const end = Math.min(chunk.length, start + this.#follow)
    this.#follow -= end - start
    const answer = this.#exchange.payload(chunk, start, end, this.#key, this.#follow, this.#isText)
    if (answer !== PAYLOAD.NOT_UTF8) return end
    writeToReceiver(this.#receiver, NOT_UTF8)
    return chunk.length
  }

  /**
   * Gives `ws` a ping or a pong alone, so that the messages behind it are taken here.
   * @param {Buffer} chunk
   * @param {number} at
   */
  #control(chunk, at) {
    const end = at + SHORT_HEAD + (chunk[at + 1] & ~MASKED)
    // Also where its head is not complete.
    if (!(end <= chunk.length) || chunk[at + 1] >= (MASKED | LENGTH_16)) return -1
    // `ws` gives these very bytes back in a pong, which may have to wait.
    writeToReceiver(this.#receiver, Buffer.from(chunk.subarray(at, end)))
    return end
  }
}

/** Stands in for the receiver's own method. @this {Receiver} @param {Buffer} packet */
function write(packet) {
  return this[kFrames]?.take(packet) ?? true
}

/** @this {Stream} @param {number} length @returns {boolean} */
function onRead(length) {
  const bytes = memory.subarray(0, length)
  return this[kFrames]?.takeShared(this, bytes) ?? this.push(Buffer.from(bytes))
}
