// What a client can send costs no more than its length: 64 KiB of path against twenty rules in less than a millisecond.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PathCondition, PathRewriter, Request, Rewriter } from 'asgi-node'

/** Patterns that take engines which go back exponential or quadratic time, with what brings them to it. */
export const HOSTILE = [
  '(a+)+$', '(a|a)*$', '(a|aa)+$', '([a-z]+)*\\d$', '(.*)*!!$', '^/(([a-z])+.)+[A-Z]([a-z])+$', '(a+a+)+z', '^/(\\w+\\s?)*$', '(/+a?)+$', '^(/[^/]*)*/end$',
  '^/(a?){50}a{50}$', '\\w*\\w*\\w*\\w*!$', '(?:/a|/ab)+c$', '^/.*a.*a.*a.*a.*!$', '(ab*)*c$', '^/a*a*a*a*a*b$', '(aa|aab|b)*Z', '([^/]+/?)+\\?$', '(%[0-9a-f]{2}|a)+z', '^/(a*)*b',
]
const SIZE = 65_536
const PATHS = { a: 'a', slashes: '/', dots: '/../', escapes: '%61', pairs: 'ab', mixed: 'a/%2e.b', percent: '%' }

/** What others leave of this machine varies for seconds. */
const PATIENCE_MS = 5000

/** The least of several runs, and of more for as long as it is not `wanted`: others use this machine, too. */
function leastMilliseconds(run, wanted = Infinity) {
  let least = Infinity
  const begun = performance.now()
  for (let i = 0; i < 60 || (least >= wanted && performance.now() - begun < PATIENCE_MS); i++) {
    const started = performance.now()
    run()
    least = Math.min(least, performance.now() - started)
  }
  return least
}

describe('64 KiB of hostile path against twenty rules', { timeout: 100_000 }, () => {
  const rules = HOSTILE.map((pattern) => new PathRewriter(pattern, '/matched'))
  const rewriter = rules.reduce((all, rule) => all.then(rule))

  for (const [name, piece] of Object.entries(PATHS)) {
    test(`of ${name}: less than a millisecond`, () => {
      const request = new Request({ url: `/${piece.repeat(SIZE / piece.length)}~` })
      const least = leastMilliseconds(() => rewriter.rewrite(request), 1)
      assert.ok(least < 1, `${least.toFixed(3)} ms`)
    })
  }

  test('twice the length costs no more than twice the time, and some', () => {
    for (const pattern of HOSTILE) {
      const condition = new PathCondition(pattern)
      const time = (length) => {
        const request = new Request({ url: `/${'a'.repeat(length)}~` })
        return leastMilliseconds(() => condition.matches(request))
      }
      const [once, eight] = [time(SIZE), time(8 * SIZE)]
      assert.ok(eight < 16 * once + 1, `${pattern}: ${once.toFixed(3)} ms, and ${eight.toFixed(3)} ms for eight times the length`)
    }
  })

  test('with the flag g, what would be read again after each match is refused', () => {
    for (const pattern of [/a[^!]*!|a/g, /(a)[^!]*!|a/g, /\/(.*x)?/g, /a[^!]{0,9000}!|a/g, /(?:x[^y]*){2,}/g]) {
      assert.throws(() => new PathRewriter(pattern, 'b'), { name: 'TypeError', message: /flag g|too large/ }, String(pattern))
    }
    const worst = `/${'a/'.repeat(SIZE / 2)}~`
    for (const pattern of [/\/+/g, /[^/]+/g, /a?\/(?:b[^/]*)*/g, /\/$/g, /[^!]*!$|a$/g, /^[^!]*!|a/g, /a(?:b|c){0,40}/g]) {
      const time = (/** @type {number} */ length) => {
        const request = new Request({ url: worst.slice(0, length) })
        const rewriter = new PathRewriter(pattern, '/')
        return leastMilliseconds(() => rewriter.rewrite(request))
      }
      const [once, eight] = [time(SIZE / 8), time(SIZE)]
      assert.ok(eight < 16 * once + 1, `${pattern}: ${once.toFixed(3)} ms, and ${eight.toFixed(3)} ms for eight times the length`)
    }
  })

  test('a pattern whose states multiply is refused', () => {
    assert.throws(() => new PathRewriter(/((?:a{1,100}){1,100})b$/, '/x'), { name: 'TypeError', message: /too large/ })
  })

  test('what the rules make of it is bounded, too', () => {
    const grow = new Rewriter([{ rewriters: Array.from({ length: 20 }, () => ({ type: 'path', args: ['^.*$', '$&$&'] })) }])
    assert.throws(() => grow.rewrite(new Request({ url: `/${'a'.repeat(SIZE)}` })), { code: 'REWRITE_FAILED' })
  })
})
