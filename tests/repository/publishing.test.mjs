// How a release's packages reach npm: scripts/release/publish-npm.mjs, with a registry that is an npm of its own.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { packagesIn } from '../../scripts/release/publish-npm.mjs'
import { distTag } from '../../scripts/release/tag.mjs'

const SCRIPT = fileURLToPath(new URL('../../scripts/release/publish-npm.mjs', import.meta.url))
const { version } = JSON.parse(readFileSync(new URL('../../npm/asgi-node/package.json', import.meta.url), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'publishing-'))
after(() => rmSync(folder, { recursive: true }))

// What the registry has is a folder of files; each call that publishes is a line of `log`.
const NPM = `#!${process.execPath}
const { appendFileSync, copyFileSync, existsSync, readFileSync } = require('node:fs')
const { createHash } = require('node:crypto')
const [command, what, ...options] = process.argv.slice(2)
const there = (name) => __dirname + '/there-' + name.replace(/^@/, '').replace(/[/@]/g, '-') + '.tgz'
if (command === 'view') {
  if (!existsSync(there(what))) {
    console.error('npm error code E404')
    process.exit(1)
  }
  console.log(JSON.stringify('sha512-' + createHash('sha512').update(readFileSync(there(what))).digest('base64')))
} else {
  appendFileSync(__dirname + '/log', [command, require('node:path').basename(what), ...options].join(' ') + '\\n')
  copyFileSync(what, __dirname + '/there-' + require('node:path').basename(what))
}
`

const packages = packagesIn(folder, version)
const tarballs = packages.map(({ file }) => basename(file))

/** @param {string[]} args @returns {Promise<{ code: number, output: string, published: string[] }>} */
async function publish(...args) {
  writeFileSync(join(folder, 'log'), '')
  const env = { ...process.env, PATH: `${folder}${delimiter}${dirname(process.execPath)}` }
  const { code, output } = await new Promise((resolve) => {
    execFile(process.execPath, [SCRIPT, ...args, folder], { env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr })
    })
  })
  return { code, output, published: readFileSync(join(folder, 'log'), 'utf8').split('\n').filter(Boolean) }
}

beforeEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
  writeFileSync(join(folder, 'npm'), NPM)
  chmodSync(join(folder, 'npm'), 0o755)
  for (const { name, file } of packages) writeFileSync(file, `what ${name} holds`)
})

const COMMAND = `--provenance --access public --tag ${distTag(version)}`

test('the main package is published last', async () => {
  const { code, output, published } = await publish()
  assert.equal(code, 0, output)
  assert.equal(tarballs.at(-1), `asgi-node-${version}.tgz`)
  assert.deepEqual(published, tarballs.map((tarball) => `publish ${tarball} ${COMMAND}`))
})

test('what the registry has is not published again', async () => {
  for (const tarball of tarballs.slice(0, 3)) copyFileSync(join(folder, tarball), join(folder, `there-${tarball}`))
  const { code, output, published } = await publish()
  assert.equal(code, 0, output)
  assert.deepEqual(published, tarballs.slice(3).map((tarball) => `publish ${tarball} ${COMMAND}`))
  assert.deepEqual((await publish()).published, [])
})

test('nothing takes the place of what has the same version and another content', async () => {
  writeFileSync(join(folder, `there-${tarballs[0]}`), 'something else')
  const { code, output, published } = await publish()
  assert.equal(code, 1)
  assert.match(output, /the registry has another @asgi-node\/linux-x64-gnu@.*: release under the next version/)
  assert.deepEqual(published, [])
})

test('nothing is published where a platform is missing', async () => {
  rmSync(packages[2].file)
  const { code, output, published } = await publish()
  assert.equal(code, 1)
  assert.match(output, /nothing was published: there is no .*linux-x64-musl/)
  assert.deepEqual(published, [])
})

test('a dry run publishes nothing, and says what is missing', async () => {
  rmSync(packages[2].file)
  const { code, output, published } = await publish('--dry-run')
  assert.equal(code, 0, output)
  assert.match(output, /linux-x64-musl@.*: not built here/)
  assert.match(output, /^asgi-node@.* --tag latest: sha512-/m)
  assert.deepEqual(published, [])
})

test('a prerelease is not what npm installs where no version is said', () => {
  assert.deepEqual(['1.0.0', '1.1.0-beta.1', '2.0.0-rc.3'].map(distTag), ['latest', 'next', 'next'])
})
