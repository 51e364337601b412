// Imported first by index.js, for what it does: it throws where asgi-node cannot be used.

import { PythonError } from './errors.js'
import { unsupported } from './platform.js'

const reason = unsupported()
if (reason !== null) throw new PythonError('UNSUPPORTED_PLATFORM', reason)
