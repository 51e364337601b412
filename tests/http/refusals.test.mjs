// Pythons that cannot be used, and how that reads: not there, broken, too old, of the wrong kind, without a library.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { target } from '../../npm/asgi-node/lib/native/platform.js'
import { broken, facts, path, pretender, pythons, refused, saying, script, someVenv } from '../interpreter/interpreters.mjs'

/** A PATH on which a Python is, so that passing over in silence would succeed. */
const usable = join(someVenv, 'bin')

describe('the python option and ASGI_NODE_PYTHON', () => {
  for (const [name, options] of [
    ['python option', (python) => ({ python, env: { PATH: usable } })],
    ['ASGI_NODE_PYTHON', (python) => ({ env: { PATH: usable, ASGI_NODE_PYTHON: python } })],
  ]) {
    test(`${name}: what is wrong is said at once`, async () => {
      await refused(options('/gone/python'), 'PYTHON_NOT_FOUND', `${name}: /gone/python does not exist`)
      await refused(
        options('python3.77'),
        'PYTHON_NOT_FOUND',
        `${name}: the command python3.77 is in no folder of PATH`,
        usable,
      )
      await refused(options(broken('b/python')), 'PYTHON_NOT_FOUND', `${name}: ${path('b/python')}`, 'init_fs_encoding')
      await refused(options(script('b/true')), 'PYTHON_NOT_FOUND', 'does not answer like a Python interpreter')
    })
  }

  test('an interpreter that does not answer', async () => {
    const python = script('slow/python', '/bin/sleep 30')
    const started = performance.now()
    await refused({ python, timeout: 200 }, 'PYTHON_NOT_FOUND', `${python}: it did not answer within 0.2 seconds`)
    assert.ok(performance.now() - started < 5000)
  })

  test('an interpreter that waits for input is given none', async () => {
    const python = script('reads/python', 'read -r line', 'exit 3')
    await refused({ python }, 'PYTHON_NOT_FOUND', 'it ended with exit code 3')
  })
})

describe('unsupported', () => {
  for (const [what, changes, ...texts] of [
    ['PyPy', { implementation: 'pypy', version: '3.11.11' }, 'it is PyPy (Python 3.11.11)'],
    ['free-threaded', { free_threaded: true, version: '3.14.0' }, 'it is a free-threaded build of Python 3.14.0'],
    ['32 bits', { bits: 32 }, 'it is a 32-bit build'],
    ['another C library', { libc: target().endsWith('musl') ? 'glibc 2.36' : 'musl' }, 'one process cannot hold both'],
  ]) {
    test(what, async () => {
      const python = pretender(`unsupported/${what}/python`, changes)
      await refused({ python }, 'PYTHON_UNSUPPORTED', `python option: ${python}: `, ...texts)
    })
  }

  test('too old', async (t) => {
    const old = pythons.filter(({ version }) => version[0] < 3 || version[1] < 11)
    if (old.length === 0) t.diagnostic('no Python older than 3.11 here: only a script that plays one')
    const played = pretender('unsupported/old/python', { version: '3.10.99' })
    for (const { executable, version } of [...old, { executable: played, version: [3, 10, 99] }]) {
      const text = `it is Python ${version.join('.')}, but asgi-node needs CPython 3.11 or newer`
      await refused({ python: executable }, 'PYTHON_UNSUPPORTED', executable, text)
    }
  })

  test('Python 2, which does not know -I', async (t) => {
    const real = join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions/2.7.18/bin/python')
    if (existsSync(real)) return refused({ python: real }, 'PYTHON_UNSUPPORTED', 'it is Python 2.7.18')
    t.diagnostic('no Python 2.7 here: a script that plays it')
    const lines = ['[ "$1" = -I ] && echo "Unknown option: -I" >&2 && exit 2', saying({ ...facts, version: '2.7.18' })]
    return refused({ python: script('two/python', ...lines) }, 'PYTHON_UNSUPPORTED', 'it is Python 2.7.18')
  })
})

describe('without a shared library', () => {
  const without = {
    libpython: null,
    libpython_names: ['libpython3.12.so.1.0'],
    libpython_folders: ['/x/lib', '/y'],
    version: '3.12.4',
  }

  test('names and folders are told, and what is there but wrong', async () => {
    const python = pretender('static/python', {
      ...without,
      base_prefix: '/opt/python',
      libpython_refused: [{ path: '/x/lib/libpython3.12.so.1.0', reason: 'it is Python 3.11' }],
    })
    const message = await refused(
      { python },
      'LIBPYTHON_NOT_FOUND',
      python,
      'Python 3.12.4 has no shared library',
      'libpython3.12.so.1.0',
    )
    assert.match(
      message,
      /looked for libpython3\.12\.so\.1\.0 in \/x\/lib, \/y; \/x\/lib\S+ is there, but it is Python 3\.11/,
    )
    assert.match(message, /--enable-shared/)
  })

  test("the distribution's Python: the package", async (t) => {
    const python = pretender('static/usr', { ...without, base_prefix: '/usr' })
    const message = await refused({ python }, 'LIBPYTHON_NOT_FOUND')
    if (existsSync('/etc/debian_version')) assert.match(message, /apt-get install libpython3\.12$/)
    else t.diagnostic(`not Debian: ${message}`)
  })

  test("pyenv's: how to build it again", async () => {
    const python = pretender('static/pyenv', { ...without, base_prefix: '/home/me/.pyenv/versions/3.12.4' })
    await refused(
      { python },
      'LIBPYTHON_NOT_FOUND',
      'PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force 3.12.4',
    )
  })
})
