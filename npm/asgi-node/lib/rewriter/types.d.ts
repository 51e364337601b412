/** Request rewriting, a part of index.d.ts: see docs/rewriting.md. */
import type { Request } from '../index.js'

// Said apart, so that what does not say `export` is none (the base classes below).
export type { Pattern }

/**
 * A regular expression of ECMAScript: a RegExp, its source, or both parts of it. A string has no flags and is not anchored: `'^/api/'`.
 *
 * It is matched in linear time, whatever a client sends. So look-ahead, look-behind and back-references are refused, by a
 * TypeError, and so are the flags `v` and `y`. What else is refused, and what a pattern sees, is in docs/rewriting.md.
 */
type Pattern = string | RegExp | { readonly pattern: string; readonly flags?: string }

/** What all conditions have. */
export interface AnyCondition {
  /**
   * Whether a request has it. `docroot` is where {@link ExistenceCondition} looks: default `request.docroot`, else the current folder.
   * Throws a TypeError for what is no {@link Request}.
   */
  matches(request: Request, docroot?: string | null): boolean
  /** True where both are. */
  and(other: AnyCondition): GroupCondition
  /** True where one of them is. */
  or(other: AnyCondition): GroupCondition
}

declare abstract class Condition implements AnyCondition {
  matches(request: Request, docroot?: string | null): boolean
  and(other: AnyCondition): GroupCondition
  or(other: AnyCondition): GroupCondition
}

/**
 * The path, as it is sent: percent-encoded, without the query.
 *
 * ```js
 * const condition = new PathCondition(/^\/api\//i)
 * condition.matches(new Request({ url: '/API/items?q=1' })) // true
 * ```
 */
export class PathCondition extends Condition {
  constructor(pattern: Pattern)
}

/**
 * One of the values of a header.
 *
 * ```js
 * const isMobile = new HeaderCondition('user-agent', 'Mobile')
 * ```
 */
export class HeaderCondition extends Condition {
  constructor(name: string, pattern: Pattern)
}

/**
 * The method.
 *
 * ```js
 * const reads = new MethodCondition('^(GET|HEAD)$')
 * ```
 */
export class MethodCondition extends Condition {
  constructor(pattern: Pattern)
}

/**
 * There is a file or a folder below the docroot that the path names, percent-decoded once. What is outside of the docroot is not there,
 * whatever dots or symbolic links lead to it. In a handler, the docroot is the handler's.
 *
 * ```js
 * const isFile = new ExistenceCondition().and(new PathCondition(/\.\w+$/))
 * ```
 */
export class ExistenceCondition extends Condition {
  constructor()
}

/**
 * There is none.
 *
 * ```js
 * const toApp = new PathRewriter('^.*$', '/index.html').when(new NonExistenceCondition())
 * ```
 */
export class NonExistenceCondition extends Condition {
  constructor()
}

/**
 * All of some conditions, or one of them: what `and` and `or` make.
 *
 * ```js
 * const condition = new PathCondition('^/admin').and(new MethodCondition('^POST$').or(new MethodCondition('^PUT$')))
 * ```
 */
export class GroupCondition extends Condition {
  constructor(operation: 'and' | 'or', conditions: readonly AnyCondition[])
}

/** What all rewriters have. `await` gives a rewriter as it is, but its type has no `then`, and this one has none either. */
export interface AnyRewriter {
  /**
   * A new request; the given one stays as it is. Both send the same body: where it is a stream, whichever goes first takes it.
   * `docroot` is as in {@link AnyCondition.matches}. Throws a TypeError for what is no {@link Request}, and a PythonError
   * REWRITE_FAILED, which names the rule, where no request could be that comes of it.
   */
  rewrite(request: Request, docroot?: string | null): Request
  /** This one, for requests for which the condition holds. */
  when(condition: AnyCondition): ConditionalRewriter
}

/** The type of `this` for which `then` makes a sequence. TypeScript does not take it for a promise's. */
export interface Chainable extends AnyRewriter {
  readonly isPromise?: never
}

declare abstract class Chain implements AnyRewriter {
  rewrite(request: Request, docroot?: string | null): Request
  when(condition: AnyCondition): ConditionalRewriter
  /** This one, then the next, which sees what this one has made. */
  // oxlint-disable-next-line unicorn/no-thenable -- `await` gives the rewriter
  then(this: Chainable, next: AnyRewriter): SequenceRewriter
  /** For `await` and async functions, which give the rewriter itself. */
  // oxlint-disable-next-line unicorn/no-thenable -- `await` gives the rewriter
  then<T>(fulfilled: (rewriter: Omit<this, 'then'>) => T, rejected?: unknown): Promise<T>
}

/**
 * Replaces what the pattern matches in the path, which is percent-encoded and without the query. The replacement is as in
 * `String.prototype.replace`: `$1`, `$<name>`, `$&`, `$$`. A `?` in it begins the query, in place of the one that was there; where
 * the replacement ends in `&`, that one follows. An empty path is the root.
 *
 * ```js
 * new PathRewriter('^/api', '').rewrite(new Request({ url: '/api/items?q=1' })).url // '/items?q=1'
 * new PathRewriter(/^\/user\/(?<id>\d+)$/, '/users?id=$<id>&') // '/user/7?full=1' becomes '/users?id=7&full=1'
 * ```
 */
export class PathRewriter extends Chain {
  constructor(pattern: Pattern, replacement: string)
}

/**
 * The same for the path and the query as one text, `/path?query`.
 *
 * ```js
 * new HrefRewriter('^/search\\?q=([^&]*).*$', '/find/$1') // '/search?q=tea&page=2' becomes '/find/tea'
 * ```
 */
export class HrefRewriter extends Chain {
  constructor(pattern: Pattern, replacement: string)
}

/**
 * Rewrites each value of a header that the pattern matches; the others, and their order, stay. With `from`, the header gets, in place of
 * all its values, what comes of the first value of another header that matches.
 *
 * `content-length` and `transfer-encoding` cannot be rewritten.
 *
 * ```js
 * new HeaderRewriter('accept-language', '^.*$', 'en')
 * new HeaderRewriter('x-tenant', /^([a-z\d-]+)\.example\.com.*$/i, '$1', { from: 'host' })
 * ```
 */
export class HeaderRewriter extends Chain {
  constructor(name: string, pattern: Pattern, replacement: string, options?: { readonly from?: string })
}

/**
 * Puts another method in place of any. A WebSocket keeps its GET. HEAD is refused, because its response has no body; a client that has
 * sent HEAD gets none, whatever the app sees.
 *
 * ```js
 * new MethodRewriter('DELETE').when(new HeaderCondition('x-http-method-override', /^delete$/i))
 * ```
 */
export class MethodRewriter extends Chain {
  constructor(method: string)
}

/**
 * Rewriters one after the other: what `then` makes.
 *
 * ```js
 * const both = new PathRewriter('^/api', '').then(new PathRewriter('/$', ''))
 * ```
 */
export class SequenceRewriter extends Chain {
  constructor(rewriters: readonly AnyRewriter[])
}

/**
 * A rewriter for some requests: what `when` makes.
 *
 * ```js
 * const rewriter = new PathRewriter('^/', '/v2/').when(new HeaderCondition('x-version', '^2$'))
 * ```
 */
export class ConditionalRewriter extends Chain {
  constructor(rewriter: AnyRewriter, condition: AnyCondition)
}

/** A condition of a {@link RewriteRule}: the arguments are those of its class. */
export type ConditionConfig =
  | { readonly type: 'path' | 'method'; readonly args: readonly [pattern: Pattern] }
  | { readonly type: 'header'; readonly args: readonly [name: string, pattern: Pattern] }
  | { readonly type: 'exists' | 'not_exists'; readonly args?: readonly [] }

/** A rewriter of a {@link RewriteRule}: the arguments are those of its class. */
export type RewriterConfig =
  | { readonly type: 'path' | 'href'; readonly args: readonly [pattern: Pattern, replacement: string] }
  | {
      readonly type: 'header'
      readonly args: readonly [name: string, pattern: Pattern, replacement: string, options?: { readonly from?: string }]
    }
  | { readonly type: 'method'; readonly args: readonly [method: string] }

/** Rewriters that run, in their order, where the conditions hold. */
export interface RewriteRule {
  /** Whether all conditions have to hold, or one of them. Default 'and'. */
  readonly operation?: 'and' | 'or'
  /** Default: the rule is for every request. */
  readonly conditions?: readonly ConditionConfig[]
  readonly rewriters: readonly RewriterConfig[]
}

/**
 * Rules that are written down, run in sequence. A wrong shape is a TypeError with the path to the mistake, such as
 * `rules[2].rewriters[0].args`. A RegExp in JSON is `{ "pattern": "^/a", "flags": "i" }`.
 *
 * ```js
 * const rewriter = new Rewriter([
 *   { rewriters: [{ type: 'path', args: ['^/api', ''] }] },
 *   { conditions: [{ type: 'not_exists' }], rewriters: [{ type: 'path', args: ['^.*$', '/index.html'] }] }
 * ])
 * ```
 */
export class Rewriter extends Chain {
  constructor(rules: readonly RewriteRule[])
  /** What it was made from, with `{ pattern, flags }` for each RegExp: `new Rewriter(JSON.parse(text))` makes the same one. */
  toJSON(): RewriteRule[]
}
