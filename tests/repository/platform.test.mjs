// Which platform this is, and what somebody reads whose platform or Node will not do.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { SUPPORTED, libcOf, unsupported } from '../../npm/asgi-node/lib/native/platform.js'
import { TARGETS } from '../../scripts/targets.mjs'

/** A 64-bit ELF header with one PT_NULL and one PT_INTERP, whose text lies at `offset`. */
function elf(interpreter, offset) {
  const text = Buffer.from(`${interpreter}\0`)
  const file = Buffer.alloc(offset + text.length)
  file.write('\x7fELF\x02\x01\x01', 'latin1')
  file.writeBigUInt64LE(64n, 32)
  file.writeUInt16LE(56, 54)
  file.writeUInt16LE(2, 56)
  const header = 64 + 56
  file.writeUInt32LE(3, header)
  file.writeBigUInt64LE(BigInt(offset), header + 8)
  file.writeBigUInt64LE(BigInt(text.length), header + 32)
  text.copy(file, offset)
  return file
}

describe('the C library of an executable', () => {
  const folder = mkdtempSync(join(tmpdir(), 'asgi-node-elf-'))
  test.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'node')

  for (const [name, bytes, expected] of [
    ['glibc', elf('/lib64/ld-linux-x86-64.so.2', 512), 'glibc'],
    ['musl', elf('/lib/ld-musl-x86_64.so.1', 512), 'musl'],
    // Its first 4 KiB may still hold the text that was there before.
    ['patched, its name at the end of the file', elf('/nix/store/abc/lib/ld-musl-aarch64.so.1', 3_000_000), 'musl'],
    ['linked statically', elf('', 512), null],
    ['not ELF', Buffer.from('#!/bin/sh\n'), null],
    ['empty', Buffer.alloc(0), null],
    ['cut in its program headers', elf('/lib64/ld-linux-x86-64.so.2', 512).subarray(0, 100), null],
  ]) {
    test(name, () => {
      writeFileSync(path, bytes)
      assert.equal(libcOf(path), expected)
    })
  }
})

test('the platforms of scripts/targets.mjs are those that the package says it supports', () => {
  assert.deepEqual(SUPPORTED, TARGETS.map(({ name }) => name))
})

test('an old Node, or a platform without a build, reads one sentence', () => {
  const { engines } = JSON.parse(readFileSync(fileURLToPath(import.meta.resolve('asgi-node/package.json')), 'utf8'))
  assert.equal(unsupported('20.19.2', 'linux-x64-gnu'), null)
  assert.equal(unsupported('26.0.0', 'darwin-arm64'), null)
  for (const version of ['18.20.8', '20.9.0', '20.19.1']) {
    assert.equal(
      unsupported(version, 'linux-x64-gnu'),
      `asgi-node needs Node.js ${engines.node.slice(2)} or later, and this is ${version}: install a newer one`,
    )
  }
  assert.match(unsupported('22.0.0', 'win32-x64'), /^asgi-node has no build for win32-x64, only for linux-x64-gnu, .*: ask for it at https:/)
})

test('field_27: it is said at import, with a code', async () => {
  const script = `
    Object.defineProperty(process, 'arch', { value: 'riscv64' })
    await import('asgi-node').then(() => console.log('imported'), ({ code, message }) => console.log(code, message))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  assert.match(stdout, /^UNSUPPORTED_PLATFORM asgi-node has no build for \w+-riscv64\S*, only for .*\n$/)
})
