// A body of 4 GiB and a byte, which Node 20 refuses to hold and later ones hold. Wants 10 GiB of memory, so `make test` leaves it out.
//
//   node tests/life/large.mjs     prints one line (`make large`, with each Node)
import { constants } from 'node:buffer'
import { tmpdir } from 'node:os'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PythonHandler } from 'asgi-node'

const SIZE = 2 ** 32 + 1
const docroot = mkdtempSync(join(tmpdir(), 'asgi-node-'))
writeFileSync(
  join(docroot, 'large_app.py'),
  `async def app(scope, receive, send):
    body = bytes(${SIZE}) if scope["path"] == "/large" else b"small"
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": body})
`,
)
const handler = new PythonHandler({ app: 'large_app:app', docroot, lifespan: 'off', blockedThreshold: 0 })
const large = await handler.handleRequest({ url: '/large' }).then(({ body }) => body.length, ({ code }) => code)
const small = String((await handler.handleRequest({ url: '/' })).body)
await handler.close()
rmSync(docroot, { recursive: true })

const expected = constants.MAX_LENGTH < SIZE ? 'RESPONSE_TOO_LARGE' : SIZE
const right = large === expected && small === 'small'
console.log(`node ${process.versions.node}: a body of ${SIZE} bytes: ${large}, and then: ${small}${right ? '' : ` (${expected} was expected)`}`)
if (!right) process.exitCode = 1
