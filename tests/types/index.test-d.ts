// The public types as users meet them. Compiled, never run: `tsc -p tests/types`.
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { createServer as createHttp2Server, createSecureServer as createSecureHttp2Server } from 'node:http2'
import { Readable } from 'node:stream'
import pino from 'pino'
import { Headers, PythonError, PythonHandler, Request, Response } from 'asgi-node'
import type { AccessEntry, Health, HeadersInit, Logger, PythonErrorCode, PythonHandlerOptions, PythonInfo, RequestBody, RequestInit, WebSocketMessage, WebSocketResponse, WholeResponse } from 'asgi-node'
import type { Headers as RealHeaders } from '../../npm/asgi-node/lib/message/headers.js'
import type { PythonHandler as RealHandler } from '../../npm/asgi-node/lib/handler.js'
import type { Request as RealRequest } from '../../npm/asgi-node/lib/message/request.js'
import type { Response as RealResponse } from '../../npm/asgi-node/lib/message/response.js'

/** Compiles only when both are the same type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never
function is<A, B>(_same: Same<A, B>): void {}

// The declarations promise nothing that the code does not have, and leave nothing out.
type Named<T> = Extract<keyof T, string>
is<Named<Headers>, Named<RealHeaders>>(true)
is<Named<Request>, Named<RealRequest>>(true)
is<Named<Response>, Named<RealResponse>>(true)
is<Named<PythonHandler>, Named<RealHandler>>(true)

// Options
const apps: PythonHandlerOptions[] = [
  { app: 'main:app' },
  { appTarget: 'main:app' },
  { app: { module: 'main' } },
  { module: 'main', attribute: 'app' },
  { app: 'a:b', docroot: '.', factory: true, python: 'python3', loop: 'uvloop', rootPath: '/x' },
  { app: 'a:b', venv: '.venv', highWaterMark: 1, maxConcurrency: 1, deepbind: 'auto' },
  { app: 'a:b', workers: { count: 2 }, reload: true },
  { app: 'a:b', workers: 1, reload: { paths: ['app'], include: '*.html', exclude: ['made'], delay: 0 } },
]
export const refused = [
  // @ts-expect-error no such option
  () => new PythonHandler({ app: 'a:b', docRoot: '.' }),
  // @ts-expect-error no such loop
  () => new PythonHandler({ app: 'a:b', loop: 'trio' }),
  // @ts-expect-error no such detail
  () => new PythonHandler({ app: 'a:b', workers: 1, reload: { folders: [] } }),
  // @ts-expect-error options are needed
  () => new PythonHandler(),
  // @ts-expect-error not a body
  () => new Request({ url: '/', body: 7 }),
]

// The handler
export async function handler(options: PythonHandlerOptions): Promise<void> {
  await using python = new PythonHandler(options)
  createServer(python.listener).on('checkContinue', python.listener)
  createSecureServer({}, python.listener)
  // field_27
  createHttp2Server(python.listener)
  createSecureHttp2Server({}, python.listener).on('checkContinue', python.listener)
  is<ReturnType<typeof python.ready>, Promise<void>>(true)
  is<typeof PythonHandler.python, PythonInfo | null>(true)
  // @ts-expect-error read-only
  python.listener = () => {}

  const response = await python.handleRequest(new Request({ url: '/' }), { signal: AbortSignal.timeout(1) })
  is<typeof response, WholeResponse>(true)
  is<typeof response.body, Buffer>(true)
  is<typeof response.ok, boolean>(true)
  is<Awaited<ReturnType<typeof response.text>>, string>(true)
  is<Awaited<ReturnType<typeof response.arrayBuffer>>, ArrayBuffer>(true)
  is<typeof response.status, number>(true)
  await python.handleRequest({ url: '/', method: 'POST', body: 'x' })
  // @ts-expect-error a request has a url
  await python.handleRequest({ method: 'POST' })

  const stream = await python.handleStream({ url: '/' })
  is<Awaited<ReturnType<typeof stream.next>>, Buffer | null>(true)
  for await (const chunk of stream) is<typeof chunk, Buffer>(true)
  is<ReturnType<typeof python.handleRequestSync>, WholeResponse>(true)
}

// A WebSocket without a socket: the snippet of docs/websocket.md
export async function conversation(python: PythonHandler): Promise<void> {
  const request = new Request({ url: '/ws', websocket: true })
  const response = await python.handleStream(request)
  is<typeof response, WebSocketResponse>(true)
  await request.write('text')
  for await (const { data, isBinary } of response) console.log(isBinary ? data : data.toString())
  for await (const message of response) is<typeof message, WebSocketMessage>(true)
  is<Awaited<ReturnType<typeof response.next>>, Buffer | null>(true)
  is<typeof response.code, number | null>(true)
  response.close(4000, response.reason)
  const again = await python.handleStream({ url: '/ws', websocket: true }, { signal: AbortSignal.timeout(1) })
  is<typeof again, WebSocketResponse>(true)
  // @ts-expect-error a message is no chunk
  for await (const chunk of again) console.log(chunk.length)

  // Known only when it runs: as before.
  const maybe = await python.handleStream(new Request({ url: 'ws://h/', websocket: again.status > 1 }))
  is<typeof maybe, Response>(true)
  const plain = new Request({ url: '/' })
  is<typeof plain, Request>(true)
  is<Awaited<ReturnType<typeof python.handleStream>>, Response>(true)
}

// Requests
const bodies: RequestBody[] = [
  'text',
  Buffer.alloc(1),
  new Uint8Array(1),
  Readable.from(['x']),
  (async function* () {
    yield 'x'
    yield new Uint8Array(1)
  })(),
  new ReadableStream<Uint8Array>(),
]
const init: RequestInit = { url: new URL('http://h/'), headers: null, body: null, socket: null }
const request = new Request({ ...init, docroot: '/', websocket: false })
is<ReturnType<typeof request.write>, Promise<boolean>>(true)
is<ReturnType<typeof request.end>, Promise<void>>(true)
request.url = new URL('http://h/')
request.headers = { a: '1' }
request.headers.set('a', ['1', 2])
createServer((req) => new Request({ url: req.url ?? '/', headers: req.rawHeaders, socket: req.socket, body: req }))
// @ts-expect-error not a chunk
void request.write(7)

// Headers
const inits: HeadersInit[] = [
  { a: '1', b: ['1', '2'], c: undefined, d: 1 },
  [['a', '1'], ['b', ['1', '2']]],
  ['a', '1'],
  new Headers(),
  new globalThis.Headers(),
  new Map([['a', '1']]),
]
const headers = new Headers({ a: '1' })
is<ReturnType<typeof headers.get>, string | null>(true)
is<ReturnType<typeof headers.set>, boolean>(true)
for (const [name, value] of headers) {
  is<typeof name, string>(true)
  is<typeof value, string>(true)
}

// Errors
const error = new PythonError('APP_ERROR', 'message', { traceback: '', cause: 1 })
is<typeof error.code, PythonErrorCode>(true)
const code: 'OVERLOADED' | undefined = error.code === 'OVERLOADED' ? 'OVERLOADED' : undefined

// Logging and health
const pinoShaped: Logger = pino({ level: 'info' })
const observed = new PythonHandler({
  app: 'main:app',
  logger: pinoShaped,
  accessLog: (entry: AccessEntry) => void entry.durationMs,
  stdio: (line, stream) => {
    is<typeof line, string>(true)
    is<typeof stream, 'stdout' | 'stderr'>(true)
  },
  blockedThreshold: 0,
  unhealthyAfter: 1,
})
new PythonHandler({ app: 'main:app', accessLog: 'combined', stdio: 'inherit', logger: console })
// @ts-expect-error no format
new PythonHandler({ app: 'main:app', accessLog: 'common' })
// @ts-expect-error lacks methods
new PythonHandler({ app: 'main:app', logger: { info() {} } })
const health: Health = observed.health()
is<typeof health.ready, boolean>(true)
is<typeof health.loopLagMs, number>(true)
is<typeof health.python.loop, string | null>(true)

export { apps, bodies, code, inits }
