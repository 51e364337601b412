// docs/asgi.md claims items of the ASGI checklist; under each claim stand the names of the tests that prove it. Fails when
// a claim has no test, when a test proves an item that the page does not have, and when the names are not those of today.
//
//   node scripts/check/asgi-docs.mjs            check
//   node scripts/check/asgi-docs.mjs --write    bring the names up to date

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'

const PAGE = 'docs/asgi.md'
/** A claim: "- **57** text". */
const CLAIM = /^- \*\*(\d+)\*\* /
/** What this script writes below it. */
const PROOF = /^ {2}- \[/

/** Which tests a file has, by kind of file: a pattern whose last group is the name. @type {Record<string, RegExp>} */
const NAMES = {
  mjs: /\btest\(\s*(['"`])((?:\\.|(?!\1)[^\\\n])*)\1/g,
  rs: /#\[test\]\s+fn (\w+)/g,
  py: /^(?:async )?def (test_\w+)/gm
}

/** @typedef {{ path: string, name: string, items: number[] }} Proof */

/** @returns {Proof[]} every test that git follows and that names items */
function proofs() {
  const paths = execFileSync('git', ['ls-files', '-z', 'tests', 'crates'], { encoding: 'utf8' }).split('\0')
  return paths.filter((path) => path && existsSync(path)).flatMap((path) => {
    const pattern = NAMES[path.split('.').at(-1) ?? '']
    if (pattern === undefined || (path.endsWith('.mjs') && !/asgi_\d/.test(readFileSync(path, 'utf8')))) return []
    return [...readFileSync(path, 'utf8').matchAll(pattern)].flatMap((match) => {
      const name = String(match.at(-1)).replaceAll(/\\(.)/g, '$1')
      const items = itemsOf(name)
      return items.length === 0 ? [] : [{ path, name: shown(name), items }]
    })
  })
}

/** `asgi_57`, `asgi_20 to asgi_26`, and as Rust has it `asgi_57_61_62_order` and `asgi_21_to_26_targets`. @param {string} name */
function itemsOf(name) {
  /** @type {Set<number>} */
  const items = new Set()
  for (const [, first, rest] of name.matchAll(/asgi_(\d+)((?:_\d+|(?: to asgi|_to)_\d+)*)/g)) {
    let last = Number(first)
    items.add(last)
    for (const [, range, number] of rest.matchAll(/( to asgi|_to)?_(\d+)/g)) {
      if (range === undefined) last = Number(number) - 1
      while (last < Number(number)) items.add((last += 1))
    }
  }
  return [...items]
}

/** A test's name without the numbers, which stand in front of it already. @param {string} name */
function shown(name) {
  const text = /^(test_)?asgi(_to)?(_\d+)/.test(name) && !name.includes(' ') ? name : name.replaceAll(/(\basgi_\d+(,| to| and)? ?)+/g, '')
  return text.replaceAll(/\$\{[^}]*\}/g, '…').replaceAll(/ \( ?\)/g, '').trim()
}

/** The lines below a claim, one for each file. @param {Proof[]} found */
function lines(found) {
  const paths = [...new Set(found.map(({ path }) => path))]
  return paths.map((path) => {
    const names = found.filter((proof) => proof.path === path).map(({ name }) => `“${name}”`).join(', ')
    return `  - [${basename(path)}](../${path}): ${names}`
  })
}

/**
 * The page with the names of today, and what is wrong with it.
 * @param {string} page
 * @param {Proof[]} all
 */
function withProofs(page, all) {
  const problems = []
  /** @type {Set<number>} */
  const claimed = new Set()
  /** @type {string[]} */
  const out = []
  for (const line of page.split('\n')) {
    if (PROOF.test(line)) continue
    const item = Number(CLAIM.exec(line)?.[1])
    if (item > 0) {
      if (claimed.has(item)) problems.push(`item ${item} is there twice`)
      claimed.add(item)
    }
    out.push(line)
    if (!(item > 0)) continue
    const found = all.filter(({ items }) => items.includes(item))
    if (found.length === 0) problems.push(`item ${item} is claimed, and no test is named asgi_${item}`)
    out.push(...lines(found))
  }
  for (const { path, name, items } of all) {
    for (const item of items.filter((one) => !claimed.has(one))) problems.push(`${path}: “${name}” proves item ${item}, which the page does not have`)
  }
  return { text: out.join('\n'), problems }
}

const page = readFileSync(PAGE, 'utf8')
const { text, problems } = withProofs(page, proofs())
if (process.argv.includes('--write')) writeFileSync(PAGE, text)
else if (text !== page) problems.push('the names of tests have changed: run `node scripts/check/asgi-docs.mjs --write`')
if (problems.length > 0) {
  console.error(problems.map((problem) => `${PAGE}: ${problem}`).join('\n'))
  process.exitCode = 1
}
