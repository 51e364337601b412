// Which Python is chosen: each source, their order, virtual environments of every make, and PATH.
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { choose, chooseSync } from '../../npm/asgi-node/lib/python/discovery.js'
import { PythonError } from '../../npm/asgi-node/lib/native/errors.js'
import {
  base,
  broken,
  chosen,
  facts,
  folder,
  makeVenv,
  path,
  pretender,
  pythons,
  refused,
  saying,
  script,
  someVenv,
} from './interpreters.mjs'

describe('each source', () => {
  test('the python option: a path', async () => {
    const choice = await chosen({ python: join(someVenv, 'bin/python') })
    assert.deepEqual(choice, {
      executable: join(someVenv, 'bin/python'),
      prefix: someVenv,
      basePrefix: base.base,
      venv: someVenv,
      version: base.version.join('.'),
      implementation: 'cpython',
      libpython: facts.libpython,
      soabi: facts.soabi,
      platform: facts.platform,
      freeThreaded: false,
      debug: false,
      uvloop: null,
      source: 'python option',
      tried: [],
    })
    assert.ok(existsSync(choice.libpython))
  })

  test('the python option: not in a virtual environment', async () => {
    const choice = await chosen({ python: base.executable })
    assert.equal(choice.venv, null)
    assert.equal(choice.prefix, choice.basePrefix)
  })

  test('the python option: a command, a folder', async () => {
    symlinkSync(base.executable, join(folder('commands'), 'python3.99'))
    const command = await chosen({ python: 'python3.99', env: { PATH: `/nowhere:${path('commands')}` } })
    assert.equal(command.version, base.version.join('.'))
    const environment = await chosen({ python: someVenv })
    assert.equal(environment.executable, join(someVenv, 'bin/python'))
    assert.equal(environment.source, 'python option')
  })

  test('the venv option', async () => {
    const choice = await chosen({ venv: someVenv })
    assert.equal(choice.executable, join(someVenv, 'bin/python'))
    assert.equal(choice.source, 'venv option')
  })

  for (const source of ['ASGI_NODE_PYTHON', 'VIRTUAL_ENV', 'CONDA_PREFIX']) {
    test(source, async () => {
      const choice = await chosen({ env: { [source]: someVenv } })
      assert.equal(choice.executable, join(someVenv, 'bin/python'))
      assert.equal(choice.source, source)
    })
  }

  for (const name of ['.venv', 'venv']) {
    test(`${name} beside the app and above it`, async () => {
      const venv = makeVenv(join(`project${name}`, name))
      for (const appDir of [dirname(venv), folder(join(`project${name}`, 'src/app'))]) {
        const choice = await chosen({ appDir })
        assert.equal(choice.executable, join(venv, 'bin/python'))
        assert.equal(choice.source, name)
      }
    })
  }

  test('python3 on PATH, then python', async () => {
    const only = folder('path-python')
    symlinkSync(base.executable, join(only, 'python'))
    assert.equal((await chosen({ env: { PATH: only } })).source, 'PATH')
    const both = join(someVenv, 'bin')
    assert.equal((await chosen({ env: { PATH: `${only}:${both}` } })).executable, join(both, 'python3'))
  })
})

test('the sources come in their order', async () => {
  const project = folder('order')
  const [option, venv, variable, virtual, conda] = ['o', 'v', 'a', 'e', 'c'].map((name) =>
    makeVenv(join('order-envs', name)),
  )
  const [dot, plain] = [makeVenv('order/.venv'), makeVenv('order/venv')]
  const wishes = {
    python: join(option, 'bin/python'),
    venv,
    appDir: project,
    env: { ASGI_NODE_PYTHON: variable, VIRTUAL_ENV: virtual, CONDA_PREFIX: conda, PATH: join(someVenv, 'bin') },
  }
  const expected = [
    ['python option', option, () => delete wishes.python],
    ['venv option', venv, () => delete wishes.venv],
    ['ASGI_NODE_PYTHON', variable, () => (wishes.env.ASGI_NODE_PYTHON = '')],
    ['VIRTUAL_ENV', virtual, () => delete wishes.env.VIRTUAL_ENV],
    ['CONDA_PREFIX', conda, () => delete wishes.env.CONDA_PREFIX],
    ['.venv', dot, () => rmSync(dot, { recursive: true })],
    ['venv', plain, () => rmSync(plain, { recursive: true })],
    ['PATH', someVenv, () => {}],
  ]
  for (const [source, prefix, takeAway] of expected) {
    const choice = await chosen(wishes)
    assert.deepEqual([choice.source, choice.prefix], [source, prefix])
    takeAway()
  }
})

describe('virtual environments', () => {
  test('as uv makes them: no version key, no bin/python3.x', async () => {
    const venv = folder('uv/.venv')
    const home = dirname(realpathSync(base.executable))
    mkdirSync(join(venv, 'bin'))
    mkdirSync(join(venv, 'lib', `python${base.version.slice(0, 2).join('.')}`, 'site-packages'), { recursive: true })
    symlinkSync(base.executable, join(venv, 'bin/python'))
    writeFileSync(
      join(venv, 'pyvenv.cfg'),
      `home = ${home}\nimplementation = CPython\nuv = 0.9.0\ninclude-system-site-packages = false\n`,
    )
    const choice = await chosen({ appDir: path('uv') })
    assert.equal(choice.executable, join(venv, 'bin/python'))
    assert.equal(choice.venv, venv)
    assert.equal(choice.libpython, facts.libpython)
  })

  test('the version of uvloop, without an import', async () => {
    const venv = makeVenv('with-uvloop')
    const site = join(venv, 'lib', `python${base.version.slice(0, 2).join('.')}`, 'site-packages')
    mkdirSync(join(site, 'uvloop'))
    mkdirSync(join(site, 'uvloop-9.8.7.dist-info'))
    writeFileSync(join(site, 'uvloop/__init__.py'), 'raise SystemExit("imported")\n')
    writeFileSync(
      join(site, 'uvloop-9.8.7.dist-info/METADATA'),
      'Metadata-Version: 2.1\nName: uvloop\nVersion: 9.8.7\n',
    )
    assert.equal((await chosen({ venv })).uvloop, '9.8.7')
  })

  test('what a .pth file prints does not disturb', async () => {
    const venv = makeVenv('noisy')
    const site = join(venv, 'lib', `python${base.version.slice(0, 2).join('.')}`, 'site-packages')
    writeFileSync(join(site, 'noise.pth'), 'import sys; print("{noise}")\n')
    assert.equal((await chosen({ venv })).venv, venv)
  })

  test('a folder that is only called venv is passed over', async () => {
    makeVenv('named/.venv')
    mkdirSync(path('named/src/venv/lib'), { recursive: true })
    assert.equal((await chosen({ appDir: path('named/src') })).venv, path('named/.venv'))
  })

  for (const [name, options, help] of [
    ['venv option', (venv) => ({ venv }), 'Give `venv` the folder'],
    ['VIRTUAL_ENV', (venv) => ({ env: { VIRTUAL_ENV: venv } }), 'unset VIRTUAL_ENV'],
    ['CONDA_PREFIX', (venv) => ({ env: { CONDA_PREFIX: venv } }), 'unset CONDA_PREFIX'],
    ['.venv', (venv) => ({ appDir: dirname(venv) }), 'Make that environment again'],
  ]) {
    test(`${name}: broken ones are not passed over in silence`, async () => {
      const PATH = join(someVenv, 'bin')
      const wishes = (venv) => {
        const made = options(venv)
        return { ...made, env: { PATH, ...made.env } }
      }
      const venv = makeVenv(`broken ${name}/.venv`)
      const python = join(venv, 'bin/python')
      unlinkSync(python)
      symlinkSync('/gone/bin/python3', python)
      await refused(
        wishes(venv),
        'PYTHON_NOT_FOUND',
        `${name}: ${python} leads to /gone/bin/python3, which does not exist`,
        help,
      )
      unlinkSync(python)
      broken(`broken ${name}/.venv/bin/python`)
      await refused(wishes(venv), 'PYTHON_NOT_FOUND', `${name}: ${python}`, 'exit code 1', 'init_fs_encoding', help)
      writeFileSync(python, 'text')
      chmodSync(python, 0o644)
      await refused(wishes(venv), 'PYTHON_NOT_FOUND', `${name}: ${python} is not an executable file`, help)
      unlinkSync(python)
      pretender(`broken ${name}/.venv/bin/python`, { version: '3.9.18' })
      await refused(wishes(venv), 'PYTHON_UNSUPPORTED', `${name}: ${python}`, 'Python 3.9.18', help)
    })
  }

  test('one that is gone, or holds no Python', async () => {
    const PATH = join(someVenv, 'bin')
    await refused(
      { env: { PATH, VIRTUAL_ENV: '/gone' } },
      'PYTHON_NOT_FOUND',
      'VIRTUAL_ENV: the folder /gone does not exist',
    )
    await refused({ venv: '/gone' }, 'PYTHON_NOT_FOUND', 'venv option: the folder /gone does not exist')
    await refused({ venv: folder('hollow') }, 'PYTHON_NOT_FOUND', `${path('hollow/bin/python')} does not exist`)
    writeFileSync(join(folder('hollow-app/.venv'), 'pyvenv.cfg'), 'home = /gone\n')
    await refused(
      { appDir: path('hollow-app') },
      'PYTHON_NOT_FOUND',
      `.venv: ${path('hollow-app/.venv/bin/python')} does not exist`,
    )
  })

  test('a conda environment without Python is no broken one', async () => {
    const env = { PATH: join(someVenv, 'bin'), CONDA_PREFIX: folder('conda') }
    const choice = await chosen({ env })
    assert.equal(choice.source, 'PATH')
    assert.deepEqual(choice.tried, [
      { source: 'CONDA_PREFIX', path: path('conda'), reason: 'this environment has no Python' },
    ])
  })
})

describe('PATH', () => {
  test('what cannot be used is passed over, with its reason', async () => {
    broken('p1/python3')
    pretender('p2/python3', { implementation: 'pypy' })
    pretender('p3/python3', { libpython: null })
    const env = {
      PATH: ['p1', 'p2', 'p3']
        .map((name) => path(name))
        .concat(join(someVenv, 'bin'))
        .join(':'),
    }
    const choice = await chosen({ env })
    assert.equal(choice.executable, join(someVenv, 'bin/python3'))
    assert.deepEqual(
      choice.tried.map((tried) => [tried.source, tried.path]),
      ['p1', 'p2', 'p3'].map((name) => ['PATH', path(name, 'python3')]),
    )
    assert.match(choice.tried[0].reason, /exit code 1/)
    assert.match(choice.tried[1].reason, /PyPy/)
    assert.match(choice.tried[2].reason, /no shared library/)
  })

  test('when nothing is left, every candidate is listed', async () => {
    broken('q1/python3')
    pretender('q2/python', { version: '3.8.1' })
    const PATH = `${path('q1')}:${path('q2')}`
    const message = await refused({ env: { PATH } }, 'PYTHON_UNSUPPORTED', 'no Python that Node can host')
    assert.ok(message.includes(`\n  ${path('q1/python3')} (PATH): it ended with exit code 1`), message)
    assert.ok(message.includes(`\n  ${path('q2/python')} (PATH): it is Python 3.8.1`), message)
    pretender('q3/python', { libpython: null, base_prefix: '/home/me/.pyenv/versions/3.12.4' })
    await refused({ env: { PATH: `${PATH}:${path('q3')}` } }, 'LIBPYTHON_NOT_FOUND', 'pyenv install --force')
  })

  test('when there is nothing at all, the message says where it looked', async () => {
    await refused(
      {},
      'PYTHON_NOT_FOUND',
      'no Python found',
      'ASGI_NODE_PYTHON',
      'VIRTUAL_ENV',
      path('empty'),
      '/nowhere',
      'Install CPython 3.11',
    )
    const wishes = { appDir: folder('empty'), env: {} }
    await assert.rejects(choose(wishes), { code: 'PYTHON_NOT_FOUND' })
  })

  test('one file under two names is asked once', async () => {
    const count = path('count')
    script('once/python', `echo run >> ${count}`, 'exit 1')
    symlinkSync('python', path('once/python3'))
    symlinkSync('once', path('once-again'))
    assert.throws(() => chooseSync({ appDir: folder('empty'), env: { PATH: `${path('once')}:${path('once-again')}` } }))
    assert.equal(readFileSync(count, 'utf8'), 'run\n')
  })

  test('a shim leads to the interpreter itself', async (t) => {
    const shim = join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'shims/python3')
    const version = base.base.includes('/versions/') ? base.base.split('/').at(-1) : undefined
    if (existsSync(shim) && version) {
      const env = { ...process.env, VIRTUAL_ENV: '', CONDA_PREFIX: '', ASGI_NODE_PYTHON: '', PYENV_VERSION: version }
      env.PATH = `${dirname(shim)}:${process.env.PATH}`
      const choice = await chosen({ env })
      assert.ok(choice.executable.startsWith(`${base.base}/bin/python`), choice.executable)
      // The shim also goes by the app's folder.
      writeFileSync(join(folder('pinned'), '.python-version'), `${version}\n`)
      delete env.PYENV_VERSION
      assert.equal((await chosen({ env, appDir: path('pinned') })).prefix, base.base)
    } else {
      t.diagnostic('no pyenv here: a script that plays its shim')
    }
    script('shims/python3', `exec ${base.executable} "$@"`)
    const played = await chosen({ env: { PATH: path('shims') } })
    assert.equal(played.executable, base.executable)
  })
})

test('who asks at the same time shares the answer', async () => {
  const count = path('at-once.count')
  const python = script('at-once/python', `echo run >> ${count}`, 'sleep 0.1', saying(facts))
  const choices = await Promise.all(Array.from({ length: 3 }, () => choose({ python })))
  assert.deepEqual(choices.map(({ version }) => version), [facts.version, facts.version, facts.version])
  assert.equal(readFileSync(count, 'utf8'), 'run\n')
})

test('an interpreter is asked once, and again when it has changed', async () => {
  const count = path('asked')
  const lines = (changes) => [`echo run >> ${count}`, saying({ ...facts, ...changes })]
  const runs = () => readFileSync(count, 'utf8').split('\n').length - 1
  const python = script('cached/python', ...lines({}))
  await chosen({ python })
  await chosen({ python })
  assert.equal(runs(), 1)
  // Another file time, whatever the resolution of the file system is.
  await new Promise((resolve) => setTimeout(resolve, 20))
  script('cached/python', ...lines({ version: '3.11.99' }))
  assert.equal((await chosen({ python })).version, '3.11.99')
  assert.equal(runs(), 2)
})

test('every Python of this machine is judged as it should be', async (t) => {
  assert.ok(pythons.length > 0)
  for (const { executable, problem } of pythons) {
    const outcome = await choose({ python: executable, appDir: folder('empty') }).catch((error) => error)
    t.diagnostic(`${executable}: ${outcome instanceof Error ? outcome.code : outcome.libpython}`)
    if (problem === null || problem === 'is a pre-release') assert.ok(existsSync(outcome.libpython), String(outcome))
    else assert.ok(outcome instanceof PythonError, `${executable} ${problem}`)
  }
})
