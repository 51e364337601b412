import './native/supported.js'

export { PythonError } from './native/errors.js'
export { Headers } from './message/headers.js'
export { Request } from './message/request.js'
export { Response } from './message/response.js'
export { PythonHandler } from './handler.js'
