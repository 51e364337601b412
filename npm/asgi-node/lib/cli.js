// The command `asgi-node`: chooses the sub-command.

import './native/supported.js'

/**
 * @param {string[]} args
 * @param {import('./serve/cli.js').Streams} [streams] for messages before it serves
 * @returns {Promise<number>} the exit status
 */
export async function main(args, streams = process) {
  const [first, ...rest] = args
  if (first === 'doctor') return (await import('./doctor/cli.js')).main(args)
  const { main: serve } = await import('./serve/cli.js')
  return serve(first === 'serve' || first === 'dev' ? rest : args, streams, first === 'dev')
}
