/** Writes requests that never reach the application into the access log. */
export class Follower {
  #accessLog
  #trust

  /**
   * @param {import('../../log/access-log.js').AccessLog | null} accessLog
   * @param {import('../../incoming/proxy.js').Trust | null} trust
   */
  constructor(accessLog, trust) {
    this.#accessLog = accessLog
    this.#trust = trust
  }

  /**
   * @param {import('node:http').IncomingMessage} req
   * @param {import('node:http').ServerResponse} res
   */
  follow(req, res) {
    this.#accessLog?.follow(req, res, this.#trust)
  }

  /**
   * @param {import('node:http').IncomingMessage} req
   * @param {import('node:stream').Duplex} socket
   */
  followUpgrade(req, socket) {
    return this.#accessLog?.followUpgrade(req, socket, this.#trust)
  }
}
