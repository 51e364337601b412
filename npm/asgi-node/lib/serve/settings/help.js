import { GROUPS, isNegatable } from './table.js'

const HEAD = `usage: asgi-node [serve] [APP] [options]    serve a Python application
       asgi-node dev [APP] [options]        the same with --reload
       asgi-node doctor [options]           would it start, and if not, why?

APP is module:attribute (main:app) or a file (main.py). Without it, the application is looked for as "fastapi dev" does:
main.py, app.py, api.py or app/, and in it "app", "api" or the only application.
`

const TAIL = `
Each option is also an environment variable (ASGI_NODE_PORT=3000), and a key of asgi-node.config.js, asgi-node.config.json or
[tool.asgi-node] in pyproject.toml. The command line comes before the variables, these before files.

Exit status: 0 after SIGTERM or SIGINT, 1 if the server cannot start, 2 for a wrong option, 3 if the application does not start.
`

const WIDTH = 34
const COLUMNS = 118

/** @param {import('./table.js').Option} option */
export function spelling(option) {
  const { name, value, choices } = option
  if (isNegatable(option)) return `--${name}, --no-${name}`
  const placeholder = value ?? choices?.join('|')
  return placeholder === undefined ? `--${name}` : `--${name} ${placeholder}`
}

/** @param {import('./table.js').Option} option */
function line(option) {
  const left = `  ${spelling(option)}`
  const { default: fallback, help } = option
  const text = fallback === undefined || fallback === '' ? help : `${help} [${fallback === true ? 'on' : fallback === false ? 'off' : fallback}]`
  const lines = wrapped(text)
  const rest = lines.map((part) => `${' '.repeat(WIDTH)}${part}`)
  if (left.length > WIDTH - 2) return [left, ...rest].join('\n')
  return [left.padEnd(WIDTH) + lines[0], ...rest.slice(1)].join('\n')
}

/** @param {string} text */
function wrapped(text) {
  const lines = ['']
  for (const word of text.split(' ')) {
    if (`${lines.at(-1)} ${word}`.length > COLUMNS - WIDTH) lines.push(word)
    else lines[lines.length - 1] = lines.at(-1) === '' ? word : `${lines.at(-1)} ${word}`
  }
  return lines
}

export function helpText() {
  const groups = GROUPS.map(({ title, options }) => `\n${title}:\n${options.map(line).join('\n')}\n`)
  return HEAD + groups.join('') + TAIL
}
