// `python -m asgi_node serve`, and the application that is found without being named.
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { apps, pythonExecutable, repository, run as runProgram, temporaryFolder, until } from '../node/support.mjs'
import { request, run, start, startServer } from './support.mjs'

/** A folder with files, those of sub-folders too. */
function folderWith(t, files) {
  const folder = temporaryFolder(t)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

describe('python -m asgi_node serve', () => {
  const python = (args, options) => runProgram(pythonExecutable(), ['-m', 'asgi_node', 'serve', ...args], options)
  const env = { PYTHONPATH: join(repository, 'python'), ASGI_NODE_PYTHON: undefined }

  test('is the command, with this Python, and signals reach it', async (t) => {
    const server = await startServer(t, ['--app-dir', apps], { cwd: repository, env, program: [pythonExecutable(), '-m', 'asgi_node', 'serve'] })
    const { pid, prefix } = await server.facts()
    assert.equal(pid, server.pid)
    assert.equal(prefix, pythonExecutable().replace(/\/bin\/[^/]+$/, ''))
    server.child.kill('SIGTERM')
    assert.deepEqual(await server.exited, { code: 0, signal: null })
  })

  test('says how to get what is missing', async (t) => {
    const folder = temporaryFolder(t)
    const without = await python(['main:app'], { cwd: folder, env })
    assert.deepEqual([without.code, without.stderr], [1, `python -m asgi_node: the npm package asgi-node is not installed in ${folder}, nor above it: npm install asgi-node\n`])
    const nodeless = await python(['main:app'], { env: { ...env, PATH: folder } })
    assert.deepEqual([nodeless.code, nodeless.stderr], [1, 'python -m asgi_node: Node.js is not on PATH, and applications are served by it: install Node.js 20.19 or later\n'])
    const wrong = await python(['main:app', '--port', 'x'], { env })
    assert.deepEqual([wrong.code, wrong.stderr], [2, 'asgi-node: --port must be a port from 0 to 65535, not "x"\n'])
  })
})

describe('without an application, it is found as "fastapi dev" finds it', () => {
  const APP = 'from fastapi import FastAPI\n'
  const HELLO = 'async def app(scope, receive, send):\n    pass\n'
  for (const [what, files, args, found] of [
    ['main.py and app', { 'main.py': `${APP}other = 1\napp = FastAPI()\n` }, [], 'main:app: FastAPI in main.py'],
    ['api.py and api', { 'api.py': `${APP}api = FastAPI()\n` }, [], 'api:api: FastAPI in api.py'],
    ['a folder app that is a package', { 'app/__init__.py': '', 'app/main.py': `from .parts import app\n`, 'app/parts.py': HELLO }, [], 'app.main:app: in app/main.py'],
    ['the only application, whatever its name', { 'app.py': `import fastapi\nconfig = dict()\nshop: fastapi.FastAPI = fastapi.FastAPI()\n` }, [], 'app:shop: FastAPI in app.py'],
    ['[tool.fastapi]', { 'pyproject.toml': '[tool.fastapi]\nentrypoint = "shop.web:app"\n', 'shop/web.py': HELLO }, [], 'shop.web:app: [tool.fastapi] of pyproject.toml'],
    ['a file that is named', { 'src/server.py': HELLO }, ['src/server.py'], 'server:app: in src/server.py'],
    ['a module that is named', { 'server.py': HELLO }, ['server'], 'server:app: in server.py'],
    ['--app-dir', { 'src/main.py': HELLO }, ['--app-dir', 'src'], 'main:app: in src/main.py'],
  ]) {
    test(what, async (t) => {
      const running = start(t, [...args, '--port', '0', '--lifespan', 'off'], { cwd: folderWith(t, files) })
      await until(() => running.stderr.includes(' serves ') || running.child.exitCode !== null, 'the server')
      assert.equal(running.stderr.split('\n')[0], `INFO:     Found ${found}`, running.stderr)
      if (what === 'main.py and app') {
        await until(() => running.stderr.includes('INFO:     Documentation on http://127.0.0.1:'), `the documentation: ${running.stderr}`)
        const [, url] = /Documentation on (\S+)/.exec(running.stderr)
        assert.match(await (await fetch(url)).text(), /swagger/i)
      }
      running.child.kill('SIGTERM')
      assert.equal((await running.exited).code, 0)
    })
  }

  test('Django, by manage.py', async (t) => {
    const project = folderWith(t, {
      'manage.py': "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_of.settings')\n",
      'site_of/__init__.py': '',
      'site_of/settings.py': "SECRET_KEY = 'x'\nROOT_URLCONF = 'site_of.urls'\nALLOWED_HOSTS = ['*']\n",
      'site_of/urls.py': "from django.http import HttpResponse\nfrom django.urls import path\nurlpatterns = [path('', lambda request: HttpResponse('django'))]\n",
      'site_of/asgi.py': "import os\nfrom django.core.asgi import get_asgi_application\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_of.settings')\napplication = get_asgi_application()\n",
    })
    const running = start(t, ['--port', '0'], { cwd: project })
    const [, port] = await until(() => / on http:\/\/127\.0\.0\.1:(\d+) /.exec(running.stderr) ?? running.child.exitCode !== null, 'the server')
    assert.equal(running.stderr.split('\n')[0], 'INFO:     Found site_of.asgi:application: Django by manage.py')
    assert.equal((await request({ port, path: '/' })).text, 'django')
  })

  test('where there is none, or more than one, that is one line', async (t) => {
    const none = folderWith(t, { 'main.py': 'import os\n' })
    const more = folderWith(t, { 'main.py': `${APP}one = FastAPI()\ntwo = FastAPI()\n` })
    const broken = folderWith(t, { 'main.py': 'def (:\n' })
    for (const [folder, args, code, message] of [
      [none, [], 2, `No application was found in ${none}: name it, for example asgi-node main:app (looked in main.py, app.py, api.py, app/main.py, app/app.py, app/api.py and manage.py)`],
      [none, ['main.py'], 2, 'No application was found in main.py: name it, for example main:app'],
      [none, ['other.py'], 2, 'The file other.py does not exist'],
      [none, ['docter'], 2, '"docter" is not module:attribute (such as main:app), a file, or a command (serve, dev, doctor)'],
      [more, [], 2, 'main.py has more than one application (one, two): name one, for example main:one'],
      [broken, [], 3, 'main.py cannot be read: SyntaxError: invalid syntax, line 1'],
    ]) {
      const outcome = await run(t, args, { cwd: folder })
      assert.deepEqual([outcome.code, outcome.stderr], [code, `asgi-node: ${message}\n`])
    }
  })

  test('the package that a project has installed is the one that runs', async (t) => {
    const folder = folderWith(t, { 'main.py': HELLO, 'node_modules/.keep': '' })
    symlinkSync(join(repository, 'npm', 'asgi-node'), join(folder, 'node_modules', 'asgi-node'))
    const { code, stdout } = await runProgram(process.execPath, [join(folder, 'node_modules', 'asgi-node', 'bin', 'asgi-node.js'), '--version'], { cwd: folder })
    assert.equal(code, 0)
    assert.match(stdout, /^asgi-node \d/)
  })
})
