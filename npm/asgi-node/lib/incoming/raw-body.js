import { bodyLength, withoutFraming } from '../message/framing.js'
import { PythonError } from '../native/errors.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */

/** Why a request whose body somebody has read cannot be served. */
export function readAlready() {
  return new PythonError(
    'BODY_ALREADY_READ',
    'The request body has been read before it came to Python, by a body parser probably: put Python in front of the parser ' +
      '(express.json(), say), or have the parser keep the bytes: express.json({ verify: (req, _res, body) => { req.rawBody = body } })'
  )
}

/**
 * The request with this body, and headers that fit it: parsers hand out what they have decompressed.
 * @param {IncomingMessage} req
 * @param {Uint8Array} body
 * @returns {IncomingMessage}
 */
export function withBody(req, body) {
  const { rawHeaders } = req
  if (bodyLength(rawHeaders) === body.length) return req
  const kept = withoutFraming(rawHeaders)
  // Still compressed only where it looks so (RFC 1952, 2.3.1); another coding is not recognised, and parsers know few.
  const compressed = body[0] === 0x1f && body[1] === 0x8b
  const flat = compressed ? kept : without(kept, 'content-encoding')
  return Object.create(req, { rawHeaders: { value: [...flat, 'content-length', String(body.length)] } })
}

/**
 * @param {string[]} flat
 * @param {string} name
 */
function without(flat, name) {
  return flat.filter((_, i) => flat[i - (i % 2)].toLowerCase() !== name)
}
