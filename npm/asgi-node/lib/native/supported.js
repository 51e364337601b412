// index.js imports this file first. It throws if asgi-node cannot be used here.

import { PythonError } from './errors.js'
import { unsupported } from './platform.js'

const reason = unsupported()
if (reason !== null) throw new PythonError('UNSUPPORTED_PLATFORM', reason)
