// What a handler asks of its Python, whether it runs in this process or in workers.

/**
 * What a handler's options say about its Python.
 * @typedef {object} PythonSettings
 * @property {string | undefined} python
 * @property {string | undefined} venv
 * @property {string} docroot absolute
 */

/**
 * For {@link import('./discovery.js').choose}.
 * @param {PythonSettings} settings
 * @param {{ env: NodeJS.ProcessEnv, embedded: boolean }} place where it runs; `embedded`: Node hosts it
 */
export function wishesOf({ python, venv, docroot }, { env, embedded }) {
  return { python, venv, appDir: docroot, env, embedded }
}

/**
 * Python's sys.argv. The first is the program, as in plain Python. Node's arguments are not Python's: an app that parses sys.argv
 * must not trip over them.
 */
export function programArguments() {
  return [process.argv[1] ?? '']
}
