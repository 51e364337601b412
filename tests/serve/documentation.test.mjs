// The line "Documentation on …": known from the application's object, without a request.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryFolder, until } from '../node/support.mjs'
import { request, startServer } from './support.mjs'

/** An application that counts what it is asked. */
const COUNTING = `from fastapi import FastAPI
app = FastAPI()
count = 0
@app.middleware("http")
async def counted(request, call_next):
    global count
    count += 1
    return await call_next(request)
@app.get("/count")
def get_count():
    return count
`

const LITESTAR = 'from litestar import Litestar\napp = Litestar([], path="/base")\n'

const linesOf = (server) => server.stderr.match(/Documentation on .*/g) ?? []

async function serving(t, main, args = []) {
  const server = await startServer(t, args, { app: 'main:app', cwd: temporaryFolder(t, { 'main.py': main }) })
  await until(() => linesOf(server).length > 0, 'the line')
  return { server, url: linesOf(server)[0].replace('Documentation on ', '') }
}

describe('the documentation of the API', () => {
  test('is found without a request to the application', async (t) => {
    const { server } = await serving(t, COUNTING)
    assert.deepEqual([(await request({ port: server.port, path: '/count' })).text], ['1'])
    await until(() => server.stdout.includes('\n'))
    assert.equal(server.stdout.trimEnd().split('\n').length, 1, server.stdout)
  })

  test('has a URL that answers, with --root-path too', async (t) => {
    const { url } = await serving(t, COUNTING, ['--root-path', '/api'])
    const response = await fetch(url)
    assert.equal(response.status, 200)
    assert.match(await response.text(), /swagger/i)
  })

  test("is that of Litestar's own path", async (t) => {
    const { url } = await serving(t, LITESTAR)
    assert.match(url, /\/base\/schema$/)
    assert.equal((await fetch(url)).status, 200)
  })

  test('is said once, however many workers there are', async (t) => {
    const { server } = await serving(t, COUNTING, ['--workers', '2'])
    server.child.kill('SIGHUP')
    await until(() => server.stderr.includes('The new code is serving'), 'the reload', 60_000)
    await sleep(100)
    assert.equal(linesOf(server).length, 1, server.stderr)
  })
})
