// What a Mach-O file asks of macOS: node macho.mjs FILE. (Where it is linked there is no otool.)
//
// Prints its processor, the oldest macOS that it runs on, and the libraries that it needs.

import { readFileSync } from 'node:fs'

const [file] = process.argv.slice(2)
const bytes = readFileSync(file)
if (bytes.readUInt32LE(0) !== 0xfeedfacf) throw new Error(`${file} is no 64-bit Mach-O file`)
const LC_LOAD_DYLIB = 0xc
const LC_VERSION_MIN_MACOSX = 0x24
const LC_BUILD_VERSION = 0x32
const PROCESSORS = /** @type {Record<number, string>} */ ({ 0x01000007: 'x86_64', 0x0100000c: 'arm64' })
const needed = []
let oldest = 'none said'
let at = 32
for (let left = bytes.readUInt32LE(16); left > 0; left -= 1) {
  const command = bytes.readUInt32LE(at)
  const version = { [LC_BUILD_VERSION]: 12, [LC_VERSION_MIN_MACOSX]: 8 }[command]
  if (version) oldest = `${bytes.readUInt16LE(at + version + 2)}.${bytes[at + version + 1]}`
  if (command === LC_LOAD_DYLIB) {
    const text = bytes.toString('latin1', at + bytes.readUInt32LE(at + 8), at + bytes.readUInt32LE(at + 4))
    needed.push(text.slice(0, text.indexOf('\0')))
  }
  at += bytes.readUInt32LE(at + 4)
}
console.log(`${PROCESSORS[bytes.readUInt32LE(4)]}, macOS ${oldest}, ${needed.join(' ')}`)
