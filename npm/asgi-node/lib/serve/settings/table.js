// Every option of the command, once. --help, the environment variables, the keys of configuration files, the tables of
// docs/cli.md and "did you mean" are all made from this list.

/**
 * `flag` has no value (`--name`, `--no-name`); `boolean` has one (`--name false`), as uvicorn's option of that name has.
 * @typedef {'text' | 'path' | 'flag' | 'boolean' | 'port' | 'count' | 'whole' | 'seconds' | 'choice'} ValueType
 */

/**
 * @typedef {object} Option
 * @property {string} name as on the command line, without its dashes
 * @property {ValueType} type
 * @property {string} help
 * @property {string} [value] what stands for the value in --help
 * @property {string | number | boolean} [default] said in --help
 * @property {readonly string[]} [choices]
 * @property {boolean} [list] may be given more than once
 * @property {string | null} [env] its environment variable, where that is not ASGI_NODE_ and its name; null: it has none
 * @property {string} [envToo] a variable of uvicorn's that is read, too
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
      { name: 'app-dir', type: 'path', value: 'DIR', default: '.', granian: '--working-dir', help: 'Where the module of the application is looked for.' },
      { name: 'factory', type: 'flag', granian: '--factory', help: 'APP is a function that makes the application.' },
      {
        name: 'interface', type: 'choice', choices: ['auto', 'asgi3', 'asgi2', 'wsgi'], default: 'auto', granian: '--interface',
        help: 'What the application speaks.'
      },
      { name: 'lifespan', type: 'choice', choices: ['auto', 'on', 'off'], default: 'auto', granian: '--interface asginl', help: 'Whether its lifespan is run.' },
      { name: 'loop', type: 'choice', choices: ['auto', 'asyncio', 'uvloop'], default: 'auto', granian: '--loop', help: 'The event loop; auto is uvloop where it is installed.' },
      { name: 'root-path', type: 'text', value: 'PATH', default: '', granian: '--url-path-prefix', help: 'The path under which a proxy mounts the application: root_path.' },
      { name: 'python', type: 'path', value: 'PATH', uvicorn: null, granian: null, env: null, help: 'The interpreter. Otherwise ASGI_NODE_PYTHON, an environment that is active, .venv, or PATH.' },
      { name: 'venv', type: 'path', value: 'DIR', uvicorn: null, granian: null, help: 'A virtual environment.' },
      { name: 'cwd', type: 'path', value: 'DIR', uvicorn: null, granian: '--working-dir', help: 'Go to this folder first.' },
      { name: 'env-file', type: 'path', value: 'FILE', granian: '--env-files', help: 'Set variables from this file, for the application. Those that are set already stay.' },
      {
        name: 'config', type: 'path', value: 'FILE', uvicorn: null, granian: null,
        help: 'Options from this file. Otherwise asgi-node.config.js or .json, and [tool.asgi-node] of pyproject.toml.'
      }
    ]
  },
  {
    title: 'Address',
    options: [
      { name: 'host', type: 'text', value: 'ADDRESS', default: '127.0.0.1', granian: '--host', help: 'Listen on this address; 0.0.0.0 and :: are all.' },
      { name: 'port', type: 'port', value: 'PORT', default: 8000, granian: '--port', help: 'Listen on this port; 0 is a free one.' },
      { name: 'uds', type: 'path', value: 'PATH', granian: '--uds', help: 'Listen on a Unix socket instead.' },
      { name: 'fd', type: 'whole', value: 'NUMBER', granian: null, help: 'Listen on a socket that is open already, as systemd passes one (3).' },
      { name: 'backlog', type: 'count', value: 'NUMBER', default: 2048, granian: '--backlog', help: 'Connections that may wait to be accepted.' }
    ]
  },
  {
    title: 'HTTP and TLS',
    options: [
      { name: 'ssl-keyfile', type: 'path', value: 'FILE', granian: '--ssl-keyfile', help: 'The private key, PEM. With --ssl-certfile the server speaks HTTPS.' },
      { name: 'ssl-certfile', type: 'path', value: 'FILE', granian: '--ssl-certificate', help: 'The certificate and its chain, PEM.' },
      { name: 'ssl-keyfile-password', type: 'text', value: 'TEXT', granian: '--ssl-keyfile-password', help: 'What the private key is encrypted with.' },
      { name: 'ssl-ca-certs', type: 'path', value: 'FILE', granian: '--ssl-ca', help: 'Authorities whose certificates clients may show.' },
      { name: 'ssl-cert-reqs', type: 'choice', choices: ['0', '1', '2'], default: '0', granian: '--ssl-client-verify', help: 'A certificate of the client is 0: not asked for, 1: checked if there is one, 2: required.' },
      { name: 'ssl-ciphers', type: 'text', value: 'LIST', granian: null, help: "Ciphers, as OpenSSL lists them. Otherwise Node's." },
      { name: 'http2', type: 'flag', granian: '--http', help: 'HTTP/2 beside HTTP/1.1. Wants --ssl-certfile.' },
      { name: 'timeout-keep-alive', type: 'seconds', value: 'SECONDS', default: 5, granian: null, help: 'Close a connection that is idle for this long.' },
      {
        name: 'h11-max-incomplete-event-size', type: 'count', value: 'BYTES', default: 16_384, granian: '--http1-buffer-size',
        help: 'The most bytes of request line and headers; more get 431.'
      },
      { name: 'header', type: 'text', list: true, value: 'NAME:VALUE', granian: null, help: 'A header of every response that does not set it itself. May be repeated.' },
      { name: 'server-header', type: 'flag', default: true, granian: null, help: 'Send "Server: asgi-node".' },
      { name: 'date-header', type: 'flag', default: true, granian: null, help: 'Send "Date".' },
      { name: 'proxy-headers', type: 'flag', default: true, granian: 'granian.utils.proxies', help: 'Believe X-Forwarded-For and X-Forwarded-Proto of proxies.' },
      {
        name: 'forwarded-allow-ips', type: 'text', value: 'LIST', default: '127.0.0.1,::1,unix', envToo: 'FORWARDED_ALLOW_IPS', granian: 'granian.utils.proxies',
        help: 'Which proxies: addresses, ranges, "unix" for Unix sockets, or * for all.'
      }
    ]
  },
  {
    title: 'WebSockets',
    options: [
      { name: 'ws-max-size', type: 'count', value: 'BYTES', default: 16_777_216, granian: null, help: 'The largest message.' },
      { name: 'ws-max-queue', type: 'count', value: 'NUMBER', default: 32, granian: null, help: 'Messages that may wait for the application.' },
      { name: 'ws-ping-interval', type: 'seconds', value: 'SECONDS', default: 20, granian: null, help: 'Between two pings; 0 for none.' },
      { name: 'ws-ping-timeout', type: 'seconds', value: 'SECONDS', default: 20, granian: null, help: 'A ping may wait this long for its answer; 0 for ever.' },
      { name: 'ws-per-message-deflate', type: 'boolean', value: 'BOOLEAN', default: true, granian: null, help: 'Whether messages may be compressed.' }
    ]
  },
  {
    title: 'Limits, health and stopping',
    options: [
      { name: 'limit-concurrency', type: 'count', value: 'NUMBER', default: 65_536, granian: '--backpressure', help: 'Requests and WebSockets at once; more get 503.' },
      { name: 'limit-max-requests', type: 'count', value: 'NUMBER', granian: null, help: 'Stop, as by SIGTERM, after this many requests.' },
      { name: 'limit-max-requests-jitter', type: 'whole', value: 'NUMBER', default: 0, granian: null, help: 'Up to so many more, at random.' },
      { name: 'health-path', type: 'text', value: 'PATH', uvicorn: null, granian: null, help: 'Answer here: PATH and PATH/ready with 200 or 503, PATH/live for liveness.' },
      { name: 'drain-delay', type: 'seconds', value: 'SECONDS', default: 0, uvicorn: null, granian: null, help: 'On SIGTERM, go on for this long while /ready says 503 already.' },
      {
        name: 'timeout-graceful-shutdown', type: 'seconds', value: 'SECONDS', default: 30, granian: '--workers-kill-timeout',
        help: 'Then wait this long for requests that are under way.'
      }
    ]
  },
  {
    title: 'Workers and reload',
    options: [
      {
        name: 'workers', type: 'whole', value: 'NUMBER', default: 0, envToo: 'WEB_CONCURRENCY', granian: '--workers',
        help: 'Python processes of its own for the application; 0: it runs in this process.'
      },
      { name: 'reload', type: 'flag', granian: '--reload', help: 'Load the application anew when its files change, without refusing a connection. Needs workers: 1, unless there are more.' },
      { name: 'reload-dir', type: 'path', list: true, value: 'DIR', granian: '--reload-paths', help: 'Look for changes here; otherwise in --app-dir. May be repeated.' },
      { name: 'reload-include', type: 'text', list: true, value: 'GLOB', granian: null, help: 'Files that count, beside *.py. May be repeated.' },
      {
        name: 'reload-exclude', type: 'text', list: true, value: 'GLOB', granian: '--reload-ignore-patterns',
        help: 'Files and folders that do not, beside .*, node_modules, venv and __pycache__. May be repeated.'
      },
      { name: 'reload-delay', type: 'seconds', value: 'SECONDS', default: 0.05, granian: '--reload-tick', help: 'Wait until nothing has changed for this long.' }
    ]
  },
  {
    title: 'Log',
    options: [
      {
        name: 'log-level', type: 'choice', choices: ['critical', 'error', 'warning', 'info', 'debug', 'trace'], default: 'info', granian: '--log-level',
        help: "What is said on stderr; the level of Python's root logger, unless the application sets it."
      },
      { name: 'access-log', type: 'flag', default: true, granian: '--access-log', help: 'A line on stdout for each request.' },
      {
        name: 'access-log-format', type: 'choice', choices: ['uvicorn', 'combined', 'json'], default: 'uvicorn', uvicorn: null, granian: '--access-log-fmt',
        help: 'What these lines look like.'
      },
      { name: 'use-colors', type: 'flag', granian: null, help: 'Colours. Otherwise where the output is a terminal.' }
    ]
  },
  {
    title: 'Front end',
    options: [
      {
        name: 'static', type: 'text', list: true, value: 'DIR[:PREFIX]', uvicorn: null, granian: '--static-path-mount',
        help: 'Serve files of this folder before the application is asked. May be repeated.'
      },
      {
        name: 'proxy', type: 'text', list: true, value: 'PREFIX=URL', uvicorn: null, granian: null,
        help: 'Hand these paths to another server, WebSockets too; "/" is all that the application answers with 404. May be repeated.'
      }
    ]
  },
  {
    title: 'Other',
    options: [
      { name: 'version', type: 'flag', commandLineOnly: true, env: null, granian: '--version', help: 'Print the version and end.' },
      { name: 'help', type: 'flag', commandLineOnly: true, env: null, granian: '--help', help: 'Print this and end.' }
    ]
  }
]

/** What is served: the one argument without dashes. @type {Option} */
export const APP = { name: 'app', type: 'text', help: 'module:attribute, a file, or nothing: then it is looked for.' }

/** @type {ReadonlyMap<string, Option>} */
export const OPTIONS = new Map([APP, ...GROUPS.flatMap(({ options }) => options)].map((option) => [option.name, option]))

/**
 * The environment variable of an option; null where it has none.
 * @param {Option} option
 */
export function variableOf({ name, env, commandLineOnly }) {
  if (env === null || commandLineOnly) return null
  return env ?? `ASGI_NODE_${name.replaceAll('-', '_').toUpperCase()}`
}

/** Whether `--no-name` is an option, too. @param {Option} option */
export const isNegatable = ({ type, commandLineOnly }) => type === 'flag' && !commandLineOnly
