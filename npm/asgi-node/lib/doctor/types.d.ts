import type { PythonErrorCode } from '../index.js'
import type { PythonHandlerOptions } from '../options/types.js'

/**
 * Options of the handler to examine. Without an app, only Python is examined. The options that are left out here say what is done with
 * requests and logs: a handler starts without them.
 */
export interface DoctorOptions extends Omit<PythonHandlerOptions, 'signal' | 'upgrade' | 'rewriter' | 'logger' | 'accessLog' | 'stdio'> {
  /**
   * Milliseconds that the trial start may take.
   * @default 120_000
   */
  trialTimeout?: number
  /** The Python that has started the doctor, if any (`python -m asgi_node doctor`): a note says if another one would run. */
  askedBy?: string
}

/** Stable: match on it, not on the message. */
export type FindingCode =
  /** Error: the reason why a handler would not start; see {@link PythonErrorCode}. */
  | PythonErrorCode
  /** Error: the process ended in the middle of a trial start. */
  | 'PROCESS_ENDED'
  /** Error: the trial start took longer than `trialTimeout`. */
  | 'START_TIMEOUT'
  /** Warning: uvloop is installed but does not work; asyncio's loop runs instead. */
  | 'UVLOOP_BROKEN'
  /** Note: uvloop is not installed; asyncio's loop runs. */
  | 'UVLOOP_MISSING'
  /** Warning: a library such as jemalloc replaces malloc, so Python runs without RTLD_DEEPBIND, and on asyncio's loop. */
  | 'ALLOCATOR_PRELOADED'
  /** Warning: a Python extension runs on Node's copy of a library. */
  | 'LIBRARY_SHADOWED'
  /** Note: the Python that has started the doctor is not the one that would run. */
  | 'PYTHON_DIFFERS'

/** One fact that the user should know. */
export interface Finding {
  readonly code: FindingCode
  /** With an error, no handler would start. */
  readonly severity: 'error' | 'warning' | 'note'
  readonly message: string
  /** How to fix it: a command or a sentence; null if there is nothing to do. */
  readonly fix: string | null
  /** The Python traceback, if an exception was the reason. */
  readonly traceback: string | null
}

/** One of the libraries that Node exports and that Python has too. */
export interface LibraryFacts {
  readonly name: 'OpenSSL' | 'zlib' | 'brotli' | 'libuv'
  /** The version inside Node. */
  readonly node: string | null
  /** The version that this Python uses outside Node; null if it uses none. */
  readonly python: string | null
  /** The version that it uses inside Node; null if it uses none, or was not started. */
  readonly inside: string | null
  /** Whether Node's copy has replaced Python's own. */
  readonly shadowed: boolean
}

/** The result of {@link doctor}. Plain data, ready for JSON. */
export interface DoctorReport {
  /** Whether a handler would start, that is, without errors. */
  readonly ok: boolean
  /** Errors first. */
  readonly findings: readonly Finding[]
  readonly node: { readonly executable: string; readonly version: string; readonly libc: string | null; readonly target: string }
  /** The Python that a handler would run and why; null if there is none. `tried`: the ones that were passed over. */
  readonly python: {
    readonly executable: string
    readonly version: string
    readonly source: string
    readonly venv: string | null
    readonly prefix: string
    readonly basePrefix: string
    /** Null if this Python has no shared library: only workers can run it. */
    readonly libpython: string | null
    readonly freeThreaded: boolean
    readonly debug: boolean
    readonly tried: readonly { readonly source: string; readonly path: string; readonly reason: string }[]
  } | null
  /** The event loop of the trial start: 'uvloop' or 'asyncio', and why. */
  readonly loop: { readonly name: string; readonly reason: string } | null
  /** Whether extensions bind to their own libraries rather than Node's; null with workers, where Node is not. */
  readonly deepbind: { readonly on: boolean; readonly reason: string } | null
  readonly libraries: readonly LibraryFacts[]
  /** The app of the options, and whether it starts. */
  readonly app: { readonly target: string; readonly starts: boolean } | null
}

/**
 * Finds out whether a handler with these options would start, and why not. It finds Python as a handler does. It starts Python and the
 * app, with its lifespan, in a separate process, and ends that process.
 *
 * @throws TypeError for an unknown option; everything else is a finding
 * @example
 * ```js
 * import { doctor, textOf } from 'asgi-node/doctor'
 *
 * console.log(textOf(await doctor({ app: 'main:app' })))
 * ```
 */
export function doctor(options?: DoctorOptions): Promise<DoctorReport>

/** The report as text. */
export function textOf(report: DoctorReport): string
