// What a tag is a release of: node scripts/release/tag.mjs [TAG]. Fails where the tag is not the version of the repository.
//
// Prints `version=…`, `npm-tag=…` and `prerelease=…`, a line each, as GITHUB_OUTPUT takes them.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** `1.2.0-beta.1` and the like. @param {string} version */
export const isPrerelease = (version) => version.includes('-')

/** npm's name for what `npm install` takes where no version is said, or must not take. @param {string} version */
export const distTag = (version) => (isPrerelease(version) ? 'next' : 'latest')

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { version } = JSON.parse(readFileSync(fileURLToPath(new URL('../../npm/asgi-node/package.json', import.meta.url)), 'utf8'))
  const [tag = `v${version}`] = process.argv.slice(2)
  if (tag === `v${version}`) {
    console.log(`version=${version}\nnpm-tag=${distTag(version)}\nprerelease=${isPrerelease(version)}`)
  } else {
    console.error(`the tag is ${tag}, the version ${version}: node scripts/release/bump-version.mjs ${tag.replace(/^v/, '')}, commit, and tag again`)
    process.exitCode = 1
  }
}
