// What hostile clients say, by name.
import { get } from './wire.mjs'

const HOST = 'Host: x\r\n'
const post = (headers, body = '', target = '/a') => `POST ${target} HTTP/1.1\r\n${HOST}${headers}\r\n${body}`
const head = (line) => get('/a', `${line}\r\n`)
/** Behind a message whose end is in doubt: if it is seen, somebody was smuggled in. */
const SMUGGLED = get('/smuggled')

const CHUNKED = 'Transfer-Encoding: chunked\r\n'
const END = '0\r\n\r\n'

/** Two framings, or one that cannot be known: refused, and nothing behind them is read. */
export const FRAMING = {
  'length and chunked': post(`Content-Length: 6\r\n${CHUNKED}`, `${END}${SMUGGLED}`),
  'chunked and length': post(`${CHUNKED}Content-Length: 6\r\n`, `${END}${SMUGGLED}`),
  'chunked twice, in one field': post('Transfer-Encoding: chunked, chunked\r\n', END + SMUGGLED),
  'chunked and identity': post('Transfer-Encoding: chunked, identity\r\n', END + SMUGGLED),
  'gzip alone': post('Transfer-Encoding: gzip\r\n', SMUGGLED),
  'identity alone': post('Transfer-Encoding: identity\r\n', SMUGGLED),
  xchunked: post('Transfer-Encoding: xchunked\r\n', END + SMUGGLED),
  'chunked;q=1': post('Transfer-Encoding: chunked;q=1\r\n', END + SMUGGLED),
  'chunked in quotes': post('Transfer-Encoding: "chunked"\r\n', END + SMUGGLED),
  'chunked behind a vertical tab': post('Transfer-Encoding: \x0bchunked\r\n', END + SMUGGLED),
  'chunked behind NUL': post('Transfer-Encoding: chunked\0\r\n', END + SMUGGLED),
  'chunked folded': post('Transfer-Encoding:\r\n chunked\r\n', END + SMUGGLED),
  'chunked folded behind identity': post('Transfer-Encoding: identity\r\n , chunked\r\n', END + SMUGGLED),
  'space before the colon of Transfer-Encoding': post('Transfer-Encoding : chunked\r\n', END + SMUGGLED),
  'tab before the colon of Transfer-Encoding': post('Transfer-Encoding\t: chunked\r\n', END + SMUGGLED),
  'space before Transfer-Encoding, first field': `POST /a HTTP/1.1\r\n ${CHUNKED}${HOST}\r\n${END}${SMUGGLED}`,
  'chunked and identity in two fields': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', END + SMUGGLED),
  'lengths that differ': post('Content-Length: 0\r\nContent-Length: 5\r\n', 'abcde' + SMUGGLED),
  'lengths that agree, twice': post('Content-Length: 5\r\nContent-Length: 5\r\n', 'abcde' + SMUGGLED),
  'lengths that agree, in one field': post('Content-Length: 5, 5\r\n', 'abcde' + SMUGGLED),
  'length with a plus': post('Content-Length: +5\r\n', 'abcde' + SMUGGLED),
  'length that is negative': post('Content-Length: -5\r\n', 'abcde' + SMUGGLED),
  'length in hexadecimal': post('Content-Length: 0x5\r\n', 'abcde' + SMUGGLED),
  'length with an underscore': post('Content-Length: 1_0\r\n', 'abcdeabcde' + SMUGGLED),
  'length with a point': post('Content-Length: 5.0\r\n', 'abcde' + SMUGGLED),
  'length that is empty': post('Content-Length:\r\n', SMUGGLED),
  'length with a space in it': post('Content-Length: 1 0\r\n', 'abcdeabcde' + SMUGGLED),
  'length above 64 bits': post('Content-Length: 18446744073709551621\r\n', 'abcde' + SMUGGLED),
  'length in full-width digits': post('Content-Length: \xef\xbc\x95\r\n', 'abcde' + SMUGGLED),
  'length folded': post('Content-Length:\r\n 5\r\n', 'abcde' + SMUGGLED),
  'space before the colon of Content-Length': post('Content-Length : 5\r\n', 'abcde' + SMUGGLED),
}

/** Chunks that cannot be read: the app has been called, its body never completes, nothing behind it is read. */
export const CHUNKS = {
  'no size': '\r\nabc\r\n',
  'size that is no number': 'xyz\r\nabc\r\n',
  'size with 0x': '0x3\r\nabc\r\n',
  'size with a plus': '+3\r\nabc\r\n',
  'size that is negative': '-3\r\nabc\r\n',
  'size above 64 bits': '10000000000000003\r\nabc\r\n',
  'size with an underscore': '1_0\r\nabc\r\n',
  'space before the size': ' 3\r\nabc\r\n',
  'bare LF behind the size': '3\nabc\r\n',
  'bare CR behind the size': '3\rabc\r\n',
  'bare LF behind the data': '3\r\nabc\n',
  'no line end behind the data': '3\r\nabc',
  'data longer than its size': '3\r\nabcdef\r\n',
  'data shorter than its size': '5\r\nabc\r\n',
  'NUL in an extension': '3;a=\0\r\nabc\r\n',
  'LF in an extension': '3;a\nb\r\nabc\r\n',
  'CR in an extension': '3;a\rb\r\nabc\r\n',
}

/** Heads that are no HTTP/1.1. */
export const HEADS = {
  'HTTP/0.9': 'GET /a\r\n',
  'HTTP/1.2': 'GET /a HTTP/1.2\r\nHost: x\r\n\r\n',
  'HTTP/11': 'GET /a HTTP/11\r\nHost: x\r\n\r\n',
  'http/1.1': 'GET /a http/1.1\r\nHost: x\r\n\r\n',
  'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'a TLS hello': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  'no method': ' /a HTTP/1.1\r\nHost: x\r\n\r\n',
  'a method in lower case': get('/a', '', 'get'),
  'a method of its own': get('/a', '', 'FROBNICATE'),
  'a method with NUL': get('/a', '', 'GE\0T'),
  'a space in the target': get('/a b'),
  'a tab in the target': get('/a\tb'),
  'NUL in the target': get('/a\0b'),
  'a raw byte above 0x7f in the target': get('/\xc3\xa9'),
  'no target': 'GET HTTP/1.1\r\nHost: x\r\n\r\n',
  'a target without a slash': get('a'),
  'bare LF behind the request line': 'GET /a HTTP/1.1\nHost: x\r\n\r\n',
  'bare CR behind the request line': 'GET /a HTTP/1.1\rHost: x\r\n\r\n',
  'bare LF behind a header': 'GET /a HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n',
  'bare LF at the end': 'GET /a HTTP/1.1\r\nHost: x\r\n\n',
  'bare CR in a value': head('X-A: b\rX-B: c'),
  'NUL in a value': head('X-A: b\0c'),
  'NUL in a name': head('X-\0A: b'),
  'vertical tab in a value': head('X-A: b\x0bc'),
  'form feed in a value': head('X-A: b\x0cc'),
  '0x1c in a value': head('X-A: b\x1cc'),
  '0x1d in a value': head('X-A: b\x1dc'),
  '0x1e in a value': head('X-A: b\x1ec'),
  'delete in a value': head('X-A: b\x7fc'),
  'escape in a value': head('X-A: b\x1b[2Jc'),
  'space in a name': head('X A: b'),
  'space before a colon': head('X-A : b'),
  'a name that is empty': head(': b'),
  'a line without a colon': head('X-A'),
  'a raw byte in a name': head('X-\xe9: b'),
  'brackets in a name': head('X(A): b'),
  'a folded value': head('X-A: b\r\n c'),
}

const chunked = (body, target) => post(CHUNKED, body, target)
const fields = (count, line) => Array.from({ length: count }, (_, number) => line(number)).join('')

/** Odd, and served: what the app sees, and the body of its answer where that is another. */
export const SERVED = {
  'empty lines first': [`\r\n\r\n${get('/a')}`, 'GET /a 0'],
  'two spaces before the target': ['GET  /a HTTP/1.1\r\nHost: x\r\n\r\n', 'GET /a 0'],
  'absolute form': [get('http://other:81/a?header=host'), 'GET /a', 'x'],
  'absolute form without a path': [get('http://other?x'), 'GET / 0'],
  'absolute form of https': [get('https://other/a'), 'GET /a 0'],
  'two slashes': [get('//evil/a'), 'GET //evil/a 0'],
  asterisk: [get('*', '', 'OPTIONS'), 'OPTIONS * 0'],
  'dots and slashes': [get('/../..//etc/./passwd'), 'GET /../..//etc/./passwd 0'],
  'a fragment': [get('/a#b?c'), 'GET /a 0'],
  'escapes that are none': [get('/%zz%'), 'GET /%zz% 0'],
  '%00': [get('/a%00b'), 'GET /a\0b 0'],
  '%ff': [get('/%ff'), 'GET /\xef\xbf\xbd 0'],
  '%0d%0a': [get('/a%0d%0aInjected:%20yes'), 'GET /a\r\nInjected: yes 0'],
  'a backslash': [get('/a\\b'), 'GET /a\\b 0'],
  'an empty Host': ['GET /a HTTP/1.1\r\nHost:\r\n\r\n', 'GET /a 0'],
  'a value with 0x85, as in UTF-8': [get('/a?header=x-a', 'X-A: \xc3\x85\r\n'), 'GET /a', '\xc3\x85'],
  'white space around a value': [get('/a?header=x-a', 'X-A: \t b \tc \t\r\n'), 'GET /a', 'b \tc'],
  'a header twice': [get('/a?header=x-a', 'X-A: 1\r\nx-a: 2\r\n'), 'GET /a', '1|2'],
  'underscore for hyphen': [get('/a?header=content-length', 'Content_Length: 5\r\n'), 'GET /a', ''],
  'GET with a body': [get('/a', 'Content-Length: 3\r\n') + 'abc', 'GET /a 3'],
  'GET with chunks': [get('/a', CHUNKED) + '3\r\nabc\r\n0\r\n\r\n', 'GET /a 3'],
  'DELETE with a body': [get('/a', 'Content-Length: 3\r\n', 'DELETE') + 'abc', 'DELETE /a 3'],
  TRACE: [get('/a', '', 'TRACE'), 'TRACE /a 0'],
  PURGE: [get('/a', '', 'PURGE'), 'PURGE /a 0'],
  'a length of 0': [post('Content-Length: 0\r\n'), 'POST /a 0'],
  'a length with zeros in front': [post('Content-Length: 003\r\n', 'abc'), 'POST /a 3'],
  'no length at all': [post(''), 'POST /a 0'],
  'chunked in another case': [post('tRANSFER-eNCODING: cHuNkEd\r\n', '3\r\nabc\r\n0\r\n\r\n'), 'POST /a 3'],
  'gzip and chunked': [post('Transfer-Encoding: gzip, chunked\r\n', '3\r\nabc\r\n0\r\n\r\n'), 'POST /a 3'],
  'chunk extensions': [chunked('3;a=b;c="d e"\r\nabc\r\n0;x\r\n\r\n'), 'POST /a 3'],
  'a chunk size with zeros in front': [chunked('00000000000000003\r\nabc\r\n0\r\n\r\n'), 'POST /a 3'],
  'chunks of one byte': [chunked('1\r\na\r\n'.repeat(500) + END), 'POST /a 500'],
  'trailers': [chunked('3\r\nabc\r\n0\r\nX-A: b\r\n\r\n', '/a?header=x-a'), 'POST /a', ''],
  'trailers that name hosts and clients': [
    chunked('3\r\nabc\r\n0\r\nHost: evil\r\nX-Forwarded-For: evil\r\nCookie: evil\r\n\r\n', '/a?header=host'),
    'POST /a',
    'x',
  ],
  'a body that looks like a request': [post('Content-Length: 5\r\n', 'GET /'), 'POST /a 5'],
  'a body that looks like one and is not read': [
    post(`Content-Length: ${SMUGGLED.length}\r\n`, SMUGGLED, '/a?unread'),
    'POST /a',
    'POST /a',
  ],
  'chunks that look like a request and are not read': [
    chunked(`${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`, '/a?unread'),
    'POST /a',
    'POST /a',
  ],
  'half a megabyte that is not read': [
    post(`Content-Length: ${SMUGGLED.length * 20_000}\r\n`, SMUGGLED.repeat(20_000), '/a?unread'),
    'POST /a',
    'POST /a',
  ],
  'Connection that names other headers': [get('/a?header=x-a', 'X-A: b\r\nConnection: x-a, host\r\n'), 'GET /a', 'b'],
  '900 headers': [get('/a', fields(900, (number) => `a${number}: b\r\n`)), 'GET /a 0'],
}

/** Refused by us, where Node would have called the app. */
export const REFUSED = {
  'HTTP/2.0 on a request line': [400, 'GET /a HTTP/2.0\r\nHost: x\r\n\r\n'],
  'HTTP/0.9 with headers': [400, 'GET /a\r\n\r\n'],
  'chunks in HTTP/1.0': [400, `POST /a HTTP/1.0\r\nConnection: keep-alive\r\n${CHUNKED}\r\n3\r\nabc\r\n${END}`],
  'two Hosts': [400, get('/a', 'Host: y\r\n')],
  'two Hosts that agree': [400, get('/a', 'hOST: x\r\n')],
  '1,100 headers': [431, get('/a', fields(1100, (number) => `a${number}: b\r\n`))],
  '2,000 headers': [431, get('/a', fields(2000, () => 'a:\r\n'))],
}

/** Refused by Node. */
export const TOO_LARGE = {
  'a header of 20,000 bytes': get('/a', `X-A: ${'v'.repeat(20_000)}\r\n`),
  'a name of 20,000 bytes': get('/a', `${'n'.repeat(20_000)}: v\r\n`),
  'a target of 20,000 bytes': get(`/${'a'.repeat(20_000)}`),
  'a header that never ends': `GET /a HTTP/1.1\r\nX-A: ${'v'.repeat(40_000)}`,
}
