// What a Mach-O file asks of macOS: node macho.mjs FILE. (Where it is linked there is no otool.)
//
// Prints its processor, the oldest macOS that it runs on, the libraries that it needs, its own name, and how many symbols of Node
// and of Python it wants. Fails where one of these is bound to a library instead of being looked for in the whole process, or is
// weak: then it would be missing, or null. Fails, too, where the file has no thread-local variable: those are why macOS never
// unloads it, and threads of ours run in it. And without a signature no arm64 loads it.

import { readFileSync } from 'node:fs'

const LC_CODE_SIGNATURE = 0x1d
const LC_LOAD_DYLIB = 0xc
const LC_ID_DYLIB = 0xd
const LC_VERSION_MIN_MACOSX = 0x24
const LC_BUILD_VERSION = 0x32
const LC_DYLD_INFO_ONLY = 0x80000022
const LC_DYLD_CHAINED_FIXUPS = 0x80000034
const MH_HAS_TLV_DESCRIPTORS = 0x800000
const PROCESSORS = /** @type {Record<number, string>} */ ({ 0x01000007: 'x86_64', 0x0100000c: 'arm64' })
/** In place of a library's number. */
const WHOLE_PROCESS = -2

/** @typedef {{ name: string, library: number, weak: boolean }} Import */

const [file] = process.argv.slice(2)
const bytes = readFileSync(file)

/** The text that begins here. @param {number} at */
const text = (at) => bytes.toString('latin1', at, bytes.indexOf(0, at))

/** The commands of the header: what each is, and where. */
function* commands() {
  let at = 32
  for (let left = bytes.readUInt32LE(16); left > 0; left -= 1) {
    yield { command: bytes.readUInt32LE(at), at }
    at += bytes.readUInt32LE(at + 4)
  }
}

/** How many operands (LEB128) each opcode has that is not handled below, by its upper half. */
const OPERANDS = /** @type {Record<number, number>} */ ({ 0x60: 1, 0x70: 1, 0x80: 1, 0xa0: 1, 0xc0: 2 })

/** What a program of binding opcodes imports. @param {number} at @param {number} size @returns {Generator<Import>} */
function* bound(at, size) {
  const end = at + size
  let [name, library, weak] = ['', 0, false]
  const number = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at]
      at += 1
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
  }
  while (at < end) {
    const [opcode, immediate] = [bytes[at] & 0xf0, bytes[at] & 0xf]
    at += 1
    if (opcode === 0x10) library = immediate
    else if (opcode === 0x20) library = number()
    else if (opcode === 0x30) library = immediate === 0 ? 0 : immediate - 16
    else if (opcode === 0x40) {
      name = text(at)
      weak = (immediate & 1) !== 0
      at += name.length + 1
    } else {
      for (let left = OPERANDS[opcode] ?? 0; left > 0; left -= 1) number()
      if (opcode >= 0x90 && opcode <= 0xc0) yield { name, library, weak }
    }
  }
}

/** What a table of chained fixups imports, as Apple's newer linkers write it. @param {number} at @returns {Generator<Import>} */
function* chained(at) {
  const [imports, names, count, format] = [8, 12, 16, 20].map((field) => bytes.readUInt32LE(at + field))
  if (format !== 1 && format !== 2) throw new Error(`${file} has imports in format ${format}`)
  for (let i = 0; i < count; i += 1) {
    const entry = bytes.readUInt32LE(at + imports + i * 4 * format)
    const library = (entry << 24) >> 24
    yield { name: text(at + names + (entry >>> 9)), library, weak: (entry & 0x100) !== 0 }
  }
}

/** Everything that the file imports; some of it twice. @returns {Generator<Import>} */
function* imported() {
  for (const { command, at } of commands()) {
    if (command === LC_DYLD_CHAINED_FIXUPS) yield* chained(bytes.readUInt32LE(at + 8))
    if (command !== LC_DYLD_INFO_ONLY) continue
    // At once, and when it is first called.
    for (const field of [16, 32]) yield* bound(bytes.readUInt32LE(at + field), bytes.readUInt32LE(at + field + 4))
  }
}

/** Names of Node and of Python. */
function hosts() {
  const names = { node: new Set(), python: new Set() }
  for (const { name, library, weak } of imported()) {
    const isNode = name.startsWith('_napi_')
    if (!isNode && !/^__?Py/.test(name)) continue
    if (library !== WHOLE_PROCESS || weak) throw new Error(`${file} looks for ${name} in library ${library}${weak ? ', weakly' : ''}`)
    names[isNode ? 'node' : 'python'].add(name)
  }
  return names
}

if (bytes.readUInt32LE(0) !== 0xfeedfacf) throw new Error(`${file} is no 64-bit Mach-O file`)
if ((bytes.readUInt32LE(24) & MH_HAS_TLV_DESCRIPTORS) === 0) throw new Error(`${file} has no thread-local variable, and may be unloaded`)
const processor = PROCESSORS[bytes.readUInt32LE(4)]
if (processor === 'arm64' && ![...commands()].some(({ command }) => command === LC_CODE_SIGNATURE)) throw new Error(`${file} is not signed`)
const needed = []
let oldest = 'none said'
let own = ''
for (const { command, at } of commands()) {
  const version = { [LC_BUILD_VERSION]: 12, [LC_VERSION_MIN_MACOSX]: 8 }[command]
  if (version) oldest = `${bytes.readUInt16LE(at + version + 2)}.${bytes[at + version + 1]}`
  if (command === LC_LOAD_DYLIB) needed.push(text(at + bytes.readUInt32LE(at + 8)))
  if (command === LC_ID_DYLIB) own = text(at + bytes.readUInt32LE(at + 8))
}
const { node, python } = hosts()
console.log(
  `${processor}, macOS ${oldest}, ${needed.join(' ')}, is ${own}, wants ${node.size} symbols of Node and ${python.size} of Python`,
)
