// The client of the study of sockets: opens them all, says so, then for each line of stdin keeps some of them busy for so many seconds,
// and says how many answers it got.   node sockets.mjs PORT SOCKETS BUSY
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const [port, sockets, busy] = process.argv.slice(2).map(Number)
const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
const END = 'Hello, world!'
/** Connections that are opened at once. */
const BATCH = 200

/** @type {import('node:net').Socket[]} */
const open = []
while (open.length < sockets) {
  const batch = Array.from({ length: Math.min(BATCH, sockets - open.length) }, () => connect({ port, host: '127.0.0.1', noDelay: true }))
  await Promise.all(batch.map((socket) => once(socket, 'connect')))
  open.push(...batch)
}

/** One request after the other. @param {import('node:net').Socket} socket @param {number} end */
async function ask(socket, end) {
  let count = 0
  while (performance.now() < end) {
    socket.write(REQUEST)
    for (let text = ''; !text.endsWith(END); ) text += (await once(socket, 'data'))[0]
    count++
  }
  return count
}

// Each is used once, so that the server knows it.
await Promise.all(open.map((socket) => ask(socket, performance.now() + 1)))
console.log(open.length)
for await (const line of createInterface({ input: process.stdin })) {
  const end = performance.now() + Number(line) * 1000
  const counts = await Promise.all(open.slice(0, busy).map((socket) => ask(socket, end)))
  console.log(counts.reduce((sum, count) => sum + count, 0))
}
