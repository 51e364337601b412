// Wrong use: one line that says what to do, exit code 2. Most of it is asked of `main` in this process, which is what the
// command runs; what the shell sees is asked of the command itself.
import assert from 'node:assert/strict'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { main } from '../../npm/asgi-node/lib/cli.js'
import { optionsOf } from '../../npm/asgi-node/lib/serve/settings/arguments.js'
import { optionsOfConfig } from '../../npm/asgi-node/lib/serve/settings/config-file.js'
import { optionsOfEnvironment } from '../../npm/asgi-node/lib/serve/settings/environment.js'
import { GROUPS, OPTIONS, isNegatable, variableOf } from '../../npm/asgi-node/lib/serve/settings/table.js'
import { REFUSED } from '../../npm/asgi-node/lib/serve/settings/refused.js'
import { run as runProgram, pythonExecutable, temporaryFolder } from '../node/support.mjs'
import { command, run } from './support.mjs'

/** The exit code, and what is said on stderr and stdout. */
async function say(args, env = {}) {
  const said = { stdout: '', stderr: '' }
  const stream = (name) => ({ write: (text) => (said[name] += text) })
  const before = { ...process.env }
  const folder = process.cwd()
  Object.assign(process.env, env)
  try {
    return { code: await main(args, { stdout: stream('stdout'), stderr: stream('stderr') }), ...said }
  } finally {
    process.chdir(folder)
    for (const name of Object.keys(env)) if (before[name] === undefined) delete process.env[name]
  }
}

async function refuses(args, message, env) {
  const { code, stdout, stderr } = await say(args, env)
  assert.equal(stderr, `asgi-node: ${message}\n`)
  assert.equal(stdout, '')
  assert.equal(code, 2)
}

const WRONG = {
  port: [['70000'], 'must be a port from 0 to 65535, not "70000"'],
  count: [['0'], 'must be a whole number from 1, not "0"'],
  whole: [['1.5'], 'must be a whole number from 0, not "1.5"'],
  seconds: [['soon'], 'must be a number of seconds from 0 to 2000000, not "soon"'],
  boolean: [['maybe'], 'must be true or false, not "maybe"'],
  path: [['='], 'must be a path, not ""'],
}

describe('a wrong option', () => {
  for (const option of OPTIONS.values()) {
    const { name, type, choices } = option
    if (name === 'app') continue
    test(`--${name}`, async () => {
      if (type === 'flag') {
        await refuses([`--${name}=1`, 'main:app'], `--${name} takes no value, but got "1"`)
        if (isNegatable(option)) await refuses([`--no-${name}=1`, 'main:app'], `--no-${name} takes no value, but got "1"`)
        else assert.match((await say([`--no-${name}`])).stderr, /^asgi-node: Unknown option --no-\w+[.:]/)
        return
      }
      const placeholder = option.value ?? choices.join('|')
      await refuses(['main:app', `--${name}`], `--${name} needs a value: --${name} ${placeholder}`)
      await refuses([`--${name}`, '--reload-everything', 'main:app'], `--${name} needs a value: --${name} ${placeholder}`)
      if (choices) await refuses([`--${name}`, 'wrong', 'main:app'], `--${name} must be one of ${choices.join(', ')}, not "wrong"`)
      else if (type === 'path') await refuses([`--${name}=`, 'main:app'], `--${name} must be a path, not ""`)
      else if (WRONG[type]) await refuses([`--${name}`, WRONG[type][0][0], 'main:app'], `--${name} ${WRONG[type][1]}`)
    })
  }

  test('is refused with the nearest name', async () => {
    await refuses(['main:app', '--prot', '1'], 'Unknown option --prot. Did you mean --port?')
    await refuses(['main:app', '--no-acess-log'], 'Unknown option --no-acess-log. Did you mean --no-access-log?')
    await refuses(['main:app', '--interplanetary-transport'], 'Unknown option --interplanetary-transport: asgi-node --help lists all')
    await refuses(['main:app', '--no-port', '1'], 'Unknown option --no-port: asgi-node --help lists all')
    await refuses(['main:app', '--constructor'], 'Unknown option --constructor: asgi-node --help lists all')
    await refuses(['main:app', '-p', '1'], 'Unknown option -p. Did you mean --port?')
    await refuses(['main:app', '-p8000'], 'Unknown option -p. Did you mean --port?')
    await refuses(['main:app', '-w', '4'], 'Unknown option -w. Did you mean --workers?')
    await refuses(['main:app', '-x'], 'Unknown option -x: asgi-node --help lists all')
  })

  test('a number below zero is a wrong value, and not another option', async () => {
    await refuses(['main:app', '--port', '-1'], '--port must be a port from 0 to 65535, not "-1"')
    await refuses(['main:app', '--reload-delay', '-.5'], '--reload-delay must be a number of seconds from 0 to 2000000, not "-.5"')
    await refuses(['main:app', '--workers', '--reload'], '--workers needs a value: --workers NUMBER')
  })

  test("of uvicorn's is refused with the reason", async () => {
    for (const [name, reason] of REFUSED) await refuses(['main:app', `--${name}`, '1'], `--${name} is an option of uvicorn that asgi-node does not have: ${reason}`)
    await refuses(['main:app', '--loop', 'zuvloop'], '--loop zuvloop: its loop cannot be woken from another thread: use uvloop')
  })

  test('beside another', async () => {
    for (const [args, message] of [
      [['--uds', 'a', '--fd', '3'], '--uds and --fd cannot be used together: give only one of them'],
      [['--uds', 'a', '--port', '1'], '--uds replaces --host and --port: give only one of them'],
      [['--fd', '3', '--host', 'a'], '--fd replaces --host and --port: give only one of them'],
      [['--python', 'a', '--venv', 'b'], '--python and --venv cannot be used together: give only one of them'],
      [['--ssl-keyfile', 'a'], '--ssl-keyfile needs --ssl-certfile'],
      [['--ssl-ciphers', 'a'], '--ssl-ciphers needs --ssl-certfile and --ssl-keyfile'],
      [['--ssl-certfile', 'a', '--ssl-cert-reqs', '2'], '--ssl-cert-reqs needs --ssl-ca-certs: the authorities that client certificates are checked against'],
      [['--http2'], '--http2 needs --ssl-certfile and --ssl-keyfile: browsers use HTTP/2 only over TLS'],
      [['--health-path', 'healthz'], '--health-path must be a path such as /healthz, not "healthz"'],
      [['--root-path', 'api'], '--root-path must start with "/", but is "api"'],
      [['--reload-dir', '.'], '--reload-dir needs --reload'],
      [['--reload-delay', '1'], '--reload-delay needs --reload'],
      [['--reload-include', '*.html'], '--reload-include needs --reload'],
      [['--reload-exclude', '*.html'], '--reload-exclude needs --reload'],
      [['--limit-max-requests-jitter', '1'], '--limit-max-requests-jitter needs --limit-max-requests'],
      [['--ssl-keyfile-password', 'a'], '--ssl-keyfile-password needs --ssl-certfile and --ssl-keyfile'],
      [['--ssl-ca-certs', 'a'], '--ssl-ca-certs needs --ssl-certfile and --ssl-keyfile'],
      [['--workers', '1025'], '--workers must be a whole number from 0 to 1024, not 1025'],
      [['--health-path', '/ä'], '--health-path must be a path such as /healthz, not "/ä"'],
      [['--cwd', '/nowhere'], '--cwd /nowhere is not a folder, or this user may not enter it'],
      [['--app-dir', '/nowhere'], '--app-dir /nowhere: there is no folder /nowhere'],
      [['--app-dir', '/etc/passwd'], '--app-dir /etc/passwd: there is no folder /etc/passwd'],
      [['--venv', 'nowhere'], `--venv nowhere: there is no folder ${join(process.cwd(), 'nowhere')}`],
      [['--env-file', '/nowhere'], 'The file /nowhere of --env-file does not exist'],
      [['--forwarded-allow-ips', 'proxy.local'], '--forwarded-allow-ips must be addresses and ranges with commas between them, "unix", or *, not "proxy.local"'],
      [['other:app'], 'Only one application can be served, not both "main:app" and "other:app"'],
    ]) {
      await refuses(['main:app', ...args], message)
    }
  })

  test('in its text', async () => {
    for (const [args, message] of [
      [['--header', 'nothing'], '--header must be NAME:VALUE, not "nothing"'],
      [['--header', 'a b: c'], '--header "a b: c" is not a valid header: a name has letters, digits and dashes, and a value has no control characters'],
      [['--header', 'a: b\nc'], '--header "a: b\\nc" is not a valid header: a name has letters, digits and dashes, and a value has no control characters'],
      [['--static', 'nowhere:/x'], `--static nowhere:/x: there is no folder ${join(process.cwd(), 'nowhere')}`],
      [['--static', ':/x'], '--static :/x: it must be DIR or DIR:PREFIX'],
      [['--proxy', 'http://localhost'], '--proxy must be PREFIX=URL, for example /assets=http://localhost:5173, not "http://localhost"'],
      [['--proxy', '/a=localhost:1'], '--proxy must be PREFIX=URL, for example /assets=http://localhost:5173, not "/a=localhost:1"'],
    ]) {
      await refuses(['main:app', ...args], message)
    }
  })
})

test('a list of options names every one, with its variable and its default', async () => {
  const { code, stdout, stderr } = await say(['--help'])
  assert.deepEqual([code, stderr], [0, ''])
  for (const { title, options } of GROUPS) {
    assert.ok(stdout.includes(`\n${title}:\n`))
    for (const { name } of options) assert.ok(stdout.includes(`  --${name}`), name)
  }
  assert.ok(stdout.split('\n').every((line) => line.length <= 130), 'no line is longer than a wide terminal')
  assert.equal((await say(['-h'])).stdout, stdout)
})

test('--version says which', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../npm/asgi-node/package.json', import.meta.url), 'utf8'))
  assert.deepEqual(await say(['--version']), { code: 0, stdout: `asgi-node ${version}, Node.js ${process.versions.node}\n`, stderr: '' })
})

test('every option of uvicorn is there, or is refused with a reason', async () => {
  const { stdout } = await runProgram(pythonExecutable(), ['-m', 'uvicorn', '--help'], { env: { COLUMNS: '200' } })
  const theirs = [...stdout.matchAll(/^ {2}--([a-z0-9-]+)/gm)].map(([, name]) => name)
  assert.ok(theirs.length > 45, `uvicorn has options: ${stdout}`)
  assert.deepEqual(theirs.filter((name) => !OPTIONS.has(name) && !REFUSED.has(name)), [])
})

test('an application that is not named in full, a folder that is not there, an address that is none', async (t) => {
  for (const app of ['main:', ':app', 'main:app:x']) await refuses([app, '--port', '0'], `An application is named MODULE:ATTRIBUTE, for example main:app; ${JSON.stringify(app)} is not`)
  await refuses([''], 'APP is empty: name the application, as main:app, or leave it out to have it found')
  await refuses(['main:app', '--host', ''], '--host needs an address: for example 127.0.0.1, or 0.0.0.0 for all addresses')
  const folder = temporaryFolder(t, { 'main.py': 'async def app(scope, receive, send): ...\n' })
  await refuses(['main:app', '--port', '0', '--app-dir', folder, '--reload', '--reload-dir', join(folder, 'none')], `--reload-dir ${join(folder, 'none')}: there is no folder ${join(folder, 'none')}`)
})

test('the shell sees it: one line on stderr, exit code 2', async (t) => {
  const outcome = await run(t, ['main:app', '--port', 'x'])
  assert.deepEqual(outcome, { code: 2, signal: null, stdout: '', stderr: 'asgi-node: --port must be a port from 0 to 65535, not "x"\n' })
})

test('--env-file is ours and not that of Node, as the shell starts the command', async (t) => {
  const folder = temporaryFolder(t, { 'ok.env': 'NODE_OPTIONS=--no-such-option\n' })
  // As npm installs it.
  const link = join(folder, 'asgi-node')
  symlinkSync(command, link)
  const options = { cwd: folder, program: [link], env: { PATH: `${dirname(process.execPath)}:${process.env.PATH}` } }
  for (const [args, message] of [
    [['--env-file', 'nowhere'], 'The file nowhere of --env-file does not exist'],
    [['--env-file=nowhere'], 'The file nowhere of --env-file does not exist'],
    [['--env-file', '.'], 'The file . of --env-file cannot be read (EISDIR)'],
    [['--env-file-if-exists', 'nowhere'], 'Unknown option --env-file-if-exists: asgi-node --help lists all'],
    [['--env-file', 'ok.env', '--port', 'x'], '--port must be a port from 0 to 65535, not "x"'],
  ]) {
    const { code, stdout, stderr } = await run(t, ['main:app', ...args], options)
    assert.deepEqual([code, stdout, stderr], [2, '', `asgi-node: ${message}\n`])
  }
  const { code, stdout } = await run(t, ['--version'], options)
  assert.equal(code, 0)
  assert.match(stdout, new RegExp(`Node\\.js ${process.versions.node}\n`))
})

describe('the environment and files', () => {
  test('a variable is refused by its own name', async () => {
    assert.equal(variableOf(OPTIONS.get('limit-max-requests')), 'ASGI_NODE_LIMIT_MAX_REQUESTS')
    await refuses(['main:app'], 'ASGI_NODE_PORT must be a port from 0 to 65535, not "x"', { ASGI_NODE_PORT: 'x' })
    await refuses(['main:app'], 'ASGI_NODE_ACCESS_LOG must be true or false, not "perhaps"', { ASGI_NODE_ACCESS_LOG: 'perhaps' })
  })

  /** A value of each type that is no default. */
  const EXAMPLES = { text: 'text', path: 'some/path', flag: '', boolean: 'false', port: '1234', count: '7', whole: '3', seconds: '1.5' }

  test('every option means the same on the command line, in the environment, and in files', async (t) => {
    let count = 0
    for (const option of OPTIONS.values()) {
      const { name, type, choices, list, default: usual } = option
      if (option.commandLineOnly) continue
      count += 1
      const isOff = type === 'flag' && usual === true
      const text = choices ? choices.find((choice) => choice !== usual) : EXAMPLES[type]
      const line = optionsOf(name === 'app' ? [text] : type === 'flag' ? [isOff ? `--no-${name}` : `--${name}`] : [`--${name}`, text])
      const variable = variableOf(option)
      if (variable !== null) assert.deepEqual(optionsOfEnvironment({ [variable]: type === 'flag' ? String(!isOff) : text }), line, variable)
      else assert.ok(['python'].includes(name), name)
      if (name === 'config') continue
      const value = type === 'flag' ? !isOff : type === 'boolean' ? false : ['text', 'path', 'choice'].includes(type) ? text : Number(text)
      const camelCase = name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase())
      for (const key of [name, camelCase]) {
        const folder = temporaryFolder(t, { 'file.json': JSON.stringify({ [key]: list ? [value] : value }) })
        assert.deepEqual(await optionsOfConfig(join(folder, 'file.json')), line, key)
      }
    }
    assert.ok(count > 50, String(count))
  })

  for (const [name, content, message] of [
    ['asgi-node.config.json', '{ "prot": 1 }', 'Unknown option "prot" in asgi-node.config.json. Did you mean "port"?'],
    ['asgi-node.config.json', '{ "port": "x" }', 'port in asgi-node.config.json must be a port from 0 to 65535, not "x"'],
    ['asgi-node.config.json', '{ "port": [1] }', 'port in asgi-node.config.json must be a text, a number or a boolean, not an array'],
    ['asgi-node.config.json', '{ "rootPath": "/a\\u0000b" }', 'rootPath in asgi-node.config.json must be a text without NUL, not "/a\\u0000b"'],
    ['asgi-node.config.json', '{ "host": null }', 'host in asgi-node.config.json must be a text, a number or a boolean, not null'],
    ['asgi-node.config.json', '{ "header": { "a": "b" } }', 'header in asgi-node.config.json must be a text, a number or a boolean, not an object'],
    ['asgi-node.config.json', '{ "header": ["a: b", ["c: d"]] }', 'header in asgi-node.config.json must be a text, a number or a boolean, not an array'],
    ['asgi-node.config.json', '{ "reload": 2 }', 'reload in asgi-node.config.json must be true or false, not "2"'],
    ['asgi-node.config.json', '{ "workers": 1e99 }', 'workers in asgi-node.config.json must be a whole number from 0, not "1e+99"'],
    ['asgi-node.config.json', '[1]', 'asgi-node.config.json must contain an object with options, for example { "port": 3000 }, not an array'],
    ['asgi-node.config.json', '{ "help": true }', 'Unknown option "help" in asgi-node.config.json'],
    ['asgi-node.config.json', '{ "logConfig": "a.ini" }', `logConfig in asgi-node.config.json is an option of uvicorn that asgi-node does not have: ${REFUSED.get('log-config')}`],
    ['asgi-node.config.mjs', 'export default 5', 'asgi-node.config.mjs must contain an object with options, for example { "port": 3000 }, not 5'],
    ['asgi-node.config.mjs', 'throw new Error("no such\\nthing")', 'asgi-node.config.mjs cannot be read: no such'],
    ['pyproject.toml', '[tool.asgi-node]\nlog-level = "loud"\n', 'log-level in [tool.asgi-node] of pyproject.toml must be one of critical, error, warning, info, debug, trace, not "loud"'],
    ['pyproject.toml', '[tool.asgi-node\n', /^pyproject.toml cannot be read: /],
  ]) {
    test(`${name}: ${content.slice(0, 40).replaceAll('\n', ' ')}`, async (t) => {
      const folder = temporaryFolder(t, { [name]: content })
      const { code, stderr } = await say(['main:app', '--cwd', folder])
      assert.equal(code, 2)
      assert.equal(stderr.split('\n').length, 2, stderr)
      if (typeof message === 'string') assert.equal(stderr, `asgi-node: ${message}\n`)
      else assert.match(stderr.slice('asgi-node: '.length), message)
    })
  }

  test('a file that is named and is not there', async (t) => {
    const folder = temporaryFolder(t)
    writeFileSync(join(folder, 'bad.json'), '{')
    await refuses(['main:app', '--config', join(folder, 'none.json')], `The configuration file ${join(folder, 'none.json')} does not exist`)
    const { stderr } = await say(['main:app', '--config', join(folder, 'bad.json')])
    assert.match(stderr, /^asgi-node: .*bad.json cannot be read: .*\n$/)
  })
})
