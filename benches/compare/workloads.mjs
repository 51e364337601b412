// What is asked of the contestants. `client` is what the client is told (client/src/main.rs), without the port.

const GET = (/** @type {string} */ target, fields = '') => `GET ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\naccept: */*\r\n${fields}`
const POST = (/** @type {string} */ target, type = 'text/plain') => `POST ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: ${type}\r\n`
const FIELDS = Array.from({ length: 27 }, (_, i) => `x-field-${i}: value of field ${i}\r\n`).join('')
const ITEM = '{"name":"Hammer","price":9.5,"tags":["tool","steel"]}'
const text = (/** @type {string} */ body) => ({ text: body })

/**
 * @typedef {object} Workload
 * @property {string} title
 * @property {string} unit  of a second's result
 * @property {'plain:app' | 'api:app'} app
 * @property {Record<string, unknown>} client
 * @property {boolean} [quick]  whether QUICK=1 has it, too
 * @property {boolean} [chart]  whether it gets a chart
 */

/** @type {Record<string, Workload>} */
export const WORKLOADS = {
  hello: {
    title: 'hello, 64 connections', unit: 'requests/s', app: 'plain:app', quick: true, chart: true,
    client: { kind: 'http', connections: 64, head: GET('/hello'), bodyBytes: 0, expected: text('Hello, world!') },
  },
  headers: {
    title: 'hello with 30 request headers, 64 connections', unit: 'requests/s', app: 'plain:app',
    client: { kind: 'http', connections: 64, head: GET('/hello', FIELDS), bodyBytes: 0, expected: text('Hello, world!') },
  },
  one: {
    title: 'hello, one connection', unit: 'requests/s', app: 'plain:app',
    client: { kind: 'http', connections: 1, head: GET('/hello'), bodyBytes: 0, expected: text('Hello, world!') },
  },
  json: {
    title: 'FastAPI, small JSON, 64 connections', unit: 'requests/s', app: 'api:app', quick: true, chart: true,
    client: { kind: 'http', connections: 64, head: GET('/item'), bodyBytes: 0, expected: text(ITEM) },
  },
  post: {
    title: 'FastAPI, POST of JSON, 64 connections', unit: 'requests/s', app: 'api:app', quick: true, chart: true,
    client: { kind: 'http', connections: 64, head: POST('/item', 'application/json'), body: ITEM, bodyBytes: 0, expected: text(ITEM) },
  },
  echo10k: {
    title: 'POST echo of 10 KB, 64 connections', unit: 'requests/s', app: 'plain:app',
    client: { kind: 'http', connections: 64, head: POST('/echo'), bodyBytes: 10_000, expected: 'sent' },
  },
  echo1m: {
    title: 'POST echo of 1 MB, 64 connections', unit: 'requests/s', app: 'plain:app', quick: true, chart: true,
    client: { kind: 'http', connections: 64, head: POST('/echo'), bodyBytes: 1_000_000, expected: 'sent' },
  },
  busy: {
    title: '5 ms of Python a request, 16 connections', unit: 'requests/s', app: 'plain:app',
    client: { kind: 'http', connections: 16, head: GET('/busy'), bodyBytes: 0, expected: text('Hello, world!') },
  },
  download: {
    title: '1 GiB down in sends of 64 KiB, one client', unit: 'MiB/s', app: 'plain:app', quick: true, chart: true,
    client: { kind: 'download', target: '/download', bytes: 2 ** 30 },
  },
  upload: {
    title: '1 GiB up, one client', unit: 'MiB/s', app: 'plain:app', quick: true, chart: true,
    client: { kind: 'upload', target: '/upload', bytes: 2 ** 30 },
  },
  events: {
    title: 'server-sent events to 1,000 clients, 20 a second each', unit: 'events/s', app: 'plain:app',
    client: { kind: 'events', connections: 1000 },
  },
  echo64: {
    title: 'WebSocket echo of 64 B, 64 connections', unit: 'messages/s', app: 'plain:app', quick: true, chart: true,
    client: { kind: 'echo', connections: 64, bytes: 64 },
  },
  echo1: {
    title: 'WebSocket echo of 64 B, one connection', unit: 'messages/s', app: 'plain:app',
    client: { kind: 'echo', connections: 1, bytes: 64 },
  },
  echo64k: {
    title: 'WebSocket echo of 64 KiB, 16 connections', unit: 'messages/s', app: 'plain:app', quick: true, chart: true,
    client: { kind: 'echo', connections: 16, bytes: 65_536 },
  },
  broadcast: {
    title: 'WebSocket broadcast to 500', unit: 'messages/s', app: 'plain:app',
    client: { kind: 'broadcast', connections: 500 },
  },
  idle: {
    title: '10,000 idle WebSockets that offer compression', unit: 'KiB each', app: 'plain:app',
    client: { kind: 'idle', connections: 10_000 },
  },
}
