// field_30: bundled by esbuild, with and without the native files in reach: it works, or one sentence says which setting helps.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { target } from '../../npm/asgi-node/lib/native/platform.js'
import { apps, repository, run } from '../node/support.mjs'

const folder = mkdtempSync(join(tmpdir(), 'asgi-node-bundle-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** A project with asgi-node as npm installs it. */
function project(name) {
  const root = join(folder, name)
  const modules = join(root, 'node_modules')
  const platform = join(modules, '@asgi-node', target())
  mkdirSync(platform, { recursive: true })
  cpSync(join(repository, 'npm', 'asgi-node'), join(modules, 'asgi-node'), { recursive: true })
  cpSync(join(repository, 'npm', target()), platform, { recursive: true })
  symlinkSync(join(repository, 'python'), join(platform, 'python'))
  for (const name of ['ws', 'chokidar', 'picomatch']) {
    symlinkSync(fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url)), join(modules, name))
  }
  writeFileSync(
    join(root, 'app.js'),
    `import { PythonHandler } from 'asgi-node'
     const python = new PythonHandler({ app: 'main:app', docroot: ${JSON.stringify(apps)} })
     async function main() {
       const response = await python.handleRequest({ url: '/' })
       console.log(response.status, response.text === undefined ? '' : await response.text())
       await python.close()
     }
     main().catch((error) => {
       console.log(error.code, error.message)
       process.exitCode = 1
     })`,
  )
  return root
}

/** esbuild's ES modules have no require, which ws wants. */
const ESM = { format: 'esm', banner: { js: "import { createRequire as from } from 'node:module'; const require = from(import.meta.url)" } }

const bundle = (root, outfile, options) =>
  build({ entryPoints: [join(root, 'app.js')], outfile, bundle: true, platform: 'node', logLevel: 'silent', absWorkingDir: root, ...options })

describe('field_30: esbuild', () => {
  for (const [name, file, options] of [
    ['ES modules', 'app.mjs', ESM],
    ['CommonJS', 'app.cjs', { format: 'cjs' }],
    ['external', 'app.mjs', { format: 'esm', external: ['asgi-node'] }],
  ]) {
    test(`${name}: works where its packages are installed`, async () => {
      const root = project(`works-${name.replace(' ', '-')}`)
      const { errors, warnings } = await bundle(root, join(root, 'dist', file), options)
      assert.deepEqual(errors, [])
      // import.meta.url is empty in CommonJS, which load.js knows.
      assert.deepEqual(warnings.filter(({ id }) => id !== 'empty-import-meta'), [])
      const { code, stdout, stderr } = await run('node', [join(root, 'dist', file)], { cwd: root })
      assert.match(stdout, /^200 /, stderr)
      assert.equal(code, 0)
    })
  }

  for (const [name, file, options] of [
    ['ES modules', 'app.mjs', ESM],
    ['CommonJS', 'app.cjs', { format: 'cjs' }],
  ]) {
    test(`${name}: one sentence where they are not`, async () => {
      const root = project(`fails-${name.replace(' ', '-')}`)
      const alone = join(folder, `alone-${file}`)
      await bundle(root, alone, options)
      const { code, stdout } = await run('node', [alone], { cwd: folder })
      assert.equal(code, 1)
      assert.match(stdout, /^NATIVE_NOT_FOUND .* keep it external \(esbuild: --external:asgi-node; .*Next\.js: serverExternalPackages: \['asgi-node'\]\)\.\n$/)
    })
  }
})
