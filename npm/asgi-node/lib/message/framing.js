// The framing of a request's body, from the raw headers: [name, value, name, value, …].

/** The facts in the framing headers of a request, as bits. */
export const FRAMING = Object.freeze({ BODY: 1, CONTINUE: 2, TWO_HOSTS: 4, ENCODED: 8 })

/**
 * Whether a body comes, whether the client waits for "100 Continue", and whether Host is there twice. It checks the length
 * of a name first, because it runs over all headers of all requests.
 * @param {string[]} rawHeaders
 */
export function framingOf(rawHeaders) {
  let framing = 0
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    switch (name.length) {
      case 4:
        if (name.toLowerCase() === 'host' && ++hosts === 2) framing |= FRAMING.TWO_HOSTS
        break
      case 6:
        if (name.toLowerCase() === 'expect' && /100-continue/i.test(rawHeaders[i + 1])) framing |= FRAMING.CONTINUE
        break
      case 14:
        if (name.toLowerCase() === 'content-length' && Number(rawHeaders[i + 1]) !== 0) framing |= FRAMING.BODY
        break
      case 17:
        if (name.toLowerCase() === 'transfer-encoding') framing |= FRAMING.BODY | FRAMING.ENCODED
        break
    }
  }
  return framing
}

/**
 * The content-length, or -1 without one.
 * @param {string[]} rawHeaders
 */
export function bodyLength(rawHeaders) {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i].length === 14 && rawHeaders[i].toLowerCase() === 'content-length') return Number(rawHeaders[i + 1])
  }
  return -1
}

/**
 * The content-length, or -1 if the headers do not tell how long the body is.
 * @param {{ get(name: string): string | null, has(name: string): boolean }} headers
 */
export function announcedLength(headers) {
  const length = headers.get('content-length') ?? ''
  return /^\d+$/.test(length) && !headers.has('transfer-encoding') ? Number(length) : -1
}

/** The headers without those that announce a body.
 * @param {string[]} flat
 * @returns {string[]}
 */
export function withoutFraming(flat) {
  /** @type {string[]} */
  const kept = []
  for (let i = 0; i + 1 < flat.length; i += 2) {
    if (!/^(content-length|transfer-encoding)$/i.test(flat[i])) kept.push(flat[i], flat[i + 1])
  }
  return kept
}
