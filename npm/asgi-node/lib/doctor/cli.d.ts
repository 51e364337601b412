/**
 * The command `asgi-node`: prints what it found on stdout, or its usage on stderr.
 *
 * @param args what stands after the command's name: `['doctor', '--app', 'main:app']`
 * @returns the exit status: 0 if a handler would start here, 1 if not, 2 for a wrong option
 * @throws what is no mistake in `args`: a fault of the doctor itself
 * @example
 * ```js
 * import { main } from 'asgi-node/cli'
 *
 * process.exitCode = await main(['doctor', '--json'])
 * ```
 */
export function main(args: string[]): Promise<number>
