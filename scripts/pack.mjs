// The npm packages as they are published: node scripts/pack.mjs DIRECTORY. Prints the path of each tarball.
//
// The platform's package carries the Python package. It is put together in a folder of its own: a copy of python/ beside
// npm/<platform>/addon.node would be what the repository's own tests run, and grow old there.

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

// What only tests of Python applications use: it comes with the Python package from PyPI.
const NOT_IN_NODE = ['conformance', 'host', 'pytest_plugin', 'testing', '__main__.py']

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const destination = resolve(process.argv[2] ?? join(ROOT, 'build', 'packages'))
const stage = join(destination, 'stage')

rmSync(stage, { recursive: true, force: true })
for (const name of readdirSync(join(ROOT, 'npm'))) {
  const folder = join(stage, name)
  mkdirSync(folder, { recursive: true })
  cpSync(join(ROOT, 'npm', name), folder, { recursive: true })
  cpSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'))
  /** @type {{ name: string, files: string[] }} */
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  if (manifest.name === 'asgi-node') cpSync(join(ROOT, 'README.md'), join(folder, 'README.md'))
  if (manifest.files.includes('python')) {
    rmSync(join(folder, 'python'), { recursive: true, force: true })
    const python = join(ROOT, 'python', 'asgi_node')
    const left = new Set(NOT_IN_NODE.map((part) => join(python, part)))
    cpSync(python, join(folder, 'python', 'asgi_node'), {
      recursive: true,
      filter: (path) => !left.has(path) && !/__pycache__|\.(so|pyc)$/.test(path),
    })
  }
  for (const file of manifest.files) {
    if (!existsSync(join(folder, file))) throw new Error(`${manifest.name} lacks ${file}: make build`)
  }
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--loglevel=error', '--pack-destination', destination, folder], { encoding: 'utf8' }),
  )
  console.log(join(destination, packed.filename))
}
rmSync(stage, { recursive: true })
