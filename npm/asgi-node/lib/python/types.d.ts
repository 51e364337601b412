/** What is known of the interpreter, a part of index.d.ts. */
/** The interpreter of this process, and why it is this one. */
export interface PythonInfo {
  /** The interpreter as a program: sys.executable. In a virtual environment it is that environment's own. */
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
  /** What led to it: 'python option', 'venv option', 'ASGI_NODE_PYTHON', 'VIRTUAL_ENV', 'CONDA_PREFIX', '.venv', 'venv', 'PATH'. */
  readonly source: string
  /** What was considered before it, and why it was not taken. */
  readonly tried: readonly { readonly source: string; readonly path: string; readonly reason: string }[]
  /**
   * The event loop of handlers that do not ask for one (option `loop: 'auto'`): 'asyncio' or 'uvloop'. The one that a handler
   * runs on is in its `health()`.
   */
  readonly loop: string
  /** Why it is that one. */
  readonly loopReason: string
  /** Whether extensions are bound to their own libraries. */
  readonly deepbind: boolean
  readonly deepbindReason: string
}
