// What the ASGI tests share: requests as text, responses read strictly by their framing, and scripts for asgi_script.py.
import assert from 'node:assert/strict'
import { openSocket, until } from '../node/support.mjs'

/** One request. `close` asks for the end of the connection, which `site.raw` waits for. */
export function request(path, { method = 'GET', version = '1.1', headers = '', close = true, body = '' } = {}) {
  const host = version === '1.1' ? 'Host: h\r\n' : ''
  const last = close && version === '1.1' ? 'Connection: close\r\n' : ''
  return `${method} ${path} HTTP/${version}\r\n${host}${last}${headers}\r\n${body}`
}

/**
 * The first response in these bytes, read as a client reads it. `complete` is false where the bytes end before the
 * framing does, `rest` is what comes behind it. A body without a length ends with the bytes.
 */
export function parse(received, method = 'GET') {
  const end = received.indexOf('\r\n\r\n')
  assert.ok(end > 0, `no head: ${JSON.stringify(received.slice(0, 300))}`)
  const [line, ...lines] = received.slice(0, end).split('\r\n')
  const headers = lines.map((text) => {
    const colon = text.indexOf(':')
    return [text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim()]
  })
  const all = (name) => headers.filter(([own]) => own === name).map(([, value]) => value)
  const status = Number(line.split(' ')[1])
  const response = { line, status, headers, all, header: (name) => all(name)[0], body: '', chunks: [], trailers: '' }
  const behind = received.slice(end + 4)
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return { ...response, complete: true, rest: behind }
  if (response.header('transfer-encoding') === 'chunked') return { ...response, ...parseChunks(behind) }
  const length = Number(response.header('content-length') ?? behind.length)
  return { ...response, body: behind.slice(0, length), complete: behind.length >= length, rest: behind.slice(length) }
}

/** A chunked body (RFC 9112, 7.1), to the letter. */
function parseChunks(text) {
  const chunks = []
  for (let at = 0; ; ) {
    const size = /^([\da-f]+)\r\n/i.exec(text.slice(at, at + 20))
    if (!size) return { body: chunks.join(''), chunks, complete: false, rest: '' }
    const length = Number.parseInt(size[1], 16)
    const from = at + size[0].length
    if (length === 0) {
      const [trailers] = /^([^\r\n]+\r\n)*\r\n/.exec(text.slice(from)) ?? assert.fail(`after the last chunk: ${text.slice(from)}`)
      return { body: chunks.join(''), chunks, complete: true, trailers: trailers.trim(), rest: text.slice(from + trailers.length) }
    }
    if (text.slice(from + length, from + length + 2) !== '\r\n') return { body: chunks.join(''), chunks, complete: false, rest: '' }
    chunks.push(text.slice(from, from + length))
    at = from + length + 2
  }
}

/** One request on a connection of its own, and its response. */
export async function ask(t, site, path, options = {}) {
  return parse(await site.raw(t, request(path, options)), options.method)
}

/** A connection that stays: `ask` sends a request and takes its whole response, and nothing may come behind it. */
export async function keepAlive(t, port) {
  const client = await openSocket(t, port)
  const take = async (method) => {
    const whole = () => client.received.includes('\r\n\r\n') && parse(client.received, method)
    const response = await until(() => whole() && whole().complete && whole(), `a response: ${client.received.slice(0, 300)}`)
    assert.equal(response.rest, '', 'nothing behind the response')
    client.received = ''
    return response
  }
  return {
    client,
    take,
    ask(path, options = {}) {
      client.write(request(path, { close: false, ...options }))
      return take(options.method)
    },
  }
}

/** Bytes in an event of a script. */
export const b = (text) => ({ bytes: text })
/** `http.response.start`; headers as pairs of strings. */
export const start = (status = 200, headers = [], more = {}) => ({
  type: 'http.response.start',
  status,
  headers: headers.map(([name, value]) => [b(name), b(value)]),
  ...more,
})
/** `http.response.body` */
export const body = (text = '', more = false) => ({ type: 'http.response.body', body: b(text), more_body: more })
/** A complete, correct response. */
export const answer = (text = 'ok') => [{ send: start() }, { send: body(text) }]
/** The path that plays these steps. */
export const play = (steps, id = '') => `/?id=${id}&script=${encodeURIComponent(JSON.stringify(steps))}`

let scripts = 0
/** A name for a script whose log is asked for. */
export const newId = () => `script-${(scripts += 1)}`

/** What the script with this name has logged, when it is over. */
export async function logOf(site, id) {
  const read = async () => (await site.fetch(`/log?id=${id}`)).json()
  await until(async () => (await read()).includes('over'), `the end of ${id}`)
  return (await read()).slice(0, -1)
}
