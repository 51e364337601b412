// What uvicorn has and this command cannot have. Each is known, so that nobody is told that it is a spelling mistake.

/** @type {ReadonlyMap<string, string>} */
export const REFUSED = new Map([
  ['http', 'HTTP is parsed by Node, which has one parser: leave it out'],
  ['ws', 'WebSockets are spoken by the npm package ws: leave it out'],
  ['log-config', "logging is configured by the application (logging.config); the server's own lines have --log-level and --access-log-format"],
  ['ssl-version', 'Node negotiates TLS 1.2 or 1.3: leave it out, or narrow --ssl-ciphers'],
  ['reset-contextvars', 'every request has a context of its own already: leave it out'],
  ['timeout-worker-healthcheck', 'a worker is watched without being asked: leave it out']
])

/** Values of uvicorn's options that are not ours. @type {Readonly<Record<string, string>>} */
export const REFUSED_LOOPS = { zuvloop: 'its loop cannot be woken from another thread: use uvloop' }
