/** A mistake of the user: it is shown as one line, and the exit code is 2. */
export class UsageError extends Error {}

/** The command cannot start: it is shown as one line, with its own exit code. */
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
   * @param {string} where the lines around the error, as Python shows them
   * @param {string} folder the folder from which the file is imported
   */
  constructor(message, where, folder) {
    super(message, 3)
    this.where = where
    this.folder = folder
  }
}

/** The error has been shown already. Only the exit code is left. */
export class Silent extends StartError {
  /** @param {number} exitCode */
  constructor(exitCode) {
    super('', exitCode)
  }
}
