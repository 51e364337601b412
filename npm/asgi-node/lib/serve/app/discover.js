// Finds the application if it is not named in full, as `fastapi dev` does.

import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { nativeFiles } from '../../native/load.js'
import { choose } from '../../python/discovery.js'
import { run } from '../../python/probe.js'
import { pyproject } from '../settings/config-file.js'
import { isFolder } from '../settings/files.js'
import { BrokenFile, StartError, UsageError } from '../errors.js'

/** @typedef {import('../settings/settings.js').CommandSettings} CommandSettings */
/** @typedef {{ app: string, folder: string, found: string | null }} Found `found`: how, where it was not said */
/** @typedef {{ attributes: { name: string, kind: string }[], error?: string, where?: string }} Module what find_app.py prints */

/** The order is that of fastapi-cli. */
const FILES = ['main.py', 'app.py', 'api.py', 'app/main.py', 'app/app.py', 'app/api.py']

/**
 * @param {CommandSettings} settings
 * @returns {Promise<Found>}
 */
export async function findApp(settings) {
  const { app, appDir } = settings
  if (app === undefined) return findAny(settings)
  if (app.includes(':')) return { app: named(app, ''), folder: appDir, found: null }
  const path = [app, join(appDir, app), join(appDir, `${app.replaceAll('.', '/')}.py`)].find((one) => existsSync(one))
  if (path === undefined) {
    if (app.endsWith('.py')) throw new UsageError(`The file ${app} does not exist`)
    throw new UsageError(`${JSON.stringify(app)} is not module:attribute (such as main:app), a file, or a command (serve, dev, doctor)`)
  }
  if (isFolder(path)) return findAny({ ...settings, appDir: path })
  if (basename(path) === 'manage.py') return findDjango(dirname(path)) ?? unfit(`No Django project was found by ${path}: name its application, as project.asgi:application`)
  const found = await findIn(path, settings)
  if (found === null) throw new UsageError(`No application was found in ${path}: name it, for example ${moduleOf(path).module}:app`)
  return found
}

/**
 * @param {string} app
 * @param {string} where the source of the name, for the message
 */
function named(app, where) {
  const parts = app.split(':')
  if (parts.length === 2 && parts.every((part) => part !== '')) return app
  throw new UsageError(`An application is named MODULE:ATTRIBUTE, for example main:app; ${where}${JSON.stringify(app)}${where === '' ? ' is not' : ''}`)
}

/** @param {string} message @returns {never} */
function unfit(message) {
  throw new UsageError(message)
}

/** @param {CommandSettings} settings */
async function findAny(settings) {
  const { appDir } = settings
  const { tool } = /** @type {{ tool?: { fastapi?: { entrypoint?: unknown } } }} */ (pyproject() ?? {})
  const entrypoint = tool?.fastapi?.entrypoint
  if (typeof entrypoint === 'string') return { app: named(entrypoint, 'the entrypoint of [tool.fastapi] in pyproject.toml is '), folder: appDir, found: '[tool.fastapi] of pyproject.toml' }
  for (const name of FILES) {
    const path = join(appDir, name)
    if (!existsSync(path)) continue
    const found = await findIn(path, settings)
    if (found !== null) return found
  }
  const django = findDjango(appDir)
  if (django !== null) return django
  throw new UsageError(`No application was found in ${resolve(appDir)}: name it, for example asgi-node main:app (looked in ${FILES.join(', ')} and manage.py)`)
}

/**
 * @param {string} path
 * @param {CommandSettings} settings
 * @returns {Promise<Found | null>}
 */
async function findIn(path, { python, venv, appDir, workers }) {
  const { executable } = await choose({ python, venv, appDir: resolve(appDir), embedded: workers === 0 })
  const script = join(nativeFiles().python, 'asgi_node', 'probe', 'find_app.py')
  const { stdout, stderr, failure } = await run({ file: executable, args: ['-I', script, resolve(path)], cwd: process.cwd(), env: process.env, timeout: 10_000 })
  if (failure !== null) throw new StartError(`${executable} could not examine ${path}: ${failure}: ${stderr.trim().split('\n').at(-1)}`)
  /** @type {Module} */
  const { attributes, error, where = '' } = JSON.parse(stdout)
  if (error !== undefined) throw new BrokenFile(`${path} cannot be read: ${error}`, where, moduleOf(path).folder)
  const chosen = attributes.find(({ name }) => name === 'app') ?? attributes.find(({ name }) => name === 'api') ?? only(attributes.filter(({ kind }) => kind !== ''), path)
  if (chosen === undefined) return null
  const { module, folder } = moduleOf(path)
  return { app: `${module}:${chosen.name}`, folder, found: `${chosen.kind && `${chosen.kind} `}in ${relative('', path)}` }
}

/** @param {Module['attributes']} attributes @param {string} path */
function only(attributes, path) {
  if (attributes.length > 1) {
    const names = attributes.map(({ name }) => name)
    throw new UsageError(`${path} has more than one application (${names.join(', ')}): name one, for example ${moduleOf(path).module}:${names[0]}`)
  }
  return attributes[0]
}

/** The module name of a file, and the folder from which Python imports it: the one above its packages. @param {string} path */
function moduleOf(path) {
  const names = [basename(path, '.py')]
  let folder = dirname(resolve(path))
  if (names[0] === '__init__') names.pop()
  while (existsSync(join(folder, '__init__.py'))) {
    names.unshift(basename(folder))
    folder = dirname(folder)
  }
  return { module: names.join('.'), folder }
}

/**
 * Finds a Django project by its manage.py.
 * @param {string} folder
 * @returns {Found | null}
 */
function findDjango(folder) {
  const manage = join(folder, 'manage.py')
  if (!existsSync(manage)) return null
  const [, settings] = /DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']/.exec(readFileSync(manage, 'utf8')) ?? []
  if (settings === undefined) return null
  const parts = settings.split('.')
  for (let length = parts.length - 1; length > 0; length--) {
    for (const name of ['asgi', 'wsgi']) {
      const within = parts.slice(0, length)
      if (existsSync(join(folder, ...within, `${name}.py`))) {
        return { app: `${within.join('.')}.${name}:application`, folder, found: `Django by ${relative('', manage)}` }
      }
    }
  }
  return null
}
