// Checks the platform and the Node version. It knows nothing else of asgi-node, and runs before the rest of the package. So a
// user whose platform is not supported gets one clear sentence.

import { closeSync, openSync, readSync } from 'node:fs'

/** The names of the platforms' packages; scripts/targets.mjs makes them, and a test compares. */
export const SUPPORTED = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-arm64',
  'darwin-x64',
]

/** The version of `engines` in package.json. The HTTP parser of earlier versions permits request smuggling (CVE-2025-23167). */
const OLDEST_NODE = [20, 19, 2]

const ISSUES = 'https://github.com/asgi-node/asgi-node/issues'

/**
 * The platform as in the name of its package, for example `linux-x64-gnu`.
 *
 * @returns {string}
 */
export function target() {
  const libc = nodeLibc()
  const suffix = libc === 'glibc' ? '-gnu' : libc === 'musl' ? '-musl' : ''
  return `${process.platform}-${process.arch}${suffix}`
}

/** @type {'glibc' | 'musl' | null | undefined} */
let libcOfNode

/**
 * The C library that this Node uses. A process cannot have two, so Python must use the same.
 *
 * @returns {'glibc' | 'musl' | null} null: neither, or Node is linked statically
 */
export function nodeLibc() {
  // process.report takes long, and ldd is not always installed.
  if (libcOfNode === undefined) libcOfNode = process.platform === 'linux' ? libcOf(process.execPath) : null
  return libcOfNode
}

/**
 * The C library of an executable. The dynamic linker in its program headers (PT_INTERP) tells.
 *
 * The linker's name is near the beginning of most files. In a file that patchelf has changed, as on NixOS, it can be anywhere.
 *
 * @param {string} path
 * @returns {'glibc' | 'musl' | null}
 */
export function libcOf(path) {
  const file = openSync(path, 'r')
  try {
    const linker = dynamicLinker((offset, length) => {
      const bytes = Buffer.alloc(length)
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset))
    })
    if (linker.includes('/ld-musl-')) return 'musl'
    return linker.includes('/ld-linux') ? 'glibc' : null
  } finally {
    closeSync(file)
  }
}

/**
 * PT_INTERP of a 64-bit little-endian ELF file; '' if there is none.
 * @param {(offset: number, length: number) => Buffer} read
 */
function dynamicLinker(read) {
  const header = read(0, 64)
  if (header.length < 64 || header.toString('latin1', 0, 4) !== '\x7fELF' || header[4] !== 2 || header[5] !== 1) return ''
  const size = header.readUInt16LE(54)
  const count = header.readUInt16LE(56)
  const table = read(Number(header.readBigUInt64LE(32)), size * count)
  for (let at = 0; at + 56 <= table.length; at += Math.max(size, 56)) {
    if (table.readUInt32LE(at) !== 3) continue
    const length = Math.min(Number(table.readBigUInt64LE(at + 32)), 4096)
    return read(Number(table.readBigUInt64LE(at + 8)), length).toString('latin1')
  }
  return ''
}

/** Whether a Node version is at least `oldest`. @param {string} version @param {number[]} oldest */
function isAtLeast(version, oldest) {
  const found = version.split('.').map(Number)
  const at = oldest.findIndex((part, i) => part !== found[i])
  return at === -1 || found[at] > oldest[at]
}

/**
 * Why asgi-node cannot be used here, in one sentence; null if it can.
 *
 * @param {string} version of Node
 * @param {string} name of the platform
 */
export function unsupported(version = process.versions.node, name = target()) {
  if (!isAtLeast(version, OLDEST_NODE)) {
    return `asgi-node needs Node.js ${OLDEST_NODE.join('.')} or later, and this is ${version}: install a newer one`
  }
  if (!SUPPORTED.includes(name)) {
    return `asgi-node has no build for ${name}, only for ${SUPPORTED.join(', ')}: ask for it at ${ISSUES}`
  }
  return null
}
