/** The types for the interpreter, a part of index.d.ts. */
/** The interpreter of this process, and why it was chosen. */
export interface PythonInfo {
  /** The program: sys.executable. In a virtual environment it is the environment's own. */
  readonly executable: string
  /** '3.11.7' */
  readonly version: string
  /** The shared library that was loaded. */
  readonly libpython: string
  /** The virtual environment's folder, or null. */
  readonly venv: string | null
  /** sys.prefix */
  readonly prefix: string
  /** sys.base_prefix */
  readonly basePrefix: string
  /** Where it was found: 'python option', 'venv option', 'ASGI_NODE_PYTHON', 'VIRTUAL_ENV', 'CONDA_PREFIX', '.venv', 'venv' or 'PATH'. */
  readonly source: string
  /** The interpreters that were tried before it, and why they were not taken. */
  readonly tried: readonly { readonly source: string; readonly path: string; readonly reason: string }[]
  /**
   * The event loop of handlers with the option `loop: 'auto'`: 'asyncio' or 'uvloop'. A handler's own loop is in its `health()`.
   */
  readonly loop: string
  /** Why this loop was chosen. */
  readonly loopReason: string
  /** Whether extensions bind to their own libraries. */
  readonly deepbind: boolean
  /** Why they do, or do not. */
  readonly deepbindReason: string
}
