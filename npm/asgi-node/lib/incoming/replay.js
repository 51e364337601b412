import { Duplex } from 'node:stream'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */

const CHUNKED = /(?:^|[\s,])chunked\s*$/i

/** Members of a socket that other code uses, and that a Duplex does not have. */
const FACTS = /** @type {const} */ ([
  'remoteAddress', 'remotePort', 'remoteFamily', 'localAddress', 'localPort', 'localFamily', 'encrypted', 'authorized',
  'authorizationError', 'alpnProtocol', 'servername', 'bytesRead', 'bytesWritten'
])
const METHODS = /** @type {const} */ ([
  'address', 'getCipher', 'getPeerCertificate', 'getPeerX509Certificate', 'getProtocol', 'getX509Certificate', 'setKeepAlive',
  'setNoDelay', 'resetAndDestroy', 'ref', 'unref'
])

/**
 * A connection that replays a request: its corrected head, its body, which Node's parser has read or is reading, and the data
 * that follows. It is for a server that gets it by its event 'connection'.
 */
export class ReplayedConnection extends Duplex {
  #req
  #stream
  #chunked
  /** Whether the body has ended: further data comes from the stream. */
  #behind = false
  #onReadable = () => this.#pump()

  /**
   * @param {IncomingMessage} req whose body has not been read
   * @param {Duplex} stream the source of the data after the body, and the place to write to
   * @param {string} head of the request, in latin-1
   */
  constructor(req, stream, head) {
    super({ allowHalfOpen: true })
    this.#req = req
    this.#stream = stream
    this.#chunked = CHUNKED.test(req.headers['transfer-encoding'] ?? '')
    this.push(head, 'latin1')
    req.on('readable', this.#onReadable)
    req.on('end', () => this.#follow())
    stream.on('close', () => this.destroy())
    stream.on('error', (error) => this.destroy(error))
    req.socket.on('timeout', () => this.emit('timeout'))
  }

  /** The body is complete. */
  #follow() {
    if (this.#chunked) this.push(`0\r\n${trailersOf(this.#req)}\r\n`, 'latin1')
    this.#behind = true
    this.#stream.on('readable', this.#onReadable)
    this.#stream.on('end', () => this.push(null))
    this.#pump()
  }

  #pump() {
    for (;;) {
      const chunk = (this.#behind ? this.#stream : this.#req).read()
      if (chunk === null || !this.#pass(chunk)) return
    }
  }

  /** @param {Buffer} chunk */
  #pass(chunk) {
    if (this.#behind || !this.#chunked) return this.push(chunk)
    this.push(`${chunk.length.toString(16)}\r\n`)
    this.push(chunk)
    return this.push('\r\n')
  }

  /** @override */
  _read() {
    this.#pump()
  }

  /** @override @param {Buffer} chunk @param {BufferEncoding} encoding @param {(error?: Error | null) => void} callback */
  _write(chunk, encoding, callback) {
    this.#stream.write(chunk, encoding, callback)
  }

  /** @override @param {() => void} callback */
  _final(callback) {
    this.#stream.end(callback)
  }

  /** @override @param {Error | null} error @param {(error: Error | null) => void} callback */
  _destroy(error, callback) {
    this.#stream.destroy()
    callback(error)
  }

  /** @param {number} milliseconds @param {() => void} [callback] */
  setTimeout(milliseconds, callback) {
    this.#req.socket.setTimeout(milliseconds)
    if (callback !== undefined) this.once('timeout', callback)
    return this
  }

  static {
    for (const name of FACTS) {
      Object.defineProperty(this.prototype, name, {
        /** @this {ReplayedConnection} */
        get() {
          return Reflect.get(this.#req.socket, name)
        }
      })
    }
    for (const name of METHODS) {
      Object.defineProperty(this.prototype, name, {
        /** @this {ReplayedConnection} */
        get() {
          const { socket } = this.#req
          const method = Reflect.get(socket, name)
          return typeof method === 'function' ? method.bind(socket) : undefined
        }
      })
    }
  }
}

/** @param {IncomingMessage} req */
function trailersOf({ rawTrailers }) {
  let text = ''
  for (let i = 0; i + 1 < rawTrailers.length; i += 2) text += `${rawTrailers[i]}: ${rawTrailers[i + 1]}\r\n`
  return text
}
