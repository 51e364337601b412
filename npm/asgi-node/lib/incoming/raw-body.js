import { bodyLength, withoutFraming } from '../message/framing.js'
import { PythonError } from '../native/errors.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */

/** The error for a request whose body other code has read. */
export function readAlready() {
  return new PythonError(
    'BODY_ALREADY_READ',
    'The request body has been read before it came to Python, by a body parser probably: put Python in front of the parser ' +
      '(express.json(), say), or have the parser keep the bytes: express.json({ verify: (req, _res, body) => { req.rawBody = body } })'
  )
}

/**
 * The request with this body, and headers that fit it: parsers may have decompressed the body.
 * @param {IncomingMessage} req
 * @param {Uint8Array} body
 * @returns {IncomingMessage}
 */
export function withBody(req, body) {
  const { rawHeaders } = req
  if (bodyLength(rawHeaders) === body.length) return req
  const kept = withoutFraming(rawHeaders)
  // Taken as still compressed only if it looks like gzip (RFC 1952, 2.3.1). Other codings are not recognised; parsers know few.
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
