// What the handler and Python say is written for those who call them. Here the same is said with the options of the command.

/** @type {readonly (readonly [RegExp, string])[]} */
const WORDS = [
  [/ \(option (?:startupTimeout|shutdownTimeout|requestTimeout)\)/g, ''],
  [/, half of exitTimeout/g, ''],
  [/ \(option exitTimeout\)/g, ''],
  [/ \(option maxConcurrency\)/g, ' (--limit-concurrency)'],
  [/ \(option lifespan is 'on'\)/g, ' (--lifespan on)'],
  [/\((?:in Node: )?option `?workers: 1`?\)/g, '(--workers 1)'],
  [/the options `python` and `venv`/g, '--python and --venv'],
  [/(?:set |with )?the option `python` or `venv`/g, 'give --python or --venv'],
  [/with the option `python` or ASGI_NODE_PYTHON/g, 'with --python or ASGI_NODE_PYTHON'],
  [/\bGive `(python|venv)` the/g, 'Give --$1 the'],
  [/\b(python|venv) option\b/g, '--$1'],
  [/the option `interface` says '(\w+)'/g, 'there is --interface $1'],
  [/leave it out, or set it to 'wsgi'/g, 'leave it out, or say --interface wsgi'],
  [/set the option `interface` to '(\w+)' or '(\w+)'/g, 'say --interface $1 or --interface $2'],
  [/set the option `interface` to '(\w+)'/g, 'say --interface $1'],
  [/and `factory` is true/g, 'and there is --factory'],
  [/leave out `factory: true`/g, 'leave out --factory'],
  [/set `factory: true`/g, 'say --factory'],
  [/loop '(\w+)' was asked for/g, '--loop $1 was asked for'],
  [/use loop 'auto'/g, 'use --loop auto'],
  [/set docroot to /g, 'say --app-dir '],
  [/with docroot set to /g, 'with --app-dir '],
  [/\b([Tt])he docroot\b/g, '$1he folder']
]

/**
 * @param {string} message of ours
 * @returns {string}
 */
export function inWordsOfTheCommand(message) {
  return WORDS.reduce((text, [theirs, ours]) => text.replace(theirs, ours), message)
}
