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

/** A file that Python cannot read. */
export class BrokenFile extends StartError {
  /**
   * @param {string} message
   * @param {string} where the lines around it, as Python shows them
   * @param {string} folder from which it is imported
   */
  constructor(message, where, folder) {
    super(message, 3)
    this.where = where
    this.folder = folder
  }
}

/** What has been said already: only the exit code is left. */
export class Silent extends StartError {
  /** @param {number} exitCode */
  constructor(exitCode) {
    super('', exitCode)
  }
}
