// The folders of npm/asgi-node/lib, from the top down: each may import those below it, and nothing above or beside it.
// `make lint` checks this; ARCHITECTURE.md says what each folder is.

const LIB = '^npm/asgi-node/lib/'

/** Folders on one line are siblings that do not import each other. Files of lib itself stand with the folder named. */
export const LAYERS = [
  ['cli.js'],
  ['doctor', 'serve'],
  ['index.js'],
  ['handler.js', 'handler'],
  ['fetch', 'http', 'websocket'],
  ['call'],
  ['options'],
  ['rewriter', 'reload'],
  ['log'],
  ['python'],
  ['incoming'],
  ['message'],
  ['native'],
  ['node-internals.js'],
  ['ws.cjs']
]

/** @param {string[]} names */
const paths = (names) => names.map((name) => LIB + (/[.]c?js$/.test(name) ? `${name.replace('.', '[.]')}$` : `${name}/`))

/** The same inside serve. */
const SERVE = [
  ['serve/cli.js'],
  ['serve/serve.js'],
  ['serve/life'],
  ['serve/front'],
  ['serve/listen', 'serve/app'],
  ['serve/log'],
  ['serve/settings'],
  ['serve/errors.js']
]

// A handler's file and folder are one layer, and may import each other's files.
const ONE = new Set(['handler.js', 'handler'])

/** @param {string[][]} order */
const rules = (order) =>
  order
    .flatMap((siblings, i) =>
      siblings.map((name) => {
        const beside = siblings.filter((other) => other !== name && !(ONE.has(name) && ONE.has(other)))
        const above = order.slice(0, i).flat()
        return {
          name: `${name}-imports-below`,
          severity: 'error',
          from: { path: paths([name]) },
          to: { path: paths([...above, ...beside]) }
        }
      })
    )
    .filter(({ to }) => to.path.length > 0)

export default {
  forbidden: [
    ...rules(LAYERS),
    ...rules(SERVE),
    { name: 'no-circle', severity: 'error', from: { path: LIB }, to: { circular: true } },
    {
      name: 'folder-is-listed',
      severity: 'error',
      comment: 'Name the folder in LAYERS, and in ARCHITECTURE.md',
      from: { path: LIB },
      to: { path: LIB, pathNot: paths(LAYERS.flat()) }
    },
    {
      name: 'folder-of-serve-is-listed',
      severity: 'error',
      comment: 'Name the folder in SERVE, and in ARCHITECTURE.md',
      from: { path: LIB },
      to: { path: paths(['serve']), pathNot: paths(SERVE.flat()) }
    },
    { name: 'resolves', severity: 'error', from: { path: LIB }, to: { couldNotResolve: true } }
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    moduleSystems: ['es6'],
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] }
  }
}
