// What the option `workers` refuses.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PythonHandler } from 'asgi-node'

const refused = (workers, message) => assert.throws(() => new PythonHandler({ app: 'main:app', workers }), { name: 'TypeError', message })

test('workers is a number, or an object that says more', () => {
  refused(-1, 'Option workers must be a whole number of processes from 1 to 1024, not -1')
  refused(1.5, /not 1\.5/)
  refused('4', /not "4"/)
  refused(2000, /from 1 to 1024/)
  refused(null, /not null/)
  refused({ count: 0 }, /Option workers\.count must be/)
  refused({ counts: 2 }, /Unknown option "workers\.counts"\. Did you mean "workers\.count"\?/)
  refused({ maxRequests: -1 }, /Option workers\.maxRequests must be/)
  refused({ maxAge: 2 ** 31 }, /Option workers\.maxAge must be/)
  refused({ resourceLimits: { memory: 'much' } }, /Option workers\.resourceLimits\.memory must be a whole number of bytes/)
  refused({ resourceLimits: { cpu: 1 } }, /^Unknown option "workers\.resourceLimits\.cpu": workers\.resourceLimits has memory$/)
})
