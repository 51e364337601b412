// Destructors of native libraries at the end of the process, which take Python's GIL as those of pybind11 and torch do.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { runNode, temporaryFolder } from '../node/support.mjs'

const DESTRUCTOR = `
typedef int State;
extern int Py_IsInitialized(void);
extern State PyGILState_Ensure(void);
extern void PyGILState_Release(State);
extern long write(int, const void *, unsigned long);
__attribute__((destructor)) static void bye(void) {
  if (!Py_IsInitialized()) return;
  PyGILState_Release(PyGILState_Ensure());
  write(1, "bye\\n", 4);
}
`
// It waits for a thread that waits for the GIL, which is worse than what any interpreter survives.
const JOINING = `
#include <pthread.h>
extern int PyGILState_Ensure(void);
static void *take(void *nothing) { PyGILState_Ensure(); return nothing; }
__attribute__((destructor)) static void bye(void) {
  pthread_t thread;
  pthread_create(&thread, 0, take, 0);
  pthread_join(thread, 0);
}
`
const LIBRARIES = 20

const app = (folder) => `
import asyncio, ctypes, glob, threading

def compute():
    while True:
        pass

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/busy":
        for _ in range(2):
            threading.Thread(target=compute, daemon=True).start()
    for library in glob.glob(${JSON.stringify(join(folder, 'bye*.so'))}) if scope["path"] != "/joining" else [${JSON.stringify(join(folder, 'joining.so'))}]:
        ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"loaded"})
`

describe('destructors that take the GIL', { timeout: 600_000 }, () => {
  const folder = temporaryFolder({ after }, { 'bye.c': DESTRUCTOR, 'joining.c': JOINING })
  before(() => {
    const compile = (name, source) =>
      execFileSync('cc', ['-shared', '-fPIC', '-o', join(folder, name), join(folder, source), '-lpthread'])
    compile('joining.so', 'joining.c')
    for (let number = 0; number < LIBRARIES; number += 1) compile(`bye${number}.so`, 'bye.c')
  })

  /** A process that loads the libraries, and what it says of how it ended. */
  async function end(t, source, { path = '/', loop = 'asyncio' } = {}) {
    const docroot = temporaryFolder(t, { 'destructor_app.py': app(folder) })
    return runNode(
      `const handler = new PythonHandler({ app: 'destructor_app:app', docroot: ${JSON.stringify(docroot)}, loop: '${loop}', blockedThreshold: 0 })
      await handler.handleRequest({ url: '${path}' })
      ${source}`,
      { timeout: 60_000 },
    )
  }

  const byes = (stdout) => stdout.split('\n').filter((line) => line === 'bye').length
  const fine = (outcome, code) => {
    assert.deepEqual([outcome.code, outcome.signal, byes(outcome.stdout)], [code, null, LIBRARIES], outcome.stderr)
  }

  // While a handler is open Python has 90 ms: on a machine that does other things that may be too little, and then no destructor runs.
  const fineInTime = (outcome, code) => {
    assert.deepEqual([outcome.code, outcome.signal], [code, null], outcome.stderr)
    assert.ok([0, LIBRARIES].includes(byes(outcome.stdout)), outcome.stdout)
  }

  for (const loop of ['asyncio', 'uvloop']) {
    test(`field_1: after close(), ${loop}`, async (t) => fine(await end(t, 'await handler.close()', { loop }), 0))

    test(`field_1: process.exit(5), ${loop}`, async (t) => fineInTime(await end(t, 'process.exit(5)', { loop }), 5))
  }

  test('field_1: with threads that compute, in order', async (t) =>
    fine(await end(t, 'await handler.close(); process.exit(6)', { path: '/busy' }), 6))

  test('field_1: with threads that compute, out of order', async (t) => fineInTime(await end(t, 'process.exit(7)', { path: '/busy' }), 7))

  test('field_1: without JavaScript', async (t) => fineInTime(await end(t, 'process.reallyExit(8)'), 8))

  test('field_1: an uncaught exception', async (t) => fineInTime(await end(t, `throw new Error('uncaught')`), 1))

  test('field_1: a destructor that waits for a thread which waits for the GIL does not keep the process', async (t) => {
    const { code, signal, milliseconds } = await end(t, 'await handler.close(); process.exit(9)', { path: '/joining' })
    assert.deepEqual([code, signal], [9, null])
    assert.ok(milliseconds > 4_900 && milliseconds < 50_000, `${milliseconds} ms`)
  })
})
