// Headers: every form it is made from, every method, and what it refuses. Needs no Python.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Headers } from 'asgi-node'

const pairs = [['x-one', '1'], ['x-two', '2a'], ['x-two', '2b']]

describe('construction', () => {
  test('each form means the same', () => {
    const forms = {
      object: { 'X-One': '1', 'X-Two': ['2a', '2b'], 'X-Gone': undefined },
      pairs: [['X-One', '1'], ['X-Two', '2a'], ['X-Two', '2b']],
      'pairs with arrays': [['X-One', '1'], ['X-Two', ['2a', '2b']]],
      flat: ['X-One', '1', 'X-Two', '2a', 'X-Two', '2b'],
      map: new Map([['X-One', '1'], ['X-Two', ['2a', '2b']]]),
      ours: new Headers(pairs),
    }
    for (const [form, init] of Object.entries(forms)) assert.deepEqual([...new Headers(init)], pairs, form)
    for (const init of [undefined, null, {}, []]) assert.equal(new Headers(init).size, 0)
  })

  test('the WHATWG class keeps its cookies apart', () => {
    const whatwg = new globalThis.Headers([['x-two', '2a'], ['x-two', '2b'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']])
    assert.deepEqual([...new Headers(whatwg)], [['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['x-two', '2a, 2b']])
  })

  test('a copy is a copy', () => {
    const first = new Headers(pairs)
    const second = new Headers(first)
    second.set('x-one', 'other')
    assert.equal(first.get('x-one'), '1')
  })

  test('order is kept across names (asgi_29)', () => {
    const mixed = [['b', '1'], ['a', '2'], ['b', '3']]
    assert.deepEqual(new Headers(mixed).entries(), mixed)
  })
})

describe('methods', () => {
  test('get has the last value, getAll all, getLine joins', () => {
    const headers = new Headers(pairs)
    assert.deepEqual([headers.get('X-TWO'), headers.getAll('X-TWO'), headers.getLine('X-TWO')], ['2b', ['2a', '2b'], '2a,2b'])
    assert.deepEqual([headers.get('none'), headers.getAll('none'), headers.getLine('none')], [null, [], null])
    assert.deepEqual([headers.has('X-One'), headers.has('none')], [true, false])
  })

  test('set replaces in place, add appends, delete removes all; each tells whether there was one', () => {
    const headers = new Headers([['a', '1'], ['b', '2'], ['a', '3'], ['c', '4']])
    assert.equal(headers.set('A', ['5', '6']), true)
    assert.deepEqual([...headers], [['a', '5'], ['a', '6'], ['b', '2'], ['c', '4']])
    assert.equal(headers.set('d', 7), false)
    assert.equal(headers.add('B', '8'), true)
    assert.equal(headers.add('e', '9'), false)
    assert.deepEqual(headers.values(), ['5', '6', '2', '4', '7', '8', '9'])
    assert.equal(headers.delete('a'), true)
    assert.equal(headers.delete('a'), false)
    assert.equal(headers.size, 5)
    headers.clear()
    assert.equal(headers.size, 0)
  })

  test('the lists, forEach and toJSON', () => {
    const headers = new Headers(pairs)
    assert.deepEqual(headers.keys(), ['x-one', 'x-two'])
    assert.deepEqual(headers.values(), ['1', '2a', '2b'])
    const seen = []
    headers.forEach((value, name, all) => seen.push([name, value, all === headers]))
    assert.deepEqual(seen, pairs.map((pair) => [...pair, true]))
    assert.deepEqual(headers.toJSON(), { 'x-one': '1', 'x-two': ['2a', '2b'] })
    assert.equal(JSON.stringify(headers), '{"x-one":"1","x-two":["2a","2b"]}')
  })

  test('names that objects have of themselves are names like others', () => {
    const headers = new Headers([['__proto__', '1'], ['constructor', '2']])
    assert.deepEqual(Object.entries(headers.toJSON()), [['__proto__', '1'], ['constructor', '2']])
  })
})

describe('what HTTP forbids', () => {
  test('names', () => {
    for (const name of ['', 'a b', 'a:', 'a\r\n', 'é', 'a\0', ' a', 7, null, undefined]) {
      assert.throws(() => new Headers([[name, '1']]), { name: 'TypeError', message: /name/ }, String(name))
      assert.throws(() => new Headers().set(name, '1'), TypeError)
      assert.throws(() => new Headers().add(name, '1'), TypeError)
    }
  })

  test('values; the message names the header', () => {
    for (const value of ['a\r\nb: c', 'a\nb', 'a\0', '€', '\x7f', '\x01', null, undefined, {}, true, [['1']]]) {
      assert.throws(() => new Headers([['x-bad', [value]]]), { name: 'TypeError', message: /x-bad/ }, String(value))
    }
  })

  test('a refused value leaves the headers as they were', () => {
    const headers = new Headers(pairs)
    assert.throws(() => headers.set('x-two', ['good', 'bad\n']), TypeError)
    assert.deepEqual([...headers], pairs)
  })

  test('shapes', () => {
    for (const init of [['odd'], [['a']], [['a', '1', '2']], [7], 'a: 1', 7, true, () => {}]) {
      assert.throws(() => new Headers(init), TypeError, String(init))
    }
  })

  test('obs-text is a value, spaces around are not (asgi_30, asgi_38)', () => {
    assert.equal(new Headers({ a: '\t caf\xe9 \x80\xff ' }).get('a'), 'caf\xe9 \x80\xff')
    assert.equal(new Headers({ a: 'x\ty' }).get('a'), 'x\ty')
  })
})
