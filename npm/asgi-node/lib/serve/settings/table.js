// Every option of the command. --help, the environment variables, the keys of configuration files, the tables of docs/cli.md
// and "did you mean" are all generated from this list.

import { DEFAULT } from '../../native/protocol.js'

/**
 * `flag` has no value (`--name`, `--no-name`). `boolean` has one (`--name false`), as uvicorn's option of that name.
 * @typedef {'text' | 'path' | 'flag' | 'boolean' | 'port' | 'count' | 'whole' | 'seconds' | 'choice'} ValueType
 */

/**
 * @typedef {object} Option
 * @property {string} name the name on the command line, without its dashes
 * @property {ValueType} type
 * @property {string} help
 * @property {string} [value] the placeholder for the value in --help
 * @property {string | number | boolean} [default] shown in --help
 * @property {readonly string[]} [choices]
 * @property {boolean} [list] may be given more than once
 * @property {string | null} [env] its environment variable, if that is not ASGI_NODE_ and its name; null: it has none
 * @property {string} [envToo] a variable of uvicorn that is read, too
 * @property {boolean} [commandLineOnly]
 * @property {string | null} [uvicorn] uvicorn's name of it, where that differs; null: uvicorn has none
 * @property {string | null} [granian] granian's name of it
 */

/** @typedef {{ title: string, options: readonly Option[] }} Group */

/** @type {readonly Group[]} */
export const GROUPS = [
  {
    title: 'Application',
    options: [
      { name: 'app-dir', type: 'path', value: 'DIR', default: '.', granian: '--working-dir', help: 'The folder to import the application from.' },
      { name: 'factory', type: 'flag', granian: '--factory', help: 'APP is a function that returns the application.' },
      {
        name: 'interface', type: 'choice', choices: ['auto', 'asgi3', 'asgi2', 'wsgi'], default: 'auto', granian: '--interface',
        help: 'The interface of the application.'
      },
      { name: 'lifespan', type: 'choice', choices: ['auto', 'on', 'off'], default: 'auto', granian: '--interface asginl', help: 'Whether to run the lifespan.' },
      { name: 'loop', type: 'choice', choices: ['auto', 'asyncio', 'uvloop'], default: 'auto', granian: '--loop', help: 'The event loop; auto is uvloop if it is installed.' },
      { name: 'root-path', type: 'text', value: 'PATH', default: '', granian: '--url-path-prefix', help: 'The path where a proxy mounts the application: root_path.' },
      { name: 'python', type: 'path', value: 'PATH', uvicorn: null, granian: null, env: null, help: 'The interpreter. Default: ASGI_NODE_PYTHON, the active virtual environment, .venv, or PATH.' },
      { name: 'venv', type: 'path', value: 'DIR', uvicorn: null, granian: null, help: 'The virtual environment.' },
      { name: 'cwd', type: 'path', value: 'DIR', uvicorn: null, granian: '--working-dir', help: 'Change to this folder first.' },
      { name: 'env-file', type: 'path', value: 'FILE', granian: '--env-files', help: 'Set environment variables from this file. Variables that are set already stay.' },
      {
        name: 'config', type: 'path', value: 'FILE', uvicorn: null, granian: null,
        help: 'Read options from this file. Default: asgi-node.config.js or .json, and [tool.asgi-node] of pyproject.toml.'
      }
    ]
  },
  {
    title: 'Address',
    options: [
      { name: 'host', type: 'text', value: 'ADDRESS', default: '127.0.0.1', granian: '--host', help: 'Listen on this address; 0.0.0.0 and :: are all addresses.' },
      { name: 'port', type: 'port', value: 'PORT', default: 8000, granian: '--port', help: 'Listen on this port; 0 chooses a free port.' },
      { name: 'uds', type: 'path', value: 'PATH', granian: '--uds', help: 'Listen on a Unix socket instead.' },
      { name: 'fd', type: 'whole', value: 'NUMBER', granian: null, help: 'Listen on an open socket, for example the one that systemd passes (3).' },
      { name: 'backlog', type: 'count', value: 'NUMBER', default: 2048, granian: '--backlog', help: 'The most connections that may wait to be accepted.' }
    ]
  },
  {
    title: 'HTTP and TLS',
    options: [
      { name: 'ssl-keyfile', type: 'path', value: 'FILE', granian: '--ssl-keyfile', help: 'The private key (PEM). With --ssl-certfile the server speaks HTTPS.' },
      { name: 'ssl-certfile', type: 'path', value: 'FILE', granian: '--ssl-certificate', help: 'The certificate and its chain (PEM).' },
      { name: 'ssl-keyfile-password', type: 'text', value: 'TEXT', granian: '--ssl-keyfile-password', help: 'The password of the private key.' },
      { name: 'ssl-ca-certs', type: 'path', value: 'FILE', granian: '--ssl-ca', help: 'Certificate authorities for client certificates (PEM).' },
      { name: 'ssl-cert-reqs', type: 'choice', choices: ['0', '1', '2'], default: '0', granian: '--ssl-client-verify', help: 'Client certificates: 0 does not ask for one, 1 checks it if there is one, 2 requires one.' },
      { name: 'ssl-ciphers', type: 'text', value: 'LIST', granian: null, help: "The ciphers, as an OpenSSL list. Default: Node's." },
      { name: 'http2', type: 'flag', granian: '--http', help: 'HTTP/2 in addition to HTTP/1.1. Needs --ssl-certfile.' },
      { name: 'timeout-keep-alive', type: 'seconds', value: 'SECONDS', default: 5, granian: null, help: 'Close a connection that has been idle for this time.' },
      {
        name: 'h11-max-incomplete-event-size', type: 'count', value: 'BYTES', default: 16_384, granian: '--http1-buffer-size',
        help: 'The most bytes of the request line and headers; a larger request gets 431.'
      },
      { name: 'header', type: 'text', list: true, value: 'NAME:VALUE', granian: null, help: 'Add this header to responses that do not set it. May be repeated.' },
      { name: 'server-header', type: 'flag', default: true, granian: null, help: 'Send "Server: asgi-node".' },
      { name: 'date-header', type: 'flag', default: true, granian: null, help: 'Send "Date".' },
      { name: 'proxy-headers', type: 'flag', default: true, granian: 'granian.utils.proxies', help: 'Use X-Forwarded-For and X-Forwarded-Proto of trusted proxies.' },
      {
        name: 'forwarded-allow-ips', type: 'text', value: 'LIST', default: '127.0.0.1,::1,unix', envToo: 'FORWARDED_ALLOW_IPS', granian: 'granian.utils.proxies',
        help: 'The trusted proxies: addresses, ranges, "unix" for Unix sockets, or * for all.'
      }
    ]
  },
  {
    title: 'WebSockets',
    options: [
      { name: 'ws-max-size', type: 'count', value: 'BYTES', default: DEFAULT.MAX_PAYLOAD, granian: null, help: 'The most bytes of a message.' },
      { name: 'ws-max-queue', type: 'count', value: 'NUMBER', default: DEFAULT.MAX_QUEUE, granian: null, help: 'The most messages that may wait for the application.' },
      { name: 'ws-ping-interval', type: 'seconds', value: 'SECONDS', default: DEFAULT.PING_INTERVAL / 1000, granian: null, help: 'The time between two pings; 0 for no pings.' },
      { name: 'ws-ping-timeout', type: 'seconds', value: 'SECONDS', default: DEFAULT.PING_TIMEOUT / 1000, granian: null, help: 'The time that a pong may take; 0 for no limit.' },
      { name: 'ws-per-message-deflate', type: 'boolean', value: 'BOOLEAN', default: true, granian: null, help: 'Whether to compress messages.' }
    ]
  },
  {
    title: 'Limits, health and stopping',
    options: [
      { name: 'limit-concurrency', type: 'count', value: 'NUMBER', default: DEFAULT.MAX_CONCURRENCY, granian: '--backpressure', help: 'The most requests and WebSockets at once; more get 503.' },
      { name: 'limit-max-requests', type: 'count', value: 'NUMBER', granian: null, help: 'Stop after this many requests, as by SIGTERM.' },
      { name: 'limit-max-requests-jitter', type: 'whole', value: 'NUMBER', default: 0, granian: null, help: 'Add a random number up to this to --limit-max-requests.' },
      { name: 'health-path', type: 'text', value: 'PATH', uvicorn: null, granian: null, help: 'Answer health probes: PATH and PATH/ready for readiness, PATH/live for liveness.' },
      { name: 'drain-delay', type: 'seconds', value: 'SECONDS', default: 0, uvicorn: null, granian: null, help: 'On SIGTERM, serve for this time while PATH/ready answers 503.' },
      {
        name: 'timeout-graceful-shutdown', type: 'seconds', value: 'SECONDS', default: DEFAULT.CLOSE_TIMEOUT / 1000, granian: '--workers-kill-timeout',
        help: 'Then wait up to this time for requests that are under way.'
      }
    ]
  },
  {
    title: 'Workers and reload',
    options: [
      {
        name: 'workers', type: 'whole', value: 'NUMBER', default: 0, envToo: 'WEB_CONCURRENCY', granian: '--workers',
        help: 'Run the application in this many Python processes; 0 runs it in this process.'
      },
      { name: 'reload', type: 'flag', granian: '--reload', help: 'Load the application again when its files change, without refusing a connection. Sets --workers 1 if it is 0.' },
      { name: 'reload-dir', type: 'path', list: true, value: 'DIR', granian: '--reload-paths', help: 'Watch this folder; default: --app-dir. May be repeated.' },
      { name: 'reload-include', type: 'text', list: true, value: 'GLOB', granian: null, help: 'Watch these files in addition to *.py. May be repeated.' },
      {
        name: 'reload-exclude', type: 'text', list: true, value: 'GLOB', granian: '--reload-ignore-patterns',
        help: 'Ignore these files and folders in addition to .*, node_modules, venv, site-packages and __pycache__. May be repeated.'
      },
      { name: 'reload-delay', type: 'seconds', value: 'SECONDS', default: DEFAULT.RELOAD_DELAY / 1000, granian: '--reload-tick', help: 'Reload when nothing has changed for this time.' }
    ]
  },
  {
    title: 'Log',
    options: [
      {
        name: 'log-level', type: 'choice', choices: ['critical', 'error', 'warning', 'info', 'debug', 'trace'], default: 'info', granian: '--log-level',
        help: "The level of the log on stderr, and of Python's root logger unless the application sets it."
      },
      { name: 'access-log', type: 'flag', default: true, granian: '--access-log', help: 'Write a line to stdout for each request.' },
      {
        name: 'access-log-format', type: 'choice', choices: ['uvicorn', 'combined', 'json'], default: 'uvicorn', uvicorn: null, granian: '--access-log-fmt',
        help: 'The format of these lines.'
      },
      { name: 'use-colors', type: 'flag', granian: null, help: 'Use colours. Default: if the output is a terminal, or as NO_COLOR and FORCE_COLOR say.' }
    ]
  },
  {
    title: 'Front end',
    options: [
      {
        name: 'static', type: 'text', list: true, value: 'DIR[:PREFIX]', uvicorn: null, granian: '--static-path-mount',
        help: 'Serve the files of this folder before the application is asked. May be repeated.'
      },
      {
        name: 'proxy', type: 'text', list: true, value: 'PREFIX=URL', uvicorn: null, granian: null,
        help: 'Pass these paths to another server, WebSockets too; "/" means all paths that the application answers with 404. May be repeated.'
      }
    ]
  },
  {
    title: 'Other',
    options: [
      { name: 'version', type: 'flag', commandLineOnly: true, env: null, granian: '--version', help: 'Print the version and exit.' },
      { name: 'help', type: 'flag', commandLineOnly: true, env: null, granian: '--help', help: 'Print this help and exit.' }
    ]
  }
]

/** The application: the only argument without dashes. @type {Option} */
export const APP = { name: 'app', type: 'text', help: 'module:attribute, a file, or nothing: then asgi-node looks for it.' }

/** @type {ReadonlyMap<string, Option>} */
export const OPTIONS = new Map([APP, ...GROUPS.flatMap(({ options }) => options)].map((option) => [option.name, option]))

/**
 * The environment variable of an option; null if it has none.
 * @param {Option} option
 */
export function variableOf({ name, env, commandLineOnly }) {
  if (env === null || commandLineOnly) return null
  return env ?? `ASGI_NODE_${name.replaceAll('-', '_').toUpperCase()}`
}

/** Whether the option can be negated with `--no-`. @param {Option} option */
export const isNegatable = ({ type, commandLineOnly }) => type === 'flag' && !commandLineOnly
