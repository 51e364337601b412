/**
 * The command `asgi-node`: serves an application until it is told to stop, or runs the doctor.
 *
 * @param args what stands after the command's name: `['main:app', '--port', '3000']`, `['doctor', '--app', 'main:app']`
 * @param streams for messages before it serves: its help, or a mistake in an option. Default `process`
 * @returns the exit status: 0 after SIGTERM or SIGINT, 1 if the server cannot start (and for the doctor: if a handler would not
 *   start), 2 for a wrong option, 3 if the application does not start
 * @throws only for a fault of the command itself, not for a mistake in `args`
 * @example
 * ```js
 * import { main } from 'asgi-node/cli'
 *
 * process.exit(await main(['main:app', '--port', '3000']))
 * ```
 */
export function main(args: string[], streams?: { stdout: { write(text: string): unknown }; stderr: { write(text: string): unknown } }): Promise<number>
