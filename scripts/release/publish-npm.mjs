// Publishes npm's packages: node scripts/release/publish-npm.mjs [--dry-run] FOLDER, where FOLDER holds the tarballs.
//
// The platforms' packages go first: whoever installs the main one in the meantime finds all that it names. What the registry
// has already is left alone, so that a release which broke off is simply run again; but only if it has the same content.
//
//   --dry-run    says what it would do, and asks no registry

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { TARGETS } from '../targets.mjs'
import { distTag } from './tag.mjs'

/** @typedef {{ name: string, version: string, file: string }} Package */

/** In the order of publishing. @param {string} folder @param {string} version @returns {Package[]} */
export function packagesIn(folder, version) {
  const names = [...TARGETS.map(({ name }) => `@asgi-node/${name}`), 'asgi-node']
  return names.map((name) => ({ name, version, file: join(folder, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`) }))
}

/** What the registry has under this name and version: its integrity, or null. @param {Package} one */
function published({ name, version }) {
  try {
    const answer = execFileSync('npm', ['view', `${name}@${version}`, 'dist.integrity', '--json', '--prefer-online'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return answer.trim() === '' ? null : JSON.parse(answer)
  } catch (error) {
    const output = `${/** @type {any} */ (error).stdout}${/** @type {any} */ (error).stderr}`
    if (output.includes('E404')) return null
    throw error
  }
}

/** @param {string} file */
const integrity = (file) => `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`

/** @param {Package} one @returns {'published' | 'there already'} */
function publish(one) {
  const there = published(one)
  if (there !== null) {
    if (there === integrity(one.file)) return 'there already'
    throw new Error(`the registry has another ${one.name}@${one.version} than ${one.file}: release under the next version`)
  }
  const options = ['--provenance', '--access', 'public', '--tag', distTag(one.version)]
  execFileSync('npm', ['publish', one.file, ...options], { stdio: 'inherit' })
  return 'published'
}

function main() {
  const { values, positionals } = parseArgs({ options: { 'dry-run': { type: 'boolean', default: false } }, allowPositionals: true })
  if (positionals.length !== 1) throw new Error('usage: node scripts/release/publish-npm.mjs [--dry-run] FOLDER')
  const { version } = JSON.parse(readFileSync(fileURLToPath(new URL('../../npm/asgi-node/package.json', import.meta.url)), 'utf8'))
  const all = packagesIn(resolve(positionals[0]), version)
  const missing = all.filter(({ file }) => !existsSync(file))
  if (values['dry-run']) {
    for (const one of all) {
      const what = missing.includes(one) ? 'not built here' : integrity(one.file)
      console.log(`${one.name}@${version} --tag ${distTag(version)}: ${what}`)
    }
    return
  }
  if (missing.length > 0) throw new Error(`nothing was published: there is no ${missing.map(({ file }) => file).join(', ')}`)
  for (const one of all) console.log(`${one.name}@${version}: ${publish(one)}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main()
  } catch (error) {
    console.error(/** @type {Error} */ (error).message)
    process.exitCode = 1
  }
}
