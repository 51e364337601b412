// Apps that do everything wrong, one kind at a time. After each: the client has one defined answer, byte by byte; the
// next request on the connection and one on a new connection are answered; nothing of the app's errors has leaked.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { until } from '../node/support.mjs'
import { ALIVE, PROBE, answered, assertAlive, assertUnharmed, get, replied, response, serveApart, wireJson } from './wire.mjs'

const limits = { timeout: 60_000 }
let kinds
const site = serveApart({ before, after }, 'misbehaving_app:app', {
  options: { loop: 'uvloop' },
  prepare: async () => {
    kinds = await wireJson(site, '/kinds')
  },
})
// uvloop's code is not asyncio's where a loop is stopped or left by an exception.
const asyncioSite = serveApart({ before, after }, 'misbehaving_app:app', { options: { loop: 'asyncio' } })
const ERROR = answered(500)
const COMPLETE = response(200, [], 'complete')
const SECRET = 'secret-of-the-app'

/** A response that is open: its head and first chunks, then the end of the connection instead of the last chunk. */
const cut = (chunks = []) => response(200, [], '', { chunks }).slice(0, -'0\r\n\r\n'.length)

/** One kind and a probe in one packet: `expected`, then the probe's answer unless the connection had to end. */
async function check(path, expected, { closes = false, request = get(path), on = site } = {}) {
  const received = await on.raw(request + PROBE)
  assert.equal(shown(received), shown(closes ? expected : expected + ALIVE), path)
  assert.ok(!received.includes(SECRET) && !received.toLowerCase().includes('injected'), path)
}

/** Two chunks of text in a row. Their bounds say nothing: Node 26 makes one chunk of what is written in one turn. */
const TWO_CHUNKS = /(?<=\r\n)([\da-f]+)\r\n([a-z\d]+)\r\n([\da-f]+)\r\n([a-z\d]+)\r\n/

/** With one chunk in place of several. */
function joined(text) {
  const next = text.replace(TWO_CHUNKS, (all, size, chunk, nextSize, nextChunk) => {
    const sound = Number.parseInt(size, 16) === chunk.length && Number.parseInt(nextSize, 16) === nextChunk.length
    return sound ? `${(chunk.length + nextChunk.length).toString(16)}\r\n${chunk}${nextChunk}\r\n` : all
  })
  return next === text ? text : joined(next)
}

/** Short enough to be compared in a message. */
const shown = (text) => (text.length < 20_000 ? joined(text) : `${text.slice(0, 300)} … ${text.slice(-300)} (${text.length})`)

/** After a group of kinds. */
async function assertNothingLeft(on = site) {
  await assertAlive(on)
  assertUnharmed(on)
  await until(async () => (await wireJson(on, '/tasks')).tasks === 1, 'the end of all tasks')
  const { pid, problems } = await wireJson(on, '/tasks')
  assert.deepEqual([pid, problems], [on.pid, []])
}

describe('events that send refuses', limits, () => {
  test('caught: the app can still answer', async () => {
    for (const kind of kinds.refused) {
      await check(`/caught/${encodeURIComponent(kind)}`, caught(kind))
      await assertAlive(site)
    }
    await assertNothingLeft()
  })

  test('not caught: 500 while nothing has been sent, else what was sent and the end of the connection', async () => {
    for (const kind of kinds.refused) {
      const { expected, closes } = escaped(kind)
      await check(`/escaped/${encodeURIComponent(kind)}`, expected, { closes })
      await assertAlive(site)
    }
    await assertNothingLeft()
  })

  test('they are more than a hundred, and each raised what it should', async () => {
    assert.ok(kinds.refused.length > 100, kinds.refused.length)
    assert.deepEqual((await wireJson(site, '/tasks')).problems, [])
  })
})

function caught(kind) {
  const declared = (length) => response(200, [['content-length', String(length)]], 'complete'.slice(0, length))
  if (kind === 'body-of-many') return ERROR
  if (kind === 'body-some-of-0') return declared(0)
  if (/^body-(longer|shorter|none-of)/.test(kind)) return declared(8)
  if (kind === 'order-start-after-body') return response(200, [], '', { chunks: ['1', 'omplete'] })
  return COMPLETE
}

function escaped(kind) {
  // Complete before the event that is refused.
  if (/^order-.*-after-end$/.test(kind)) return { expected: COMPLETE }
  if (kind === 'order-start-after-body') return { expected: cut(['1']), closes: true }
  if (kind === 'body-longer-later') {
    return { expected: response(200, [['content-length', '8']], 'com'), closes: true }
  }
  return { expected: ERROR }
}

describe('exceptions at every point', limits, () => {
  const POINTS = {
    before: [ERROR, false],
    held: [ERROR, false],
    started: [cut(), true],
    chunk: [cut(['first']), true],
    end: [COMPLETE, false],
  }
  for (const [point, [expected, closes]] of Object.entries(POINTS)) {
    test(point, async () => {
      assert.ok(kinds.raise.length > 20)
      for (const kind of kinds.raise) {
        const from = site.log.length
        await check(`/raise/${point}/${kind}`, expected, { closes })
        await until(() => site.log.slice(from).includes('Exception in ASGI application: GET /raise/'), `${kind} in the log`)
        await assertAlive(site)
      }
      await assertNothingLeft()
    })
  }
})

describe('unusual, and allowed or ignored', limits, () => {
  const sized = (headers, status = 200) => response(status, [...headers, ['content-length', '8']], 'complete')
  /** Those that differ from a plain response. */
  const ODD = {
    'no-body': response(200, [], '', { chunks: [] }),
    bytearray: response(200, [['x-a', 'b']], 'complete'),
    'bytes-subclass': response(200, [['x-a', 'b']], 'complete'),
    'generator-headers': response(200, [['x-a', '0'], ['x-a', '1'], ['x-a', '2']], 'complete'),
    reentrant: response(200, [['x-inner', '1']], 'complete'),
    'dropped-body': response(
      200,
      [['content-length', '1200042']],
      ['x', 'x', 'y'].map((letter) => `${letter.repeat(400_000)}from the grave`).join(''),
    ),
    'no-await': response(200, [], '', { chunks: ['0', '1', '2', '3', '4'] }),
    case: response(200, [['x-case', 'KePt']], 'complete'),
    duplicates: response(200, [['set-cookie', 'a=1'], ['x-o', '1'], ['set-cookie', 'b=2']], 'complete'),
    'latin-1': response(200, [['x-a', '\xe9\x85\xff']], 'complete'),
    tabs: response(200, [['x-a', 'a\tb']], 'complete'),
    'empty-value': response(200, [['x-a', '']], 'complete'),
    'length-padded': sized([]),
    'length-twice-equal': sized([]),
    'transfer-encoding-gzip': sized([]),
    'connection-close': response(200, [['connection', 'close']], 'complete'),
    'connection-upgrade': sized([['connection', 'upgrade'], ['upgrade', 'h2c']]),
    'connection-keep-alive': sized([['connection', 'keep-alive']]),
    'trailer-header': sized([]),
    'trailer-header-204': response(204),
    'expect-header': sized([['expect', '100-continue']]),
    'body-on-204': response(204),
    'body-on-205': sized([], 205),
    'body-on-304': response(304, [['content-length', '8']]),
    'body-on-100': response(100, [['connection', 'close']]).replace('unknown', 'Continue'),
    'body-on-101': response(101, [['upgrade', 'x'], ['connection', 'close']]).replace('unknown', 'Switching Protocols'),
    'body-on-103': response(103, [['connection', 'close']]).replace('unknown', 'Early Hints'),
    'chunks-on-204': response(204),
    'status-299': sized([], 299),
    'status-999': sized([], 999),
    'looks-like-a-chunk': response(200, [], '0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'),
    'many-headers': response(200, Array.from({ length: 5000 }, (_, number) => [`x-${number}`, 'v']), 'complete'),
    'long-header': response(200, [['x-long', 'v'.repeat(200_000)]], 'complete'),
  }
  const ENDS = new Set(['connection-close', 'body-on-100', 'body-on-101', 'body-on-103'])

  test('each has one response', async () => {
    assert.deepEqual(Object.keys(ODD).filter((kind) => !kinds.odd.includes(kind)), [])
    for (const kind of kinds.odd) {
      await check(`/odd/${kind}`, ODD[kind] ?? COMPLETE, { closes: ENDS.has(kind) })
      await assertAlive(site)
    }
    assert.equal(site.log.split('The body was dropped').length, 2, 'asgi_60: said, and said once')
    await assertNothingLeft()
  })

  test('the same for HEAD: never a body, and the connection goes on', async () => {
    for (const kind of kinds.odd) {
      const full = ODD[kind] ?? COMPLETE
      const head = full.slice(0, full.indexOf('\r\n\r\n') + 4)
      const options = { closes: ENDS.has(kind), request: get(`/odd/${kind}`, '', 'HEAD') }
      await check(`/odd/${kind}`, head.replace('Transfer-Encoding: chunked\r\n', ''), options)
    }
    await assertNothingLeft()
  })

  test('the same for HTTP/1.0: never chunks, the connection is the end', async () => {
    for (const kind of kinds.odd) {
      const full = ODD[kind] ?? COMPLETE
      const received = await site.raw(`GET /odd/${kind} HTTP/1.0\r\n\r\n`)
      const [head] = received.split('\r\n\r\n', 1)
      assert.doesNotMatch(head, /transfer-encoding|keep-alive: /i, kind)
      assert.equal(shown(received.slice(head.length + 4)), shown(unchunked(full)), kind)
    }
    await assertNothingLeft()
  })

  function unchunked(full) {
    const at = full.indexOf('\r\n\r\n') + 4
    if (!full.slice(0, at).includes('chunked')) return full.slice(at)
    let text = ''
    for (let rest = full.slice(at); !rest.startsWith('0\r\n'); ) {
      const line = rest.indexOf('\r\n') + 2
      const length = Number.parseInt(rest, 16)
      text += rest.slice(line, line + length)
      rest = rest.slice(line + length + 2)
    }
    return text
  }
})

describe('what an app does to its task, to threads and to the loop', limits, () => {
  const length = (bytes) => [['content-length', String(bytes)]]
  const LIFE = {
    nothing: ERROR,
    'only-start': ERROR,
    'cancel-itself': ERROR,
    'unawaited-big': response(200, length(4_000_000), 'x'.repeat(4_000_000)),
    'cancel-while-sending': response(200, length(4_000_008), `${'x'.repeat(4_000_000)}complete`),
    'from-thread': response(200, [], '', { chunks: ['comp', 'lete'] }),
    'threads-race': response(200, length(80_000), 'x'.repeat(80_000)),
    'gather-big': response(200, length(2_000_000), ['0', '1', '2', '3'].map((n) => n.repeat(500_000)).join('')),
    'gather-after-end': response(200, length(2), 'aa'),
    'finally-sends': COMPLETE,
  }
  const CUT = { unfinished: cut(['half']), short: response(200, length(8), 'half') }
  /** No probe in the same packet: these end it too, or after a number of bytes that the kernel chooses. */
  const ALONE = { 'cancel-everybody': /^HTTP\/1.1 500 /, 'left-running': /^HTTP\/1.1 200 OK\r\n[^x]*x+$/ }
  const NEVER = ['endless', 'endless-body', 'stubborn']

  for (const on of [site, asyncioSite]) {
    test(`each has one response, and the loop goes on for everybody else: ${on === site ? 'uvloop' : 'asyncio'}`, async () => {
      for (const kind of kinds.life.filter((kind) => !NEVER.includes(kind))) {
        if (kind in ALONE) assert.match(await on.raw(get(`/life/${kind}`, 'Connection: close\r\n')), ALONE[kind], kind)
        else await check(`/life/${kind}`, CUT[kind] ?? LIFE[kind] ?? replied('complete'), { closes: kind in CUT, on })
        await assertAlive(on)
      }
      await assertNothingLeft(on)
      assert.match(on.log, /SystemExit: 3[^]*stopped the event loop/)
    })
  }

  test('never ending, until the client leaves', async () => {
    for (const kind of NEVER) {
      for (const enough of [() => false, (received) => received.length > 100_000]) {
        await site.raw(get(`/life/${kind}`), { enough, patience: 200 })
        await assertAlive(site)
      }
    }
    await assertNothingLeft()
  })

  test('200 of all sorts at once: each client has its own answer', async () => {
    const sorts = ['/caught/name-crlf', '/escaped/status-1000', '/raise/chunk/system-exit', '/odd/reentrant', '/life/nothing']
    const answers = [COMPLETE, ERROR, cut(['first']), response(200, [['x-inner', '1']], 'complete'), ERROR]
    await Promise.all(
      Array.from({ length: 200 }, (_, n) => check(sorts[n % 5], answers[n % 5], { closes: n % 5 === 2 })),
    )
    await assertNothingLeft()
  })
})
