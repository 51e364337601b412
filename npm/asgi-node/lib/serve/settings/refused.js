// Options of uvicorn that this command cannot have. They are listed, so that their users do not get "Did you mean …?".

/** @type {ReadonlyMap<string, string>} */
export const REFUSED = new Map([
  ['http', 'Node parses HTTP and has only one parser: leave it out'],
  ['ws', 'the npm package ws handles WebSockets: leave it out'],
  ['log-config', "logging is configured by the application (logging.config); the server's own lines have --log-level and --access-log-format"],
  ['ssl-version', 'Node negotiates TLS 1.2 or 1.3: leave it out, or narrow --ssl-ciphers'],
  ['reset-contextvars', 'every request already has its own context: leave it out'],
  ['timeout-worker-healthcheck', 'workers are watched without health checks: leave it out']
])

/** Values of uvicorn's options that this command does not accept. @type {Readonly<Record<string, string>>} */
export const REFUSED_LOOPS = { zuvloop: 'its loop cannot be woken from another thread: use uvloop' }
