// The command `asgi-node`: chooses the sub-command.

import './native/supported.js'

/**
 * @param {string[]} args
 * @param {import('./serve/cli.js').Streams} [streams] for messages before it serves
 * @returns {Promise<number>} the exit status
 */
export async function main(args, streams = process) {
  const [first, ...rest] = args
  // What is imported below asks for it, too.
  if (!hasFolder()) {
    streams.stderr.write('asgi-node: The current folder has been deleted: go to another one\n')
    return 1
  }
  if (first === 'doctor') return (await import('./doctor/cli.js')).main(args)
  const { main: serve } = await import('./serve/cli.js')
  return serve(first === 'serve' || first === 'dev' ? rest : args, streams, first === 'dev')
}

function hasFolder() {
  try {
    process.cwd()
    return true
  } catch {
    return false
  }
}
