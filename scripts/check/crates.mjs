// Which files of our Rust crates may import which: a folder imports only what stands below it, and no files import each
// other in a circle. The compiler does not say so: inside a crate, everything sees everything.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * From the top down: each of them may import those behind it. What a crate has at its top level must be named here.
 * @type {Record<string, string[]>}
 */
const LAYERS = {
  core: ['lib', 'bin', 'config', 'request', 'send', 'exchange', 'queue', 'event_loop', 'text', 'error', 'protocol', 'sync'],
  supervisor: ['lib', 'application', 'pool', 'member', 'front', 'relay', 'order', 'child', 'runtime'],
  bridge: ['lib', 'test_host', 'worker_host', 'application', 'asgi', 'event_loop', 'interpreter', 'log_queue', 'health', 'errors'],
  addon: ['lib', 'python', 'handler', 'drain', 'state', 'app_slot', 'sync_call', 'rewriting', 'event_sink', 'ffi', 'delivery', 'lent', 'open', 'application', 'errors'],
}
const TESTS = /#\[cfg\(test\)\]\nmod \w+ \{/
const PATH = /\b(crate|self|super)((?:::\w+)*)(::\{[^;]*\})?/g

/** @type {string[]} */
const problems = []

/**
 * The modules of a crate by their path (`asgi::http`), with the file of each.
 * @param {string} crate
 */
function modulesOf(crate) {
  const root = `crates/${crate}/src`
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', `${root}/*.rs`], { encoding: 'utf8' })
  /** @type {Map<string, string>} */
  const modules = new Map()
  for (const file of new Set(files.trim().split('\n'))) {
    const path = file.slice(root.length + 1, -'.rs'.length).split('/')
    if (path.at(-1) === 'mod') path.pop()
    modules.set(path.join('::'), file)
  }
  return modules
}

/**
 * The parts of `a::{b, c::{d, e}}`, each as a path.
 * @param {string[]} prefix
 * @param {string} [group]
 * @returns {Generator<string[], void>}
 */
function* expand(prefix, group) {
  if (!group) return yield prefix
  let [depth, part] = [0, '']
  for (const character of `${group.slice(3, -1)},`) {
    if (character === ',' && depth === 0) {
      const nested = /^\s*([\w:]*?)(::\{[\s\S]*\})?\s*$/.exec(part)
      if (nested) yield* expand([...prefix, ...nested[1].split('::').filter((name) => name && name !== 'self')], nested[2])
      part = ''
      continue
    }
    if (character === '{') depth += 1
    if (character === '}') depth -= 1
    part += character
  }
}

/**
 * The modules that the file of `module` names, by their longest path that is a module.
 * @param {string} module
 * @param {string} text
 * @param {Map<string, string>} modules
 */
function importsOf(module, text, modules) {
  const code = text
    .split(TESTS)[0]
    .replaceAll(/\/\/.*$/gm, '')
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
  const own = module === 'lib' ? [] : module.split('::')
  /** @type {Set<string>} */
  const found = new Set()
  for (const [, root, rest, group] of code.matchAll(PATH)) {
    // `pub(super)` names nobody.
    if (!rest && !group) continue
    const names = rest.split('::').slice(1)
    let base = root === 'crate' ? [] : root === 'self' ? own : own.slice(0, -1)
    while (names[0] === 'super') {
      base = base.slice(0, -1)
      names.shift()
    }
    for (const path of expand([...base, ...names], group)) {
      for (let length = path.length; length > 0; length -= 1) {
        const target = path.slice(0, length).join('::')
        // What a folder re-exports is the folder's own: naming it through its parent is an import of that parent.
        if (modules.has(target)) {
          if (target !== module) found.add(target)
          break
        }
      }
    }
  }
  return found
}

/**
 * A circle of imports, as the path that leads back to its start.
 * @param {Map<string, string[]>} graph
 */
function circleIn(graph) {
  const done = new Set()
  /** @type {(node: string, trail: string[]) => string[] | undefined} */
  const walk = (node, trail) => {
    if (trail.includes(node)) return [...trail.slice(trail.indexOf(node)), node]
    if (done.has(node)) return undefined
    for (const next of graph.get(node) ?? []) {
      const circle = walk(next, [...trail, node])
      if (circle) return circle
    }
    done.add(node)
    return undefined
  }
  for (const node of graph.keys()) {
    const circle = walk(node, [])
    if (circle) return circle
  }
  return undefined
}

for (const crate of ['core', 'rewriter', 'worker', 'supervisor', 'bridge', 'addon', 'loader']) {
  const modules = modulesOf(crate)
  const layers = LAYERS[crate]
  /** @type {Map<string, string[]>} */
  const graph = new Map()
  for (const [module, file] of modules) {
    const top = module.split('::')[0]
    if (layers && !layers.includes(top)) problems.push(`${file}: say in ${join('scripts', 'check', 'crates.mjs')} above what "${top}" stands`)
    const imports = [...importsOf(module, readFileSync(file, 'utf8'), modules)]
    // A folder's own file names its parts to arrange them.
    graph.set(module, imports.filter((target) => module !== 'lib' && !target.startsWith(`${module}::`)))
    for (const target of layers ? imports : []) {
      const below = target.split('::')[0]
      if (below !== top && layers.indexOf(below) < layers.indexOf(top)) {
        problems.push(`${file} imports crate::${target}, which stands above ${dirname(file)}`)
      }
    }
  }
  const circle = circleIn(graph)
  if (circle) problems.push(`crates/${crate}/src: ${circle.join(' → ')} is a circle of imports`)
}
if (problems.length > 0) {
  console.error(problems.join('\n'))
  process.exitCode = 1
}
