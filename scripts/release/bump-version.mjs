#!/usr/bin/env node
// One version for Cargo, npm and PyPI.
//
//   node scripts/release/bump-version.mjs 0.2.0     writes it everywhere, lock files included; 0.2.0-beta.1 is a prerelease
//   node scripts/release/bump-version.mjs --check   fails unless every place says the same

import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'

const packages = readdirSync('npm').map((name) => `npm/${name}/package.json`)
const crates = readdirSync('crates').map((name) => `crates/${name}/Cargo.toml`)

/** @typedef {{ path: string, pattern: RegExp, found: string[] }} Place */

/** @param {string} path @param {RegExp} pattern with the version as its only group @returns {Place} */
const place = (path, pattern) => ({
  path,
  pattern,
  found: [...readFileSync(path, 'utf8').matchAll(pattern)].map((match) => match[1]),
})

/** @returns {Place[]} */
const places = () => [
  place('Cargo.toml', /^\[workspace\.package\]\nversion = "([^"]+)"/gm),
  place('Cargo.lock', /^name = "asgi-node-\w+"\nversion = "([^"]+)"/gm),
  place('python/asgi_node/__init__.py', /^__version__ = "([^"]+)"/gm),
  place('pyproject.toml', /^\[project\]\nname = "asgi-node"\nversion = "([^"]+)"/gm),
  ...['package.json', ...packages].map((path) => place(path, /^ {2}"version": "([^"]+)"/gm)),
  place('package-lock.json', /"name": "asgi-node-workspace",\s+"version": "([^"]+)"/g),
  place('package-lock.json', /"npm\/[^"/]+": \{\s+(?:"name": "[^"]+",\s+)?"version": "([^"]+)"/g),
]

function check() {
  const [{ found: [version] }] = places()
  const problems = places()
    .filter(({ found }) => found.length === 0)
    .map(({ path, pattern }) => `${path} has no version (${pattern})`)
  for (const { path, found } of places()) {
    for (const other of found) if (other !== version) problems.push(`${path} says ${other}, Cargo.toml ${version}`)
  }
  for (const path of crates) {
    if (!/^version\.workspace = true$/m.test(readFileSync(path, 'utf8'))) problems.push(`${path} has a version of its own`)
  }
  return problems
}

/** @param {string} version */
function bump(version) {
  for (const { path, pattern } of places().filter(({ path: name }) => !name.includes('lock'))) {
    const text = readFileSync(path, 'utf8')
    writeFileSync(path, text.replaceAll(pattern, (match, old) => match.replace(`"${old}"`, `"${version}"`)))
  }
  execFileSync('cargo', ['update', '--workspace', '--offline', '--quiet'], { stdio: 'inherit' })
  execFileSync('npm', ['install', '--package-lock-only', '--loglevel=error'], { stdio: 'inherit' })
}

const [argument] = process.argv.slice(2)
if (argument !== '--check') {
  if (!/^\d+\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?$/.test(argument ?? '')) {
    console.error('usage: node scripts/release/bump-version.mjs X.Y.Z[-beta.N] | --check')
    process.exit(2)
  }
  bump(argument)
}
const problems = check()
if (problems.length > 0) {
  console.error(problems.join('\n'))
  process.exitCode = 1
}
