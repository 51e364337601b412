// Conditions and rewriters by themselves: each class alone, grouped, in sequence and nested; what is written down; what is refused.
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import {
  ConditionalRewriter,
  ExistenceCondition,
  GroupCondition,
  HeaderCondition,
  HeaderRewriter,
  HrefRewriter,
  MethodCondition,
  MethodRewriter,
  NonExistenceCondition,
  PathCondition,
  PathRewriter,
  Request,
  Rewriter,
  SequenceRewriter,
} from 'asgi-node'
import { collect, makeHandler, temporaryFolder } from '../node/support.mjs'

const request = (url = '/', init = {}) => new Request({ url, ...init })
/** The url that comes of one. */
const url = (rewriter, from, init) => rewriter.rewrite(request(from, init)).url

describe('conditions', () => {
  test('each by itself', () => {
    assert.equal(new PathCondition('^/api/').matches(request('/api/x?y')), true)
    assert.equal(new PathCondition('y').matches(request('/api/x?y')), false)
    assert.equal(new MethodCondition('^(PUT|POST)$').matches(request('/', { method: 'POST' })), true)
    assert.equal(new MethodCondition('^P').matches(request()), false)
    assert.equal(new HeaderCondition('X-A', 'two').matches(request('/', { headers: { 'x-a': 'two' } })), true)
    assert.equal(new HeaderCondition('x-a', '').matches(request()), false)
    assert.equal(new ExistenceCondition().matches(request('/rewriter.test.mjs'), import.meta.dirname), true)
    assert.equal(new NonExistenceCondition().matches(request('/rewriter.test.mjs'), import.meta.dirname), false)
  })

  test('a header condition looks at all values', () => {
    const headers = [['x-a', 'one'], ['x-a', 'two'], ['x-a', 'three']]
    for (const value of ['one', 'two', 'three']) assert.ok(new HeaderCondition('x-a', `^${value}$`).matches(request('/', { headers })))
    assert.equal(new HeaderCondition('x-a', 'four').matches(request('/', { headers })), false)
  })

  test('the Host of an absolute url is a header, as it is for an app', () => {
    assert.equal(new HeaderCondition('host', '^h:81$').matches(request('http://h:81/')), true)
    assert.equal(new HeaderCondition('host', '^h').matches(request('http://h/', { headers: { host: 'other' } })), false)
  })

  test('groups', () => {
    const [yes, no] = [new PathCondition('^/'), new PathCondition('^x')]
    const table = [
      [yes.and(yes), true], [yes.and(no), false], [no.or(yes), true], [no.or(no), false],
      [no.or(yes).and(yes), true], [no.and(yes).or(yes), true], [no.and(yes.or(yes)), false],
      [new GroupCondition('and', []), true], [new GroupCondition('or', []), false],
    ]
    for (const [condition, expected] of table) {
      assert.ok(condition instanceof GroupCondition)
      assert.equal(condition.matches(request()), expected, inspect(condition, { depth: 9 }))
    }
  })

  test('nested ten deep', () => {
    let condition = new PathCondition('^/a')
    for (let i = 0; i < 10; i++) condition = i % 2 ? condition.and(new PathCondition('/')) : condition.or(new PathCondition('^/b'))
    assert.deepEqual(['/a', '/b', '/c'].map((path) => condition.matches(request(path))), [true, true, false])
  })

  test('a long chain is no deep one, and a deep one is refused', () => {
    const chain = Array.from({ length: 1000 }, (_, i) => new PathCondition(`^/${i}$`)).reduce((a, b) => a.or(b))
    assert.deepEqual(['/999', '/1000'].map((path) => chain.matches(request(path))), [true, false])
    let deep = new PathCondition('a')
    const nest = () => {
      for (let i = 0; i < 100; i++) deep = i % 2 ? deep.and(new PathCondition('a')) : deep.or(new PathCondition('a'))
    }
    assert.throws(nest, { name: 'TypeError', message: 'Conditions and rewriters are nested more than 50 deep' })
    assert.equal(deep.matches(request('/a')), true)
  })
})

describe('existence', () => {
  const exists = (path, docroot) => new ExistenceCondition().matches(request(path), docroot)

  test('never outside of the docroot, and decoded once', (t) => {
    const folder = temporaryFolder(t, { outside: '' })
    const docroot = join(folder, 'site')
    mkdirSync(join(docroot, 'a b'), { recursive: true })
    mkdirSync(join(folder, 'site-2'))
    for (const [target, name] of [['/etc', 'etc'], ['../outside', 'out'], ['a b', 'in'], ['../site-2', 'beside']]) {
      symlinkSync(target, join(docroot, name))
    }
    const there = ['/', '//', '/a%20b', '/a%20b/', '/%61%20b', '/./a%20b', '/in', '/in/', '/x/../a%20b', '//in']
    const missing = [
      '/nothing', '/../outside', '/%2e%2e/outside', '/..%2foutside', '/../site/in', '/in/../../outside', '//etc/passwd', '/../../../../etc/passwd',
      '/%252e%252e/outside', '/a%2520b', '/etc/passwd', '/etc', '/out', '/beside', '/in%00', '/%00', `/${'in/../'.repeat(2000)}in`, '/%ff', `/${'a'.repeat(5000)}`,
    ]
    assert.deepEqual([...there, ...missing].filter((path) => exists(path, docroot)), there)
  })

  test('a file is no folder', () => {
    assert.equal(exists('/rewriter.test.mjs', import.meta.dirname), true)
    assert.equal(exists('/rewriter.test.mjs/', import.meta.dirname), false)
  })

  test('where it looks: what it is told, the docroot of the request, the current folder', () => {
    const condition = new ExistenceCondition()
    assert.equal(condition.matches(request('/ARCHITECTURE.md')), condition.matches(request('/ARCHITECTURE.md'), '.'))
    assert.equal(condition.matches(request('/rewriter.test.mjs', { docroot: import.meta.dirname })), true)
    assert.equal(condition.matches(request('/rewriter.test.mjs', { docroot: import.meta.dirname }), '/'), false)
    assert.equal(condition.matches(request('/rewriter.test.mjs'), '/there/is/none'), false)
    for (const docroot of [7, '', 'a\0b']) assert.throws(() => condition.matches(request(), docroot), { name: 'TypeError', message: /^docroot must be the path/ })
    const rewriter = new PathRewriter('^', '/found').when(condition)
    assert.equal(rewriter.rewrite(request('/rewriter.test.mjs'), import.meta.dirname).url, '/found/rewriter.test.mjs')
  })
})

describe('rewriters', () => {
  test('each by itself, and the request that it was given stays as it was', () => {
    const given = request('http://h:81/a/b?q=1', { method: 'POST', headers: [['x-a', '1'], ['X-B', '2'], ['x-a', '3']], body: 'text' })
    const before = JSON.stringify(given)
    const moved = new PathRewriter('^/a', '/c').rewrite(given)
    assert.ok(moved instanceof Request && moved !== given)
    assert.deepEqual([moved.url, moved.path, moved.method], ['http://h:81/c/b?q=1', '/c/b', 'POST'])
    assert.equal(new HrefRewriter('/b\\?q=(\\d)', '/$1').rewrite(given).url, 'http://h:81/a/1')
    assert.equal(new MethodRewriter('PATCH').rewrite(given).method, 'PATCH')
    assert.deepEqual(new HeaderRewriter('X-A', '$', '!').rewrite(given).headers.entries(), [['x-a', '1!'], ['x-b', '2'], ['x-a', '3!']])
    assert.equal(JSON.stringify(given), before)
    assert.equal(moved.body.toString(), 'text')
  })

  test('what matches nothing gives an equal request', () => {
    const given = request('http://h/é?q', { headers: { a: 'b' }, docroot: '/x', socket: { remoteAddress: '::1' } })
    const same = new PathRewriter('nothing', '').rewrite(given)
    assert.notEqual(same, given)
    assert.notEqual(same.headers, given.headers)
    assert.deepEqual([same.url, same.docroot, same.socket, same.headers.entries()], [given.url, '/x', given.socket, [['a', 'b']]])
  })

  test('a header rewriter changes each value that matches, and keeps the others in their order', () => {
    const headers = [['accept', 'a'], ['x', '1'], ['accept', 'b'], ['accept', 'aa']]
    const rewritten = new HeaderRewriter('Accept', /a/g, 'c').rewrite(request('/', { headers }))
    assert.deepEqual(rewritten.headers.entries(), [['accept', 'c'], ['x', '1'], ['accept', 'b'], ['accept', 'cc']])
    assert.deepEqual(new HeaderRewriter('none', '', 'c').rewrite(request('/', { headers })).headers.entries(), headers)
  })

  test('a header from another: in place of all of its values, where one of the other matches', () => {
    const tenant = new HeaderRewriter('x-tenant', /^([a-z]+)\.example\.com$/, '$1', { from: 'Host' })
    const entries = (headers) => tenant.rewrite(request('/', { headers })).headers.entries()
    assert.deepEqual(entries([['host', 'acme.example.com']]), [['host', 'acme.example.com'], ['x-tenant', 'acme']])
    const forged = [['x-tenant', 'a'], ['host', 'acme.example.com'], ['X-Tenant', 'b']]
    assert.deepEqual(entries(forged), [['x-tenant', 'acme'], ['host', 'acme.example.com']])
    assert.deepEqual(entries([['x-tenant', 'a'], ['host', 'example.com']]), [['x-tenant', 'a'], ['host', 'example.com']])
    assert.equal(tenant.rewrite(request('http://acme.example.com/')).headers.get('x-tenant'), 'acme')
  })

  test('the Host of an absolute url', () => {
    const rewriter = new HeaderRewriter('host', '^old\\.', 'new.')
    assert.deepEqual(rewriter.rewrite(request('http://old.h/x')).headers.entries(), [['host', 'new.h']])
    assert.deepEqual(new PathRewriter('x', 'y').rewrite(request('http://old.h/x')).headers.entries(), [])
  })

  test('the query of a replacement wins, or is merged where the replacement ends in &', () => {
    assert.equal(url(new PathRewriter('^/a', '/b'), '/a/c?x=1?2'), '/b/c?x=1?2')
    assert.equal(url(new PathRewriter('^/a$', '/b?y=2'), '/a?x=1'), '/b?y=2')
    assert.equal(url(new PathRewriter('^/a$', '/b?y=2&'), '/a?x=1'), '/b?y=2&x=1')
    assert.equal(url(new PathRewriter('^/a$', '/b?y=2&'), '/a'), '/b?y=2')
    assert.equal(url(new PathRewriter('^/a$', '/b?&'), '/a?x=1'), '/b?x=1')
    assert.equal(url(new PathRewriter('^/a$', '/b?'), '/a?x=1'), '/b')
    // Only the replacement's own end counts: what a client sends cannot bring its query back.
    assert.equal(url(new PathRewriter('^/s/(.*)$', '/s?q=$1'), '/s/a&?admin=1'), '/s?q=a&')
    assert.equal(url(new HrefRewriter('^/a', '/b?y=2'), '/a?x=1'), '/b?y=2')
    assert.equal(url(new HrefRewriter('^/a', '/b?y=2&'), '/a?x=1'), '/b?y=2&x=1')
    assert.equal(url(new HrefRewriter('^(.*)$', '/index?href=$1'), '/a?x=1'), '/index?href=/a?x=1')
    assert.equal(url(new HrefRewriter('x=1', 'y=2'), '/a?x=1'), '/a?y=2')
    assert.equal(url(new HrefRewriter(/\d/g, '9'), '/1/2?3=4'), '/9/9?9=9')
    assert.equal(url(new HrefRewriter(/a/g, 'b?'), '/a/a?a'), '/b?/b?')
  })

  test('references as in ECMAScript', () => {
    assert.equal(url(new PathRewriter('^/(?<first>\\w+)/(\\w+)$', '/$2/$<first>/$$/$&'), '/a/b'), '/b/a/$//a/b')
    assert.equal(url(new PathRewriter('^/(a)$', '/$1foo$01$2'), '/a'), '/afooa$2')
  })

  test('a string is unanchored and has no flags; a RegExp has its own, and so has { pattern, flags }', () => {
    assert.equal(url(new PathRewriter('a', 'b'), '/aaA'), '/baA')
    assert.equal(url(new PathRewriter(/a/gi, 'b'), '/aaA'), '/bbb')
    assert.equal(url(new PathRewriter({ pattern: 'a', flags: 'g' }, 'b'), '/aaA'), '/bbA')
    assert.equal(url(new PathRewriter({ pattern: 'a' }, 'b'), '/aaA'), '/baA')
  })

  test('paths are percent-encoded, and so is what rules say of them', () => {
    assert.equal(url(new PathRewriter('^/café/(.*)$', '/bar é/$1'), '/caf%c3%a9/cr%C3%A8me'), '/bar%20%C3%A9/cr%C3%A8me')
    assert.equal(url(new PathRewriter('é+', '-'), '/ééx'), '/-x')
    assert.equal(url(new PathRewriter(/É|€|😀/gi, '-'), '/é€😀'), '/---')
    assert.equal(url(new PathRewriter('\\u00e9|\\ud83d\\ude00', '-'), '/😀'), '/-')
    assert.equal(url(new PathRewriter('a b', '-'), '/a b'), '/-')
    assert.equal(url(new PathRewriter('^/a%2Fb$', '/$&/c'), '/a%2Fb'), '//a%2Fb/c')
    assert.equal(url(new PathRewriter('^/.$', '/one'), '/é'), '/é')
  })

  test('headers are latin-1', () => {
    const value = (rewriter, text) => rewriter.rewrite(request('/', { headers: { x: text } })).headers.get('x')
    assert.equal(value(new HeaderRewriter('x', /É(.)/i, '$1ü'), 'éÿ'), 'ÿü')
    assert.equal(value(new HeaderRewriter('x', /\p{Lu}/gu, '-'), 'aÀB'), 'a--')
    assert.equal(value(new HeaderRewriter('x', 'a', ' b '), 'a'), 'b')
  })

  test('an empty path is the root, and any other that does not begin with / is refused with the name of the rule', () => {
    const drop = new PathRewriter('^/api', '')
    assert.deepEqual(['/api', '/api?q', '/api/', '/api/x', '//api'].map((path) => url(drop, path)), ['/', '/?q', '/', '/x', '//api'])
    const message = 'PathRewriter (/^\\/api/ to ""): it makes "x", which does not start with "/", of the path of this request'
    assert.throws(() => url(drop, '/apix'), { name: 'PythonError', code: 'REWRITE_FAILED', message })
    assert.equal(url(drop, '*', { method: 'OPTIONS' }), '*')
    assert.throws(() => url(new PathRewriter('^.', ''), 'http://h/http://x'), { code: 'REWRITE_FAILED' })
  })

  test('what comes of a request has a limit', () => {
    const path = `/${'x'.repeat(65_536)}`
    for (const rewriter of [new PathRewriter(/x/g, "$'"), new HrefRewriter(/x/g, '$`'), new PathRewriter('^.*$', '$&'.repeat(20))]) {
      assert.throws(() => url(rewriter, path), { code: 'REWRITE_FAILED', message: /is longer than 1024 KiB$/ })
    }
    assert.equal(url(new PathRewriter('^/', '/y'), path).length, path.length + 1)
  })

  test('in sequence: each sees what those before it have made', () => {
    const sequence = new PathRewriter('^/a', '/b').then(new PathRewriter('^/b', '/c')).then(new MethodRewriter('PUT'))
    assert.ok(sequence instanceof SequenceRewriter)
    const rewritten = sequence.rewrite(request('/a'))
    assert.deepEqual([rewritten.url, rewritten.method], ['/c', 'PUT'])
    const method = new PathRewriter('^', '/put').when(new MethodCondition('PUT'))
    assert.deepEqual([url(sequence.then(method), '/a'), url(method.then(sequence), '/a')], ['/put/c', '/c'])
    assert.equal(url(new SequenceRewriter([]), '/a'), '/a')
  })

  test('under a condition', () => {
    const rewriter = new PathRewriter('^/', '/v2/').then(new MethodRewriter('POST')).when(new HeaderCondition('x-version', '^2$'))
    assert.ok(rewriter instanceof ConditionalRewriter)
    assert.deepEqual([url(rewriter, '/a', { headers: { 'x-version': '2' } }), url(rewriter, '/a')], ['/v2/a', '/a'])
    const twice = rewriter.when(new PathCondition('b'))
    assert.deepEqual(['/a', '/b'].map((path) => url(twice, path, { headers: { 'x-version': '2' } })), ['/a', '/v2/b'])
  })

  test('nested ten deep', () => {
    let rewriter = new PathRewriter('$', '!')
    for (let i = 0; i < 10; i++) rewriter = rewriter.when(new PathCondition('^/a')).then(new PathRewriter('$', `${i}`))
    assert.deepEqual(['/a', '/b'].map((path) => url(rewriter, path)), ['/a!0123456789', '/b9'])
  })

  test('a WebSocket keeps its method, and its messages', async (t) => {
    const given = request('ws://h/x', { websocket: true })
    const rewritten = new MethodRewriter('POST').then(new PathRewriter('x', 'echo')).rewrite(given)
    assert.deepEqual([rewritten.method, rewritten.url, rewritten.websocket], ['GET', 'ws://h/echo', true])
    const handler = makeHandler(t, 'websocket_app:app')
    const response = await handler.handleStream(rewritten)
    await given.write('hello')
    assert.equal(await response.next().then(String), 'hello')
    response.close()
  })

  test('a body that is a stream goes with the request that is sent', async (t) => {
    const handler = makeHandler(t, 'echo_app:app')
    async function* body() {
      yield 'one '
      yield 'two'
    }
    const rewritten = new PathRewriter('x', 'y').rewrite(request('/x', { method: 'POST', body: body() }))
    const echoed = JSON.parse(await collect(await handler.handleStream(rewritten)))
    assert.deepEqual([echoed.path, echoed.body], ['/y', 'one two'])
  })
})

describe('await', () => {
  const rewriters = () => [
    new PathRewriter('a', 'b'), new HrefRewriter('a', 'b'), new HeaderRewriter('a', 'b', 'c'), new MethodRewriter('PUT'), new Rewriter([]),
    new PathRewriter('a', 'b').then(new MethodRewriter('PUT')), new PathRewriter('a', 'b').when(new PathCondition('a')),
  ]

  test('awaiting one, or returning it from an async function, gives the rewriter', async () => {
    for (const rewriter of rewriters()) {
      assert.equal(await rewriter, rewriter)
      assert.equal(await (async () => rewriter)(), rewriter)
      assert.equal(await Promise.resolve(rewriter), rewriter)
      assert.deepEqual(await Promise.all([rewriter, rewriter]), [rewriter, rewriter])
      assert.equal(await new Promise((resolve) => resolve(rewriter)), rewriter)
      const same = await rewriter
      assert.ok(same instanceof rewriter.constructor && same.then(new PathRewriter('c', 'd')) instanceof SequenceRewriter)
    }
  })

  test('frozen ones, many at once, and in between others', async () => {
    const rewriter = Object.freeze(new PathRewriter('a', 'b'))
    const [first, ...others] = await Promise.all(Array.from({ length: 100 }, async () => rewriter.then(await rewriter)))
    assert.equal(url(first, '/aa'), '/bb')
    assert.equal(others.length, 99)
  })

  test('then() with a callback is that of a promise', async () => {
    const rewriter = new PathRewriter('a', 'b')
    assert.equal(await rewriter.then((value) => [value === rewriter]).then(([same]) => same), true)
    await assert.rejects(rewriter.then(() => { throw new Error('mine') }), { message: 'mine' })
    assert.equal(typeof rewriter.then, 'function')
  })
})

describe('refusals', () => {
  const refused = (make, message) => assert.throws(make, { name: 'TypeError', message })

  test('patterns that cannot be matched in linear time, with the reason', () => {
    refused(() => new PathRewriter('^/(?!admin)', '/'), /^PathRewriter: a look-ahead cannot be matched in linear time/)
    refused(() => new PathCondition(/(?<=a)b/), /^PathCondition: a look-behind cannot be matched in linear time/)
    refused(() => new HeaderCondition('a', /(a)\1/), /^HeaderCondition: a back-reference \(\\1\) cannot be matched/)
    refused(() => new MethodCondition(/(?<n>a)\k<n>/), /^MethodCondition: a back-reference \(\\k\)/)
    refused(() => new PathCondition('(|a)*'), /may match nothing before it matches something/)
    refused(() => new PathRewriter('(?:(a)|b)*', '$1'), /\$1 stands for a group that may match nothing, or be left out/)
    refused(() => new PathRewriter('(?:(?<n>a)|b)*', '$<n>'), /\$<n> stands for a group/)
    refused(() => new PathCondition('(a{1000}){1000}'), /the pattern is too large/)
    refused(() => new PathCondition(`${'('.repeat(101)}${')'.repeat(101)}`), /more than 100 levels of parentheses/)
    refused(() => new PathCondition(/a/y), /flag 'y' is not supported/)
    refused(() => new PathCondition(/[a--b]/v), /flag 'v' is not supported/)
  })

  test('what is no pattern', () => {
    refused(() => new PathCondition('('), /^PathCondition: Invalid regular expression: .*Unterminated group/)
    refused(() => new PathCondition({ pattern: 'a', flags: 'q' }), /^PathCondition: Invalid flags supplied/)
    for (const [pattern, message] of [
      [undefined, /pattern must be a string, a RegExp or \{ pattern, flags \}, not undefined/], [7, /not 7/], [[], /not an array/],
      [{ pattern: 7 }, /\{ pattern \} must be a string, not 7/], [{ pattern: 'a', flags: 7 }, /\{ flags \} must be/],
      [{ source: 'a' }, /unknown key "source" beside pattern and flags/], ['\ud800', /lone surrogate/],
    ]) refused(() => new PathCondition(pattern), message)
  })

  test('what no request could carry', () => {
    for (const replacement of ['/a\r\nb', '/a\0', '/a\x7f']) refused(() => new PathRewriter('a', replacement), /which may not stand in a path/)
    for (const replacement of ['a\r\nb', 'a\0', '€']) refused(() => new HeaderRewriter('x', 'a', replacement), /which may not stand in a header/)
    refused(() => new PathRewriter('a', '/b#c'), /what is behind it is never sent: write %23/)
    refused(() => new PathRewriter('a', 7), /^PathRewriter: the replacement must be a string, not 7/)
    refused(() => new PathRewriter('a', '\udc00'), /lone surrogate/)
    for (const method of ['', 'A B', 'GET\r\n', 'é']) refused(() => new MethodRewriter(method), /^MethodRewriter: .* is not a method/)
    refused(() => new MethodRewriter(undefined), /the method must be a string/)
    refused(() => new MethodRewriter('HEAD'), /the client would wait for the body/)
    for (const name of ['', 'a b', 'a:', 'é']) refused(() => new HeaderRewriter(name, 'a', 'b'), /is not a header's name/)
    for (const name of ['Content-Length', 'transfer-encoding']) refused(() => new HeaderRewriter(name, 'a', 'b'), /says where the body ends/)
    refused(() => new HeaderRewriter('a', 'b', 'c', 'd'), /the options must be an object \{ from \}/)
    refused(() => new HeaderRewriter('a', 'b', 'c', { form: 'd' }), /unknown option "form": there is from/)
    refused(() => new HeaderCondition('a b', 'c'), /is not a header's name/)
  })

  test('what is no condition, rewriter or request', () => {
    const [rewriter, condition] = [new PathRewriter('a', 'b'), new PathCondition('a')]
    for (const value of [undefined, null, 'x', {}, condition]) refused(() => rewriter.then(value), /^then\(\) needs a rewriter, not /)
    for (const value of [undefined, null, 'x', {}, rewriter]) refused(() => rewriter.when(value), /^when\(\) needs a condition, not /)
    for (const value of [undefined, rewriter]) {
      refused(() => condition.and(value), /^and\(\) needs a condition, not /)
      refused(() => condition.or(value), /^or\(\) needs a condition, not /)
    }
    for (const value of [undefined, '/a', { url: '/a' }, new globalThis.Request('http://h/')]) {
      refused(() => rewriter.rewrite(value), /^The request must be a Request of asgi-node, not /)
      refused(() => condition.matches(value), /^The request must be a Request of asgi-node, not /)
    }
  })
})

describe('rules that are written down', () => {
  const rules = [
    { rewriters: [{ type: 'path', args: [/^\/API/i, ''] }] },
    { operation: 'or', conditions: [{ type: 'path', args: ['^/a'] }, { type: 'method', args: ['PUT'] }], rewriters: [{ type: 'method', args: ['POST'] }, { type: 'href', args: ['$', '?x'] }] },
    { conditions: [{ type: 'header', args: ['x-a', '^1$'] }, { type: 'not_exists' }], rewriters: [{ type: 'header', args: ['x-a', '1', '2'] }] },
    { conditions: [{ type: 'exists', args: [] }], rewriters: [{ type: 'header', args: ['x-h', '^.*$', '$&', { from: 'x-a' }] }] },
  ]
  const outcome = (rewriter, from, init) => {
    const { method, url: to, headers } = rewriter.rewrite(request(from, init), import.meta.dirname)
    return [method, to, headers.toJSON()]
  }

  test('they run in sequence', () => {
    const rewriter = new Rewriter(rules)
    const headers = { 'x-a': '1' }
    assert.deepEqual(outcome(rewriter, '/api/a', { headers }), ['POST', '/a?x', { 'x-a': '2' }])
    assert.deepEqual(outcome(rewriter, '/b', { method: 'PUT' }), ['POST', '/b?x', {}])
    assert.deepEqual(outcome(rewriter, '/rewriter.test.mjs', { headers }), ['GET', '/rewriter.test.mjs', { 'x-a': '1', 'x-h': '1' }])
    assert.deepEqual(outcome(new Rewriter([]), '/b'), ['GET', '/b', {}])
  })

  test('through JSON and back', () => {
    const rewriter = new Rewriter(rules)
    const text = JSON.stringify(rewriter)
    const again = new Rewriter(JSON.parse(text))
    assert.equal(JSON.stringify(again), text)
    for (const [from, init] of [['/api/a', { headers: { 'x-a': '1' } }], ['/b', { method: 'PUT' }], ['/rewriter.test.mjs', {}]]) {
      assert.deepEqual(outcome(again, from, init), outcome(rewriter, from, init))
    }
  })

  test('they are rewriters as others are, and those of classes do the same', () => {
    const both = new Rewriter(rules.slice(0, 1)).then(new Rewriter(rules.slice(1, 2))).when(new PathCondition('a'))
    assert.deepEqual(outcome(both, '/api/a'), ['POST', '/a?x', {}])
    const second = new MethodRewriter('POST').then(new HrefRewriter('$', '?x')).when(new PathCondition('^/a').or(new MethodCondition('PUT')))
    const byClasses = new PathRewriter(/^\/API/i, '').then(second)
    for (const path of ['/api/a', '/api/b', '/a']) assert.deepEqual(outcome(byClasses, path), outcome(new Rewriter(rules.slice(0, 2)), path))
  })

  test('a wrong shape is a TypeError with the path to it', () => {
    const path = { type: 'path', args: ['a', 'b'] }
    const table = [
      [undefined, 'rules must be an array, not undefined'],
      [[7], 'rules[0] must be an object with operation, conditions, rewriters, not 7'],
      [[{}], 'rules[0].rewriters must be an array, not undefined'],
      [[{ rewriters: [] }], 'rules[0].rewriters is empty: a rule without a rewriter does nothing'],
      [[{ rewriters: [path] }, { rewriters: [path], condition: [] }], 'rules[1] has an unknown key "condition": there are operation, conditions, rewriters'],
      [[{ rewriters: [path], operation: 'And' }], 'rules[0].operation must be "and" or "or", not "And"'],
      [[{ rewriters: [path], conditions: {} }], 'rules[0].conditions must be an array, not an instance of Object'],
      [[{ rewriters: [path], conditions: [] }], 'rules[0].conditions is empty: leave it out if the rule is for every request'],
      [[{ rewriters: [path], conditions: [path] }], 'rules[0].conditions[0].args must have length 1 (the arguments of PathCondition), not 2'],
      [[{ rewriters: [path], conditions: [{ type: 'exists', args: ['a'] }] }], 'rules[0].conditions[0].args must have length 0 (the arguments of ExistenceCondition), not 1'],
      [[{ rewriters: ['path'] }], 'rules[0].rewriters[0] must be an object with type, args, not "path"'],
      [[{ rewriters: [path, { type: 'constructor', args: [] }] }], 'rules[0].rewriters[1].type must be one of "path", "href", "header", "method", not "constructor"'],
      [[{ rewriters: [path] }, { rewriters: [path] }, { rewriters: [{ type: 'path', args: ['a'] }] }], 'rules[2].rewriters[0].args must have length 2 (the arguments of PathRewriter), not 1'],
      [[{ rewriters: [{ type: 'header', args: ['a'] }] }], 'rules[0].rewriters[0].args must have length 3 or 4 (the arguments of HeaderRewriter), not 1'],
      [[{ rewriters: [{ type: 'method', args: 'PUT' }] }], 'rules[0].rewriters[0].args must be an array, not "PUT"'],
      [[{ rewriters: [{ type: 'path', args: [7, 'b'] }] }], 'rules[0].rewriters[0].args: PathRewriter: the pattern must be a string, a RegExp or { pattern, flags }, not 7'],
      [[{ rewriters: [{ type: 'method', args: ['A B'] }] }], 'rules[0].rewriters[0].args: MethodRewriter: "A B" is not a method: it must be a token, as GET is'],
    ]
    for (const [value, message] of table) assert.throws(() => new Rewriter(value), (error) => error instanceof TypeError && error.message === message && error.stack.includes(message), message)
  })

  test('an error names the rule by its place', () => {
    const rewriter = new Rewriter([{ rewriters: [{ type: 'method', args: ['PUT'] }, { type: 'path', args: ['^/', ''] }] }])
    assert.throws(() => url(rewriter, '/a'), { code: 'REWRITE_FAILED', message: /^rules\[0\]\.rewriters\[1\] \(\/\^\\\/\/ to ""\): it makes "a"/ })
  })
})

test('holes are mistakes with a place, an argument that is left out is none, and a prototype is not a rewriter', () => {
  const method = { type: 'method', args: ['PUT'] }
  /** An array with a hole in front of its items. */
  const holed = (...items) => Object.assign(Array(items.length + 1), Object.fromEntries(items.map((item, i) => [i + 1, item])))
  assert.throws(() => new Rewriter(holed({ rewriters: [method] })), /^TypeError: rules\[0\] must be an object/)
  assert.throws(() => new Rewriter([{ rewriters: holed(method) }]), /rules\[0\]\.rewriters\[0\] must be/)
  assert.throws(() => new Rewriter([{ conditions: holed(), rewriters: [method] }]), /rules\[0\]\.conditions\[0\] must be/)
  const written = new Rewriter([{ rewriters: [{ type: 'header', args: ['x', 'y', 'z', undefined] }] }])
  assert.deepEqual(new Rewriter(JSON.parse(JSON.stringify(written))).toJSON(), JSON.parse(JSON.stringify(written)))
  assert.equal(PathRewriter.prototype.then, undefined)
})
