// `python.client`: the application behind the signature of the global fetch, for SDKs that take one as an option. It makes the
// Request, and follows redirects, as fetch() does; `python.fetch` does the rest.

import { PythonError } from '../native/errors.js'

/** The base of relative URLs. The network is not used: the name only appears in `scope`. */
const BASE = 'http://localhost'

/** As in WHATWG Fetch, 4.4, and in browsers. */
const MOST_REDIRECTS = 20
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** Fields that describe a body, and are removed with it (Fetch, 4.4, 12). */
const OF_A_BODY = ['content-encoding', 'content-language', 'content-location', 'content-type', 'content-length']

/**
 * @param {(request: Request) => Promise<Response>} fetch of the handler
 * @param {string | URL | Request} input
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 */
export async function request(fetch, input, init) {
  let asked = input instanceof Request ? new Request(input, init) : new Request(new URL(String(input), BASE), init)
  for (let redirects = 0; ; redirects++) {
    // The source of a Request's body cannot be read twice, so a clone is kept until the answer comes.
    const copy = asked.redirect === 'follow' && asked.body !== null && isUnknown(init?.body) ? asked.clone() : null
    const response = await fetch(asked)
    const location = REDIRECTS.has(response.status) ? response.headers.get('location') : null
    if (location === null || asked.redirect === 'manual') {
      await copy?.body?.cancel()
      return described(response, asked.url, redirects > 0)
    }
    await response.body?.cancel()
    if (asked.redirect === 'error') throw failure(`${asked.url} redirects to ${location}, and option redirect is "error"`)
    if (redirects === MOST_REDIRECTS) throw failure(`more than ${MOST_REDIRECTS} redirects, the last one to ${location}`)
    asked = redirected(asked, response.status, location, copy === null ? init : { ...init, body: await copy.arrayBuffer(), headers: asked.headers })
  }
}

/** Neither given nor a stream of the caller's. @param {RequestInit['body']} body */
const isUnknown = (body) => body === undefined || body === null

/**
 * @param {Request} from
 * @param {number} status
 * @param {string} location
 * @param {RequestInit | undefined} init what the first request was made with
 */
function redirected(from, status, location, init) {
  const url = new URL(location, from.url)
  if (url.origin !== new URL(from.url).origin) {
    throw failure(`${from.url} redirects to ${url.href}, which is not this application: ask for it with redirect: "manual"`)
  }
  const { signal, redirect } = from
  const headers = new Headers(from.headers)
  // A 303 is followed by GET; so is a 301 or 302 after a POST, by old custom (Fetch, 4.4, 12).
  const becomesGet = status === 303 ? !/^(GET|HEAD)$/.test(from.method) : status < 303 && from.method === 'POST'
  const body = becomesGet || from.body === null ? null : replayable(init?.body, from.url)
  if (becomesGet) for (const name of OF_A_BODY) headers.delete(name)
  // A form gets a new boundary, and with it a new type.
  else if (body !== null && !new Headers(init?.headers).has('content-type')) headers.delete('content-type')
  return new Request(url, { method: becomesGet ? 'GET' : from.method, headers, body, signal, redirect })
}

/** @param {RequestInit['body']} body @param {string} url */
function replayable(body, url) {
  if (body !== undefined && body !== null && !(body instanceof ReadableStream)) return body
  throw failure(`${url} redirects with its body, and a body that is a stream can be sent once`)
}

/** As fetch() rejects: a TypeError, whose cause says more. @param {string} text */
const failure = (text) => new TypeError('fetch failed', { cause: new PythonError('REDIRECT_FAILED', text) })

/** A Response that was constructed has no URL; one of fetch() has. @param {Response} response @param {string} url @param {boolean} was */
function described(response, url, was) {
  return Object.defineProperties(response, { url: { value: url.replace(/#.*$/s, '') }, redirected: { value: was } })
}
