// docs/rewriting.md is true: its programs run, and each row of its table does what it says.
import assert from 'node:assert/strict'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Request } from 'asgi-node'
import { blocksOf, freePort, startServer, succeed } from '../repository/documents.mjs'
import { pythonExecutable, repository, run, temporaryFolder } from '../node/support.mjs'

const text = readFileSync(join(repository, 'docs', 'rewriting.md'), 'utf8')
const blocks = blocksOf(text)
const [app, server, ask, answered, written, writtenOutput, tried, triedOutput] = blocks
const env = { ASGI_NODE_PYTHON: pythonExecutable() }

describe('docs/rewriting.md', { timeout: 90_000 }, () => {
  const folder = temporaryFolder({ after })
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  for (const { file, code } of [app, written, tried]) writeFileSync(join(folder, file), code)

  test('the blocks are the ones that are tested here', () => {
    const found = blocks.map(({ language, file }) => (/^(python|js)$/.test(language) ? file : language))
    assert.deepEqual(found, ['main.py', 'rules.mjs', 'sh', 'text', 'written.mjs', 'text', 'try.mjs', 'text'])
  })

  test('the server', async (t) => {
    const port = await freePort()
    const here = (code) => code.replaceAll('3000', String(port))
    writeFileSync(join(folder, server.file), here(server.code))
    await startServer(t, 'node', [server.file], { port, cwd: folder, env })
    const lines = here(ask.code).trim().split('\n')
    const outputs = []
    for (const line of lines) outputs.push(await succeed(line))
    assert.equal(outputs.join('\n'), answered.code.trim())
  })

  test('the programs', async () => {
    for (const [{ file }, output] of [[written, writtenOutput], [tried, triedOutput]]) {
      const { code, stdout, stderr } = await run('node', [file], { cwd: folder, env })
      assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: output.code, stderr: '' }, file)
    }
  })

  test('each row of the table', async () => {
    const [, table] = /^## What you want, the rule\n([^]*?)^## /m.exec(text)
    const rows = table.trim().split('\n').slice(2).map((line) => line.split(' | ').map((cell) => cell.replaceAll(/^\| |[`]| \|$/g, '')))
    const wanted = ['drop a prefix', 'slash at the end', 'legacy URLs', 'host to header', 'method override', 'serve a file if it exists']
    for (const what of wanted) assert.ok(rows.some(([name]) => name.includes(what)), what)
    for (const [name, rule, request, expected] of rows) {
      const classes = await import('asgi-node')
      const names = Object.keys(classes).filter((key) => /(Rewriter|Condition)$/.test(key))
      const rewriter = new Function(...names, `return ${rule}`)(...names.map((key) => classes[key]))
      const rewritten = rewriter.rewrite(requestOf(request), folder)
      const header = /^([\w-]+): (.*)$/.exec(expected)
      if (header) assert.equal(rewritten.headers.get(header[1]), header[2], name)
      else assert.equal(`${rewritten.method} ${rewritten.url}`, expected, name)
    }
  })
})

/** `GET /path name: value`, or only a header. */
function requestOf(line) {
  const [, method = 'GET', url = '/', name, value] = /^(?:([A-Z]+) (\S+))? ?(?:([\w-]+): (.*))?$/.exec(line)
  return new Request({ method, url, headers: name ? { [name]: value } : {} })
}
