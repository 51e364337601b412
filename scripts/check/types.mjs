// The types that JSDoc imports in npm/asgi-node/lib follow the order of its folders, too. dependency-cruiser does not see them.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { LAYERS } from '../../.dependency-cruiser.mjs'

const LIB = 'npm/asgi-node/lib'
const IMPORTED = /\bimport\('(\.[^']+)'\)/g
/** Every folder may use the public types. */
const PUBLIC = /^(index|\w+\/types)\.js$/
/** A request carries these for the transports: native code uses only a few of their members. @type {Readonly<Record<string, readonly string[]>>} */
const CARRIED = {
  'native/exchange.js': ['message/body-source.js', 'log/access-record.js', 'log/failures.js'],
  'native/exchanges.js': ['log/logger.js', 'log/failures.js', 'log/access-log.js', 'incoming/proxy.js']
}

/** How far from the top a file's folder is. @param {string} path */
function heightOf(path) {
  const [name] = path.split('/')
  return LAYERS.findIndex((siblings) => siblings.includes(name))
}

/** @type {string[]} */
const problems = []
const unused = new Set(Object.entries(CARRIED).flatMap(([from, carried]) => carried.map((to) => `${from} ${to}`)))
const files = execFileSync('git', ['ls-files', `${LIB}/*.js`], { encoding: 'utf8' }).trim().split('\n')
for (const file of files) {
  const from = posix.relative(LIB, file)
  for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    for (const [, imported] of line.matchAll(IMPORTED)) {
      const to = posix.join(posix.dirname(from), imported)
      if (PUBLIC.test(to) || from.split('/')[0] === to.split('/')[0] || heightOf(from) < heightOf(to)) continue
      // A handler's file and folder are one layer.
      if (/^handler\b/.test(from) && /^handler\b/.test(to)) continue
      if (CARRIED[from]?.includes(to)) unused.delete(`${from} ${to}`)
      else problems.push(`${file}:${index + 1} takes a type from ${to}, which is not below it (.dependency-cruiser.mjs)`)
    }
  }
}
for (const exception of unused) problems.push(`scripts/check/types.mjs: nothing needs the exception ${exception}`)
if (problems.length > 0) {
  console.error(problems.join('\n'))
  process.exitCode = 1
}
