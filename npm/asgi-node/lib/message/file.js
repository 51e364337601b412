import { closeSync, createReadStream } from 'node:fs'

/** @typedef {import('node:http').ServerResponse} ServerResponse */

/**
 * A range of an open file that the app sends (`http.response.pathsend`, `http.response.zerocopysend`). Python takes no part
 * in sending it.
 */
export class FileRange {
  /** @param {string} text `descriptor\0offset\0length`, as the native side delivers it */
  constructor(text) {
    const [fd, offset, length] = text.split('\0').map(Number)
    this.fd = fd
    this.offset = offset
    this.length = length
  }

  /** The file is not wanted: closes it. */
  close() {
    closeSync(this.fd)
  }

  /**
   * Writes the range as fast as the client takes it, then calls `done`. A file that ends too early, or cannot be read, is a
   * failure, since its length has been promised. To destroy the returned stream closes the file.
   * @param {ServerResponse} res
   * @param {(error: Error | null) => void} done called once, unless the client leaves first
   * @returns {import('node:stream').Readable}
   */
  pipe(res, done) {
    const { fd, offset, length } = this
    const file = createReadStream('', { fd, start: offset, end: offset + length - 1 })
    const leave = () => file.destroy()
    file.on('data', (chunk) => {
      if (!res.write(chunk)) file.pause()
    })
    const resume = () => file.resume()
    res.on('drain', resume).on('close', leave)
    /** @param {Error | null} error */
    const settle = (error) => {
      res.off('drain', resume).off('close', leave)
      done(error)
    }
    file.on('error', settle)
    file.on('end', () => {
      const missing = length - file.bytesRead
      settle(missing === 0 ? null : new Error(`the file ended ${missing} bytes before the length that was promised`))
    })
    return file
  }
}
