import './native/supported.js'

export { PythonError } from './native/errors.js'
export { Headers } from './message/headers.js'
export { Request } from './message/request.js'
export { Response } from './message/response.js'
export { PythonHandler } from './handler.js'
export {
  ExistenceCondition,
  GroupCondition,
  HeaderCondition,
  MethodCondition,
  NonExistenceCondition,
  PathCondition
} from './rewriter/conditions.js'
export {
  ConditionalRewriter,
  HeaderRewriter,
  HrefRewriter,
  MethodRewriter,
  PathRewriter,
  SequenceRewriter
} from './rewriter/rewriters.js'
export { Rewriter } from './rewriter/rewriter.js'
