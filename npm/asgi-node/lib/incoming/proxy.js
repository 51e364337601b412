// Proxies in front of Node: they say who the client is, and which scheme it used. Their headers count only if the option
// `trustProxy` says so: any client can send an X-Forwarded-For.

import { BlockList, isIP } from 'node:net'
import { show } from '../native/errors.js'

/** @typedef {import('./connection.js').Connection} Connection */

/** Names for ranges, those of proxy-addr and Express. @type {Record<string, readonly string[]>} */
const NAMED = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']
}

/** A peer on a Unix socket. */
const UNIX = 'unix'

/** @type {Record<string, string>} */
const SCHEMES = { http: 'http', ws: 'http', https: 'https', wss: 'https' }

/** An address with a port: `1.2.3.4:567`, `[::1]:567`, `[::1]`. */
const WITH_PORT = /^(?:([\d.]+):(\d{1,5})|\[([\da-f:.]+)\](?::(\d{1,5}))?)$/i

/** Which peers are trusted. */
export class Trust {
  #hops = 0
  #unix = false
  #ranges = new BlockList()

  /** @param {true | number | readonly string[]} proxies */
  constructor(proxies) {
    if (proxies === true) this.#hops = Infinity
    else if (typeof proxies === 'number') this.#hops = proxies
    else for (const proxy of proxies) this.#add(proxy)
  }

  /** @param {string} proxy */
  #add(proxy) {
    if (proxy === UNIX) {
      this.#unix = true
      return
    }
    const ranges = Object.hasOwn(NAMED, proxy) ? NAMED[proxy] : [proxy]
    for (const range of ranges) {
      const [address, length, ...rest] = range.split('/')
      const version = address.includes('%') ? 0 : isIP(address)
      const bits = version === 4 ? 32 : 128
      if (version === 0 || rest.length > 0 || (length !== undefined && (!/^\d{1,3}$/.test(length) || Number(length) > bits))) {
        throw new TypeError(
          `Option trustProxy must hold addresses, ranges (10.0.0.0/8), 'loopback', 'linklocal', 'uniquelocal' or 'unix', not ${show(range)}`
        )
      }
      this.#ranges.addSubnet(address, length === undefined ? bits : Number(length), version === 4 ? 'ipv4' : 'ipv6')
    }
  }

  /**
   * @param {string} address '' for the peer of a Unix socket
   * @param {number} distance 0 for the peer, 1 for the address that the peer names, and so on
   */
  trusts(address, distance) {
    if (distance < this.#hops) return true
    if (address === '') return this.#unix
    const plain = unmapped(address)
    return this.#ranges.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4')
  }
}

/**
 * Checks the option `trustProxy`. Null: no proxy is trusted.
 * @param {unknown} option
 * @returns {Trust | null}
 */
export function trustOf(option) {
  if (option === false || option === 0) return null
  if (option === true) return new Trust(true)
  if (typeof option === 'number' && Number.isInteger(option) && option > 0) return new Trust(option)
  const list = typeof option === 'string' ? option.split(',').map((item) => item.trim()) : option
  if (!Array.isArray(list) || list.some((item) => typeof item !== 'string')) {
    throw new TypeError(`Option trustProxy must be a boolean, a number of proxies, an address or an array of them, not ${show(option)}`)
  }
  return list.length === 0 ? null : new Trust(list)
}

/**
 * Scheme, client and server of a request in the form of the head; the first two as trusted proxies report them.
 * @param {Trust} trust
 * @param {Connection} connection
 * @param {string[]} rawHeaders
 */
export function forwardedPeer(trust, connection, rawHeaders) {
  if (connection.trust !== trust) {
    connection.trust = trust
    connection.trusted = trust.trusts(connection.address, 0)
  }
  if (!connection.trusted) return connection.peer
  const addresses = listOf(rawHeaders, 'x-forwarded-for')
  const schemes = listOf(rawHeaders, 'x-forwarded-proto')
  if (addresses.length === 0 && schemes.length === 0) return connection.peer
  const { client, hops } = walk(trust, addresses)
  const scheme = schemeOf(schemes, hops) ?? connection.scheme
  return `${scheme}\0${client ?? connection.client}\0${connection.server}`
}

/**
 * Goes from the nearest proxy to the client: the peer to the right of an entry has written it. It ends at the first address
 * that is not trusted, which is the client; before an entry that is not an address; or at the last entry.
 * @param {Trust} trust
 * @param {string[]} addresses
 */
function walk(trust, addresses) {
  let client = null
  let hops = 0
  for (let i = addresses.length - 1; i >= 0; i--) {
    const entry = parse(addresses[i])
    if (entry === null) break
    client = `${entry.address}\0${entry.port}`
    hops++
    if (!trust.trusts(entry.address, hops)) break
  }
  return { client, hops }
}

/**
 * The scheme that the client used, according to the proxy. If each proxy adds an entry, the scheme is as far from the right
 * as the client's address. Entries further to the left come from the client and may be false.
 * @param {string[]} schemes
 * @param {number} hops
 */
function schemeOf(schemes, hops) {
  const index = Math.max(schemes.length - Math.max(hops, 1), 0)
  const scheme = schemes[index]?.toLowerCase() ?? ''
  return Object.hasOwn(SCHEMES, scheme) ? SCHEMES[scheme] : null
}

/**
 * The items of all header lines with this name, in their order.
 * @param {string[]} rawHeaders
 * @param {string} wanted in lower case
 */
function listOf(rawHeaders, wanted) {
  /** @type {string[]} */
  const items = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (name.length !== wanted.length || name.toLowerCase() !== wanted) continue
    for (const item of rawHeaders[i + 1].split(',')) items.push(item.trim())
  }
  return items
}

/** @param {string} text */
function parse(text) {
  if (isIP(text) !== 0) return { address: text, port: 0 }
  const match = WITH_PORT.exec(text)
  if (match === null) return null
  const address = match[1] ?? match[3]
  const port = Number(match[2] ?? match[4] ?? 0)
  return isIP(address) === (match[1] ? 4 : 6) && port <= 65535 ? { address, port } : null
}

/** Turns an IPv4 address that a dual-stack socket shows as IPv6 back into IPv4; removes a zone. @param {string} address */
function unmapped(address) {
  const plain = address.split('%', 1)[0]
  return /^::ffff:\d+\./i.test(plain) ? plain.slice(7) : plain
}
