/** The user has asked for what is not there: one line, exit code 2. */
export class UsageError extends Error {}

/** What the command cannot do here: one line, and the exit code that it ends with. */
export class StartError extends Error {
  /**
   * @param {string} message
   * @param {number} [exitCode]
   */
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** What has been said already: only the exit code is left. */
export class Silent extends StartError {
  /** @param {number} exitCode */
  constructor(exitCode) {
    super('', exitCode)
  }
}
