// The platforms that asgi-node is built for: one table, from which the npm packages of their native files are made.
//
//   node scripts/targets.mjs            prints a line for each: target, Rust target
//   node scripts/targets.mjs --host     prints the one that this machine is
//   node scripts/targets.mjs --write    writes npm/<target>/package.json and README.md
//   node scripts/targets.mjs --check    fails where one of them differs

import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { target } from '../npm/asgi-node/lib/native/platform.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/**
 * @typedef {object} Target
 * @property {string} name  as in the npm package's name: process.platform, process.arch and the C library
 * @property {string} rust  rustc's name for it
 * @property {string} title  for people
 * @property {{ os: string[], cpu: string[], libc?: string[] }} runsOn  by which npm chooses the package
 */

/** @type {Target[]} */
export const TARGETS = [
  {
    name: 'linux-x64-gnu',
    rust: 'x86_64-unknown-linux-gnu',
    title: 'Linux on x64 with glibc',
    runsOn: { os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
  },
  {
    name: 'linux-arm64-gnu',
    rust: 'aarch64-unknown-linux-gnu',
    title: 'Linux on arm64 with glibc',
    runsOn: { os: ['linux'], cpu: ['arm64'], libc: ['glibc'] },
  },
  {
    name: 'linux-x64-musl',
    rust: 'x86_64-unknown-linux-musl',
    title: 'Linux on x64 with musl (Alpine)',
    runsOn: { os: ['linux'], cpu: ['x64'], libc: ['musl'] },
  },
  {
    name: 'linux-arm64-musl',
    rust: 'aarch64-unknown-linux-musl',
    title: 'Linux on arm64 with musl (Alpine)',
    runsOn: { os: ['linux'], cpu: ['arm64'], libc: ['musl'] },
  },
  {
    name: 'darwin-arm64',
    rust: 'aarch64-apple-darwin',
    title: 'macOS on Apple silicon',
    runsOn: { os: ['darwin'], cpu: ['arm64'] },
  },
  {
    name: 'darwin-x64',
    rust: 'x86_64-apple-darwin',
    title: 'macOS on Intel',
    runsOn: { os: ['darwin'], cpu: ['x64'] },
  },
]

/** The main package's manifest: the others say the same about version, licence and home. */
const main = () => JSON.parse(readFileSync(join(ROOT, 'npm', 'asgi-node', 'package.json'), 'utf8'))

/** @param {Target} one */
function manifest({ name, title, runsOn }) {
  const { version, author, homepage, bugs, repository, license, engines, publishConfig } = main()
  const written = {
    name: `@asgi-node/${name}`,
    version,
    description: `The native part of asgi-node for ${title}`,
    author,
    homepage,
    bugs,
    repository: { ...repository, directory: `npm/${name}` },
    license,
    type: 'commonjs',
    ...runsOn,
    engines,
    files: ['addon.node', 'loader.node', 'workers.node', '_native.abi3.so', 'python'],
    publishConfig,
  }
  return `${JSON.stringify(written, null, 2)}\n`
}

/** @param {Target} one */
const readme = ({ name, title }) => `# @asgi-node/${name}

The native part of [asgi-node](${main().homepage}) for ${title}: the addon, its loader, and the Python package that they
start. Do not install it by itself: asgi-node names it among its optional dependencies, and npm chooses it where it is needed.
`

/** @returns {[path: string, text: string][]} */
const files = () =>
  TARGETS.flatMap((one) => [
    /** @type {[string, string]} */ ([`npm/${one.name}/package.json`, manifest(one)]),
    /** @type {[string, string]} */ ([`npm/${one.name}/README.md`, readme(one)]),
  ])

function check() {
  const problems = files()
    .filter(([path, text]) => !existsSync(join(ROOT, path)) || readFileSync(join(ROOT, path), 'utf8') !== text)
    .map(([path]) => `${path} is not what scripts/targets.mjs --write writes`)
  const known = new Set(['asgi-node', ...TARGETS.map(({ name }) => name)])
  for (const name of readdirSync(join(ROOT, 'npm'))) if (!known.has(name)) problems.push(`npm/${name} is in no table`)
  return problems
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [argument] = process.argv.slice(2)
  if (argument === '--write') {
    for (const [path, text] of files()) {
      mkdirSync(join(ROOT, path, '..'), { recursive: true })
      writeFileSync(join(ROOT, path), text)
    }
  } else if (argument === '--check') {
    const problems = check()
    if (problems.length > 0) {
      console.error(problems.join('\n'))
      process.exitCode = 1
    }
  } else if (argument === '--host') {
    console.log(target())
  } else {
    for (const { name, rust } of TARGETS) console.log(`${name}\t${rust}`)
  }
}
