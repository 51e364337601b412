// Frames of a client, byte by byte, and a stand-in for the native code that takes them.
import { PAYLOAD } from '../../npm/asgi-node/lib/native/protocol.js'

export const LARGEST = 100_000
export const KEY = [7, 0, 255, 130]
export const TEXT = 1
export const BINARY = 2
export const CLOSE = 8
export const PING = 9
export const PONG = 10

/** A frame of a client. */
export function frame(opcode, payload, { fin = true, masked = true, rsv = 0, announced = payload.length } = {}) {
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  const flag = masked ? 0x80 : 0
  let head = Buffer.from([first, flag | announced])
  if (announced > 125) head = Buffer.from([first, flag | 126, announced >>> 8, announced & 255])
  if (announced > 65_535) {
    head = Buffer.alloc(10)
    head[0] = first
    head[1] = flag | 127
    head.writeBigUInt64BE(BigInt(announced), 2)
  }
  if (!masked) return Buffer.concat([head, payload])
  return Buffer.concat([head, Buffer.from(KEY), payload.map((byte, at) => byte ^ KEY[at % 4])])
}

/** What native code does, in JavaScript. */
export function nativeIn(events, taken) {
  let parts = Buffer.alloc(0)
  return {
    payload(chunk, start, end, key, follow, isText) {
      taken.payloads += 1
      const mask = Buffer.alloc(4)
      mask.writeUInt32LE(key)
      const at = parts.length
      parts = Buffer.concat([parts, chunk.subarray(start, end).map((byte, index) => byte ^ mask[(at + index) % 4])])
      if (follow > 0) return PAYLOAD.TAKEN
      const message = parts
      parts = Buffer.alloc(0)
      const isUtf8 = Buffer.from(message.toString()).equals(message)
      if (isText && !isUtf8) return PAYLOAD.NOT_UTF8
      events.push(['message', !isText, message.toString('latin1')])
      return PAYLOAD.TAKEN
    },
  }
}

/** So many bytes, no two neighbours of them the same. */
export const bytes = (length) => Buffer.from(Array.from({ length }, (_, at) => (at * 31) % 251))
