// What our own reading of frames makes of a client's bytes is what the receiver of `ws` alone makes of them, however they are cut
// into packets.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Receiver } from 'ws'
import { PAYLOAD } from '../../npm/asgi-node/lib/native/protocol.js'
import { Frames } from '../../npm/asgi-node/lib/websocket/frames.js'
import { BINARY, CLOSE, KEY, LARGEST, PING, PONG, TEXT, bytes, frame, nativeIn } from './websocket-frames.mjs'

/** Packets of these lengths, again and again. */
function* cut(bytes, lengths) {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const length = lengths[turn % lengths.length]
    yield bytes.subarray(at, at + length)
    at += length
  }
}

function listen(receiver, events) {
  receiver.on('message', (data, isBinary) => events.push(['message', isBinary, data.toString('latin1')]))
  receiver.on('ping', (data) => events.push(['ping', data.toString('latin1')]))
  receiver.on('pong', (data) => events.push(['pong', data.toString('latin1')]))
  receiver.on('conclude', (code, reason) => events.push(['close', code, reason.toString()]))
  receiver.on('error', (error) => events.push(['error', error.code, error.message]))
}

const make = () => new Receiver({ isServer: true, maxPayload: LARGEST, maxFragments: 10 })

/** Both write as the socket of `ws` does, which stops with a fault or a close frame. */
async function read(receiver, packets) {
  let over = false
  receiver.on('conclude', () => (over = true)).on('error', () => (over = true))
  for (const packet of packets) {
    if (over) break
    // Node's Buffer is the socket's no longer when the next one comes.
    const own = Buffer.from(packet)
    receiver.write(own)
    if (receiver.writableLength > 0) await once(receiver, 'drain')
    await turn()
  }
}

async function compare(name, frames, cuts, least = 0) {
  const bytes = Buffer.concat(frames)
  for (const lengths of cuts) {
    const [expected, found] = [[], []]
    const taken = { payloads: 0 }
    const alone = make()
    listen(alone, expected)
    await read(alone, cut(bytes, lengths))
    const receiver = make()
    listen(receiver, found)
    Frames.read({ _receiver: receiver }, nativeIn(found, taken), LARGEST)
    await read(receiver, cut(bytes, lengths))
    assert.deepEqual(found, expected, `${name}, cut into ${lengths}`)
    assert.ok(taken.payloads >= least, `${name}, cut into ${lengths}: ${taken.payloads} payloads were taken`)
  }
}

const whole = [1_000_000]
const small = [[1], [2], [3, 1], [5, 7, 11], [70], whole]
const large = [[65_536], [65_550, 1], [1000, 64_000, 3], [40_000, 9], whole]
const text = (words) => Buffer.from(words)

test('messages of every length of head, with pings between them', async () => {
  const sizes = [0, 1, 3, 4, 5, 124, 125, 126, 127, 300]
  const frames = sizes.flatMap((size) => [frame(BINARY, bytes(size)), frame(PING, bytes(size % 126)), frame(TEXT, text('é'.repeat(size)))])
  await compare('small', [...frames, frame(PONG, text('')), frame(CLOSE, Buffer.from([3, 232]))], small, 1)
  await compare('small and uncut', frames, [whole], 2 * sizes.length)
})

test('messages that are longer than packets', async () => {
  const frames = [65_535, 65_536, 65_537, LARGEST].flatMap((size) => [frame(BINARY, bytes(size)), frame(TEXT, text('x'.repeat(size - 2) + 'é'))])
  await compare('large', frames, large, frames.length)
})

test('fragments are left to ws, with messages before and behind them', async () => {
  const fragments = [frame(TEXT, text('a'), { fin: false }), frame(PING, text('p')), frame(0, text('b'), { fin: false }), frame(0, text('c'))]
  const around = [frame(BINARY, bytes(9)), ...fragments, frame(TEXT, text('d')), ...fragments, frame(BINARY, bytes(130))]
  await compare('fragments', around, small, 1)
})

for (const [name, fault] of Object.entries({
  'bad UTF-8': frame(TEXT, Buffer.from([0x68, 0xff, 0x68])),
  'bad UTF-8 at the end': frame(TEXT, Buffer.concat([text('x'.repeat(300)), Buffer.from([0xc3])])),
  'no mask': frame(BINARY, bytes(5), { masked: false }),
  'a reserved bit': frame(TEXT, bytes(5), { rsv: 2 }),
  'compressed, and not agreed': frame(TEXT, bytes(5), { rsv: 4 }),
  'an opcode that is none': frame(3, bytes(5)),
  'a continuation of nothing': frame(0, bytes(5)),
  'too long': frame(BINARY, bytes(50), { announced: LARGEST + 1 }),
  'far too long': frame(BINARY, bytes(50), { announced: 2 ** 40 }),
  'longer than numbers are': Buffer.from([0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, ...KEY]),
  'a ping in fragments': frame(PING, bytes(5), { fin: false }),
  'a ping that is too long': frame(PING, bytes(126)),
  'a close frame with half a code': frame(CLOSE, bytes(1)),
  'data behind a close frame': frame(CLOSE, Buffer.from([3, 233, 0x62])),
  'a message that does not end': frame(BINARY, bytes(50), { announced: 60 }).subarray(0, 40),
})) {
  test(`a fault, and nothing behind it: ${name}`, async () => {
    await compare(name, [frame(TEXT, text('before')), frame(PING, text('p')), fault], small, 1)
    await compare(name, [frame(TEXT, text('before')), fault, frame(BINARY, text('behind'))], [whole, [64]], 1)
  })
}

test('a long message is not held back in packets, and a receiver that we do not know stays as it is', () => {
  const receiver = make()
  const calls = []
  Frames.read({ _receiver: receiver }, { payload: (...call) => calls.push(call.slice(1)) && PAYLOAD.TAKEN }, LARGEST)
  receiver.write(frame(BINARY, bytes(20_000)).subarray(0, 4000))
  receiver.write(frame(BINARY, bytes(20_000)).subarray(4000))
  assert.deepEqual(calls.map(([start, end, , follow]) => [start, end, follow]), [[8, 4000, 16_008], [0, 16_008, 0]])
  const { write } = receiver.constructor.prototype
  for (const odd of [{ write }, { write, _state: 0, _bufferedBytes: 0 }]) {
    Frames.read({ _receiver: odd }, {}, LARGEST)
    assert.equal(odd.write, write)
  }
  assert.doesNotThrow(() => Frames.read({}, {}, LARGEST))
})
