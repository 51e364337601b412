// The tables of docs/cli.md are those of the command's own list of options (npm/asgi-node/lib/serve/settings/table.js).
//
//   node scripts/check/cli-docs.mjs            check
//   node scripts/check/cli-docs.mjs --write    bring them up to date

import { readFileSync, writeFileSync } from 'node:fs'
import { REFUSED } from '../../npm/asgi-node/lib/serve/settings/refused.js'
import { spelling } from '../../npm/asgi-node/lib/serve/settings/help.js'
import { GROUPS, variableOf } from '../../npm/asgi-node/lib/serve/settings/table.js'

const PAGE = 'docs/cli.md'

/** @param {string} text */
const cell = (text) => text.replaceAll('|', '\\|')

/** @param {import('../../npm/asgi-node/lib/serve/settings/table.js').Option} option */
function row(option) {
  const { name, help, default: fallback, uvicorn, granian, envToo } = option
  const shown = fallback === undefined || fallback === '' ? '' : fallback === true ? 'on' : fallback === false ? 'off' : `\`${fallback}\``
  const variable = variableOf(option)
  const variables = [variable, envToo].filter((one) => one).map((one) => `\`${one}\``).join(', ')
  const theirs = uvicorn === null ? '' : `\`${uvicorn ?? `--${name}`}\``
  return `| \`${cell(spelling(option))}\` | ${cell(help)} | ${shown} | ${variables} | ${theirs} | ${granian ? `\`${granian}\`` : ''} |`
}

const tables = GROUPS.flatMap(({ title, options }) => [
  `### ${title}`,
  '',
  '| option | | default | variable | uvicorn | granian |',
  '|---|---|---|---|---|---|',
  ...options.map(row),
  ''
])
const refused = ['| option of uvicorn | why not |', '|---|---|', ...[...REFUSED].map(([name, reason]) => `| \`--${name}\` | ${cell(reason)} |`), '']

/** @type {Record<string, string[]>} */
const PARTS = { options: tables, refused }

const before = readFileSync(PAGE, 'utf8')
let after = before
for (const [name, lines] of Object.entries(PARTS)) {
  const pattern = new RegExp(`(<!-- ${name}: .* -->\n)[\\s\\S]*?(<!-- end of ${name} -->)`)
  if (!pattern.test(after)) throw new Error(`${PAGE} has no place for its part "${name}"`)
  after = after.replace(pattern, (_, start, end) => `${start}\n${lines.join('\n')}\n${end}`)
}
if (process.argv.includes('--write')) writeFileSync(PAGE, after)
else if (after !== before) {
  console.error(`${PAGE} is not up to date: node scripts/check/cli-docs.mjs --write`)
  process.exitCode = 1
}
