// What is said of an application that does not start is said in the words of the command, and not in those of the JavaScript API.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { handlerOptions } from '../../npm/asgi-node/lib/serve/app/handler-options.js'
import { optionsOf } from '../../npm/asgi-node/lib/serve/settings/arguments.js'
import { settingsOf } from '../../npm/asgi-node/lib/serve/settings/settings.js'
import { pythonExecutable, temporaryFolder } from '../node/support.mjs'
import { run } from './support.mjs'

const FILES = {
  'main.py': 'async def app(scope, receive, send):\n    raise RuntimeError("no lifespan")\n',
  'factory.py': 'def app():\n    return None\n',
  'two.py': 'def app(one, two):\n    return None\n',
  'web.py': 'def app(environ, start_response):\n    return []\n',
  'odd.py': 'def app(one, two, three, four):\n    return None\n',
  'outer.py': 'import neighbour\n',
  'src/neighbour.py': '',
  'src/deep.py': 'async def app(scope, receive, send): ...\n',
  'empty/bin/.keep': '',
  'bin/python': '#!/bin/sh\nexit 1\n',
}

/** Names of the JavaScript API. */
const THEIRS = /docroot|\boptions?\b|`factory|`interface|`python`|`venv`|[a-z]Timeout|workers: 1|maxConcurrency|loop 'uvloop'|loop 'auto'/

/** A folder with all of them. */
const folderOf = (t) => {
  const folder = temporaryFolder(t)
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(join(folder, dirname(name)), { recursive: true })
    writeFileSync(join(folder, name), text, { mode: 0o755 })
  }
  return folder
}

describe('the words of the command', () => {
  for (const [args, code, wanted, env] of [
    [['factory:app'], 3, /say --factory/],
    [['main:app', '--factory'], 3, /leave out --factory/],
    [['web:nothing'], 3, /no attribute 'nothing'/],
    [['two:app'], 3, /say --interface wsgi/],
    [['odd:app'], 3, /cannot be called with \(scope, receive, send\)/],
    [['web:app', '--interface', 'asgi3'], 3, /but there is --interface asgi3: leave it out, or say --interface wsgi/],
    [['main:app', '--interface', 'wsgi'], 3, /but there is --interface wsgi: leave it out/],
    [['main:app', '--lifespan', 'on'], 3, /\(--lifespan on\)/],
    [['maim:app'], 3, /Looked in the folder /],
    [['deep:app'], 3, /say --app-dir /],
    [['src/deep:app'], 3, /say --app-dir 'src'|--app-dir /],
    [['outer:app'], 3, /say --app-dir /],
    [['main:app', '--python', 'no-such-python'], 1, /--python: .*Give --python the path/],
    [['main:app', '--venv', 'empty'], 1, /--venv: .*Give --venv the folder/],
    [['main:app'], 1, /with --python or ASGI_NODE_PYTHON/, { PATH: 'empty', ASGI_NODE_PYTHON: undefined, VIRTUAL_ENV: undefined, CONDA_PREFIX: undefined }],
    [['main:app'], 1, /give --python or --venv/, { ASGI_NODE_PYTHON: undefined, VIRTUAL_ENV: 'bin' }],
  ]) {
    test(args.join(' ') + (env ? ` with ${Object.keys(env)[0]}` : ''), async (t) => {
      const outcome = await run(t, [...args, '--port', '0'], { cwd: folderOf(t), env: { ASGI_NODE_PYTHON: pythonExecutable(), ...env } })
      assert.match(outcome.stderr, wanted)
      assert.doesNotMatch(outcome.stderr, THEIRS)
      assert.equal(outcome.code, code, outcome.stderr)
    })
  }
})

test('an application may take its time to start, as on uvicorn; ten minutes where a newer version may wait', async () => {
  for (const [args, milliseconds] of [[['main:app'], 0], [['main:app', '--reload'], 600_000]]) {
    const settings = await settingsOf(optionsOf(args))
    assert.equal(handlerOptions(settings, { app: 'main:app', folder: '.' }, console, null, null).startupTimeout, milliseconds)
  }
})

test('a little is not made nothing', async () => {
  const settings = await settingsOf(optionsOf(['main:app', '--ws-ping-interval', '0.0001', '--ws-ping-timeout', '0']))
  const { pingInterval, pingTimeout } = handlerOptions(settings, { app: 'main:app', folder: '.' }, console, null, null).websocket
  assert.deepEqual([pingInterval, pingTimeout], [1, 0])
})
