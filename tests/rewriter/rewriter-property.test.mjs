// Patterns and replacements that nobody has thought of, against JavaScript's own String.prototype.replace. What comes out must be the
// same, or the pattern is refused with one of the reasons that the documentation has.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeaderRewriter, HrefRewriter, PathRewriter, Request } from 'asgi-node'

const SEED = Number(process.env.REWRITER_SEED ?? 20_260)
const CASES = Number(process.env.REWRITER_CASES ?? 4000)

/** A generator of pseudo-random numbers from 0 to 1 (mulberry32). */
function random(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

class Generator {
  constructor(seed, letters) {
    this.random = random(seed)
    this.letters = letters
    this.groups = 0
    this.names = []
  }

  below(n) {
    return Math.floor(this.random() * n)
  }

  pick(list) {
    return list[this.below(list.length)]
  }

  subject(prefix = '') {
    return prefix + Array.from({ length: this.below(14) }, () => this.pick(this.letters)).join('')
  }

  pattern(depth = 3) {
    const alternatives = Array.from({ length: this.pick([1, 1, 1, 2, 2, 3]) }, () => {
      return Array.from({ length: this.pick([0, 1, 1, 2, 2, 3]) }, () => this.term(depth)).join('')
    })
    return alternatives.join('|')
  }

  term(depth) {
    if (this.below(12) === 0) return this.pick(['^', '$', '\\b', '\\B'])
    const quantifier = this.pick(['', '', '', '*', '+', '?', '*?', '+?', '??', '{2}', '{0,2}', '{1,}', '{1,3}?'])
    return this.atom(depth) + quantifier
  }

  atom(depth) {
    const kind = this.below(depth > 0 ? 10 : 6)
    if (kind < 3) return escaped(this.pick(this.letters))
    if (kind === 3) return this.pick(['.', '\\d', '\\D', '\\w', '\\W', '\\s', '\\S', '[^]', '[]', '\\x61', '\\u0062', '\\/', '\\cA', '\\0'])
    if (kind < 6) return this.class()
    if (kind < 7) return `(?:${this.pattern(depth - 1)})`
    this.groups += 1
    if (kind === 7) {
      const name = `n${this.names.length}`
      this.names.push(name)
      return `(?<${name}>${this.pattern(depth - 1)})`
    }
    return `(${this.pattern(depth - 1)})`
  }

  class() {
    const member = () => {
      const kind = this.below(4)
      if (kind === 0) return this.pick(['\\d', '\\w', '\\W', '\\s', '\\S', '\\b', '\\-', '\\]'])
      if (kind === 1) {
        const [first, last] = [this.pick(this.letters), this.pick(this.letters)].toSorted()
        return `${escaped(first)}-${escaped(last)}`
      }
      return escaped(this.pick(this.letters))
    }
    return `[${this.pick(['', '^'])}${Array.from({ length: 1 + this.below(3) }, member).join('')}]`
  }

  replacement(prefix = '') {
    const piece = () => {
      const kind = this.below(6)
      if (kind < 2) return this.pick(this.letters)
      if (kind === 2) return `$${this.below(this.groups + 2)}`
      if (kind === 3) return this.pick(['$&', '$`', "$'", '$$', '$', `$0${this.below(3)}`, '$10', '$11'])
      return this.names.length > 0 ? `$<${this.pick([...this.names, 'none'])}>` : '$<a>'
    }
    return prefix + Array.from({ length: this.below(4) }, piece).join('')
  }
}

function escaped(letter) {
  return letter.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&')
}

const REFUSED = /may match nothing before it matches something|be left out, in a later repetition|pattern is too large|^\w+: with the flag g, a repetition without an upper limit/

/** Runs cases; gives how many were compared, and how many refused. */
function compare({ letters, prefix, flags, subjects, apply }) {
  let compared = 0
  let refused = 0
  for (let i = 0; i < CASES; i++) {
    const generator = new Generator(SEED + i, letters)
    const source = generator.pattern()
    const chosen = generator.pick(flags)
    let regexp
    try {
      regexp = new RegExp(source, chosen)
    } catch {
      continue
    }
    const replacement = generator.replacement(prefix)
    let rewrite
    try {
      rewrite = apply(regexp, replacement)
    } catch (error) {
      assert.match(error.message, REFUSED, `${regexp} seed ${SEED + i}`)
      refused += 1
      continue
    }
    for (let n = 0; n < subjects; n++) {
      const subject = generator.subject(prefix)
      const expected = subject.replace(regexp, replacement)
      assert.equal(rewrite(subject, expected), expected, `${JSON.stringify(subject)}.replace(${regexp}, ${JSON.stringify(replacement)}), seed ${SEED + i}`)
      compared += 1
    }
  }
  return { compared, refused }
}

test('the values of headers are rewritten as String.prototype.replace does', () => {
  const { compared, refused } = compare({
    letters: ['a', 'b', 'c', 'A', 'B', '1', '_', '-', ' ', '/', 's', 'K', 'é', 'É', 'ÿ', 'µ', 'ß', '\xa0'],
    prefix: '',
    flags: ['', 'g', 'i', 'gi', 'u', 'iu', 'gs', 'giu', 'm', 'd'],
    subjects: 4,
    apply: (regexp, replacement) => {
      const rewriter = new HeaderRewriter('x', regexp, replacement)
      // The value of a header has no space around it, before and after.
      return (subject, expected) => {
        const value = rewriter.rewrite(new Request({ url: '/', headers: [['x', `|${subject}|`]] })).headers.get('x')
        return value === `|${subject}|`.replace(regexp, replacement).replace(/^[\t ]+|[\t ]+$/g, '') ? expected : value
      }
    },
  })
  assert.ok(compared > CASES * 2, `only ${compared} comparisons, ${refused} refused`)
})

for (const [what, Rewriter, letters] of [
  ['paths', PathRewriter, ['a', 'b', 'A', '1', '/', '.', '-', '_', '%', '~', 'x']],
  ['hrefs', HrefRewriter, ['a', 'b', 'A', '1', '/', '.', '-', '_', '%', '~', '=']],
]) {
  test(`${what} are rewritten as String.prototype.replace does`, () => {
    const { compared, refused } = compare({
      letters,
      prefix: '/',
      flags: ['', 'g', 'i', 'gi', 'u', 'iu', 's'],
      subjects: 4,
      apply: (regexp, replacement) => {
        const rewriter = new Rewriter(regexp, replacement)
        return (subject, expected) => {
          if (expected[0] !== '/') {
            // No path: the root where nothing is left, else refused.
            if (expected === '') return rewriter.rewrite(new Request({ url: subject })).url === '/' ? '' : 'not the root'
            assert.throws(() => rewriter.rewrite(new Request({ url: subject })), { code: 'REWRITE_FAILED' })
            return expected
          }
          return rewriter.rewrite(new Request({ url: subject })).url
        }
      },
    })
    assert.ok(compared > CASES * 2, `only ${compared} comparisons, ${refused} refused`)
  })
}
