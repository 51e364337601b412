// Documents that are run: their code blocks, and the servers and commands in them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { run, until } from '../node/support.mjs'

/** The code blocks of a document in their order: what language they say, which file the text before them names last, what is in them. */
export function blocksOf(text) {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, code], index, all) => {
    const before = text.slice(index === 0 ? 0 : all[index - 1].index, all[index].index)
    return { language, code, file: [...before.matchAll(/`([\w.]+\.(?:py|mjs))`/g)].at(-1)?.[1] }
  })
}

/** A port that nobody listens on. */
export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  return port
}

/** Start a server for one test; resolves when it answers. `stop` signals its whole group and waits for its end. */
export async function startServer(t, command, args, { port, cwd, env = {} }) {
  const variables = { ...process.env, ...env }
  delete variables.NODE_TEST_CONTEXT
  for (const name of Object.keys(variables)) if (variables[name] === undefined) delete variables[name]
  const child = spawn(command, args, { cwd, env: variables, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const exited = once(child, 'exit')
  const stop = (signal) => {
    try {
      process.kill(-child.pid, signal)
    } catch (error) {
      // Nobody of the group is left.
      if (error.code !== 'ESRCH') throw error
    }
    return exited
  }
  t.after(() => stop('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  // Whatever it is, an answer comes when Python has started.
  const answers = () => fetch(`http://127.0.0.1:${port}/openapi.json`).then(() => true, () => false)
  const ready = until(async () => child.exitCode !== null || (await answers()), 'an answer', 30_000)
  await ready.catch((error) => assert.fail(`${command} ${args.join(' ')}: ${error.message}; it said: ${output}`))
  assert.equal(child.exitCode, null, output)
  return { output: () => output, stop }
}

const shell = (code, options) => run('bash', ['-euo', 'pipefail', '-c', code], { timeout: 60_000, ...options })

/** The output of shell commands, all of which have to succeed. */
export async function succeed(code, options) {
  const { code: status, stdout, stderr } = await shell(code, options)
  assert.equal(status, 0, `${code}\n${stdout}${stderr}`)
  return stdout
}
