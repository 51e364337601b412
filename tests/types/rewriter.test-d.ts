// The types of request rewriting as users meet them. Compiled, never run.
import {
  ConditionalRewriter,
  ExistenceCondition,
  GroupCondition,
  HeaderCondition,
  HeaderRewriter,
  HrefRewriter,
  MethodCondition,
  MethodRewriter,
  NonExistenceCondition,
  PathCondition,
  PathRewriter,
  PythonHandler,
  Request,
  Rewriter,
  SequenceRewriter,
} from 'asgi-node'
import type { AnyCondition, AnyRewriter, Pattern, RewriteRule } from 'asgi-node'
import type { Condition as RealCondition } from '../../npm/asgi-node/lib/rewriter/conditions.js'
import type { AnyRewriter as RealAny } from '../../npm/asgi-node/lib/rewriter/rewriters.js'
import type { Rewriter as RealRewriter } from '../../npm/asgi-node/lib/rewriter/rewriter.js'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never
function is<A, B>(_same: Same<A, B>): void {}

type Named<T> = Extract<keyof T, string>
is<Named<PathCondition>, Named<RealCondition>>(true)
is<Named<PathRewriter>, Named<RealAny>>(true)
is<Named<Rewriter>, Named<RealRewriter>>(true)

const patterns: Pattern[] = ['a', /a/i, { pattern: 'a' }, { pattern: 'a', flags: 'g' }]
const conditions: AnyCondition[] = [
  new PathCondition('a'), new HeaderCondition('a', /b/), new MethodCondition({ pattern: 'a' }), new ExistenceCondition(), new NonExistenceCondition(),
  new GroupCondition('or', [new PathCondition('a')]), new PathCondition('a').and(new PathCondition('b')).or(new ExistenceCondition()),
]
const path = new PathRewriter('a', 'b')
const rewriters: AnyRewriter[] = [
  path, new HrefRewriter(/a/, 'b'), new HeaderRewriter('a', 'b', 'c', { from: 'd' }), new MethodRewriter('PUT'), new Rewriter([]),
  new SequenceRewriter([path]), new ConditionalRewriter(path, new PathCondition('a')),
]
is<ReturnType<typeof path.when>, ConditionalRewriter>(true)
is<ReturnType<typeof path.rewrite>, Request>(true)
const sequence: SequenceRewriter = path.then(path).then(new MethodRewriter('PUT').when(new PathCondition('a')))
const matched: boolean = conditions[0]!.matches(new Request({ url: '/' }), '/docroot')

// What was awaited, or returned from an async function, is a rewriter.
async function make() {
  return new PathRewriter('a', 'b').when(new PathCondition('a'))
}
export async function awaited() {
  const rewriter = await path
  is<ReturnType<typeof rewriter.rewrite>, Request>(true)
  const [same, other] = await Promise.all([path, sequence])
  is<ReturnType<typeof other.when>, ConditionalRewriter>(true)
  same.when(new PathCondition('a')).then(rewriter).then(await make())
  new PythonHandler({ app: 'main:app', rewriter: await make() })
}

const rules: RewriteRule[] = [
  { rewriters: [{ type: 'path', args: ['a', 'b'] }] },
  {
    operation: 'or',
    conditions: [{ type: 'header', args: ['a', /b/] }, { type: 'exists' }, { type: 'not_exists', args: [] }],
    rewriters: [{ type: 'header', args: ['a', 'b', 'c', { from: 'd' }] }, { type: 'method', args: ['PUT'] }],
  },
]
new PythonHandler({ app: 'main:app', rewriter: rules })
new PythonHandler({ app: 'main:app', rewriter: new Rewriter(rules).toJSON() })
new PythonHandler({ app: 'main:app', rewriter: sequence })
export const refused = [
  // @ts-expect-error a condition is not a rewriter
  () => new PythonHandler({ app: 'main:app', rewriter: new PathCondition('a') }),
  // @ts-expect-error a replacement is needed
  () => new PathRewriter('a'),
  // @ts-expect-error no pattern
  () => new PathCondition(7),
  // @ts-expect-error no rewriter
  () => path.then('a'),
  // @ts-expect-error no condition
  () => path.when(path),
  // @ts-expect-error no such operation
  () => new GroupCondition('xor', []),
  // @ts-expect-error too few arguments
  () => new Rewriter([{ rewriters: [{ type: 'path', args: ['a'] }] }]),
  // @ts-expect-error no such type
  () => new Rewriter([{ rewriters: [{ type: 'exists', args: [] }] }]),
]
export { matched, patterns, rewriters }
