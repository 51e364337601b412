// What others send is read in linear time: every regular expression of the package, and the functions in front of them, get
// 100 KB of what is worst for them. Needs no Python.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Headers, Request } from 'asgi-node'
import { viewOf } from '../../npm/asgi-node/lib/fetch/request.js'
import { withoutOrigin } from '../../npm/asgi-node/lib/incoming/head.js'
import { Trust, forwardedPeer } from '../../npm/asgi-node/lib/incoming/proxy.js'
import { distinguishedName } from '../../npm/asgi-node/lib/incoming/tls.js'
import { framingOf } from '../../npm/asgi-node/lib/message/framing.js'
import { repository } from '../node/support.mjs'

const LENGTH = 100_000
/** Quadratic is seconds: 80,000 spaces took eight. */
const LIMIT_MS = 400
const lib = join(repository, 'npm', 'asgi-node', 'lib')

/** Takes the best of three: the machine may be busy. */
function assertQuick(run, what) {
  let best = Infinity
  for (let i = 0; i < 3 && best > LIMIT_MS; i += 1) {
    const started = performance.now()
    run()
    best = Math.min(best, performance.now() - started)
  }
  assert.ok(best < LIMIT_MS, `${what}: ${Math.round(best)} ms`)
}

/** Literals of regular expressions, and where they are. */
function expressions() {
  return readdirSync(lib, { recursive: true })
    .filter((name) => name.endsWith('.js'))
    .flatMap((name) => {
      const code = readFileSync(join(lib, name), 'utf8').replace(/\/\*\*?[^]*?\*\/|^\s*\/\/.*$/gm, '')
      const literals = code.matchAll(/(?<=[=(,:!&|?]\s*|return\s+)\/((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])*)\/([dgimsuvy]*)/g)
      return [...literals].map(([all, source, flags]) => ({ name, all, expression: new RegExp(source, flags) }))
    })
}

describe('field_24 regular expressions', { timeout: 300_000 }, () => {
  const found = expressions()
  const unit = [' ', '\t', '/', 'a', 'a ', '1', '1.', ':', ', ', '%41', '[', '\n', '"', '\xe9', 'http://']
  const ends = ['', 'x', '\0']
  const starts = ['', 'a', '/']

  test('they are found', () => {
    assert.ok(found.length > 25, `${found.length}`)
    for (const part of ['headers.js', 'url.js', 'proxy.js', 'handshake.js']) assert.ok(found.some(({ name }) => name.endsWith(part)), part)
  })

  for (const { name, all, expression } of found) {
    test(`${name}: ${all}`, () => {
      for (const piece of unit) {
        const middle = piece.repeat(LENGTH / piece.length)
        for (const start of starts) {
          for (const end of ends) assertQuick(() => (start + middle + end).replace(expression, ''), JSON.stringify([start, piece, end]))
        }
      }
    })
  }
})

describe('field_24 what reads what others send', { timeout: 60_000 }, () => {
  const spaces = ' '.repeat(LENGTH)
  const slashes = '/'.repeat(LENGTH)
  const peer = { trust: null, address: '127.0.0.1', peer: '', client: '', server: '', scheme: 'http' }
  const cases = {
    'a value with spaces inside': () => new Headers({ a: `x${spaces}x` }),
    'a value of spaces': () => new Headers({ a: spaces }),
    'raw headers': () => new Headers(['a', `x${spaces}x`, 'b', `\t${spaces}x`]),
    'a path of slashes': () => new Request({ url: slashes }).path,
    'a path that has to be encoded': () => new Request({ url: `/${spaces}` }).path,
    'X-Forwarded-For': () => forwardedPeer(new Trust(true), peer, ['x-forwarded-for', '1.1.1.1,'.repeat(LENGTH / 8)]),
    'X-Forwarded-For with spaces': () => forwardedPeer(new Trust(true), peer, ['x-forwarded-for', `x${spaces}x`]),
    'a target': () => withoutOrigin(`a${':'.repeat(LENGTH)}`),
    'framing': () => framingOf(['expect', '100-'.repeat(LENGTH / 4)]),
    'names of certificates': () => distinguishedName('street= + '.repeat(LENGTH / 10)),
    'fetch below a mount': () =>
      viewOf(new globalThis.Request('http://h/'), {}, { url: `${slashes}x${slashes}`, rawHeaders: [], method: 'GET', socket: {} }, 0),
    'fetch with a root path': () => viewOf(new globalThis.Request('http://h/'), { rootPath: `/${slashes}x${slashes}` }, null, 0),
  }
  for (const [name, run] of Object.entries(cases)) test(name, () => assertQuick(run, name))
})
