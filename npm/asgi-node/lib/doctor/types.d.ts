import type { PythonErrorCode } from '../index.js'
import type { PythonHandlerOptions } from '../options/types.js'

/** Options of the handler that is to be examined; `app` may be left out, then only Python is. */
export interface DoctorOptions extends Omit<PythonHandlerOptions, 'signal' | 'upgrade'> {
  /** Milliseconds that the trial start may take. Default 120,000. */
  trialTimeout?: number
  /** The Python that asks, where one does (`python -m asgi_node doctor`): a note says so when another would run. */
  askedBy?: string
}

/** Stable: match on it, not on the message. */
export type FindingCode =
  /** Why a handler would not start: an error; see {@link PythonErrorCode}. */
  | PythonErrorCode
  /** Error: the process ended in the middle of a trial start. */
  | 'PROCESS_ENDED'
  /** Error: the trial start took longer than `trialTimeout`. */
  | 'START_TIMEOUT'
  /** Warning: uvloop is installed and does not work; asyncio's loop runs instead. */
  | 'UVLOOP_BROKEN'
  /** Note: uvloop is not installed; asyncio's loop runs. */
  | 'UVLOOP_MISSING'
  /** Warning: a library such as jemalloc replaces malloc, so Python runs without RTLD_DEEPBIND, and on asyncio's loop. */
  | 'ALLOCATOR_PRELOADED'
  /** Warning: a Python extension runs on Node's copy of a library. */
  | 'LIBRARY_SHADOWED'
  /** Note: the Python that asks is not the one that would run. */
  | 'PYTHON_DIFFERS'

/** One thing that a person should know. */
export interface Finding {
  readonly code: FindingCode
  /** No handler starts with an error. */
  readonly severity: 'error' | 'warning' | 'note'
  readonly message: string
  /** What mends it: a command or a sentence; null where there is nothing to do. */
  readonly fix: string | null
  /** The Python traceback, where an exception was the reason. */
  readonly traceback: string | null
}

/** One of the libraries that Node exports, and Python has too. */
export interface LibraryFacts {
  readonly name: 'OpenSSL' | 'zlib' | 'brotli' | 'libuv'
  /** The version inside Node. */
  readonly node: string | null
  /** The version that this Python uses by itself; null where nothing uses it. */
  readonly python: string | null
  /** The version that it uses inside Node; null where nothing uses it, or it was not started. */
  readonly inside: string | null
  /** Whether Node's copy has taken the place of Python's own. */
  readonly shadowed: boolean
}

/** What {@link doctor} has found. Plain data, ready for JSON. */
export interface DoctorReport {
  /** Whether a handler would start: there is no error. */
  readonly ok: boolean
  /** Errors first. */
  readonly findings: readonly Finding[]
  readonly node: { readonly executable: string; readonly version: string; readonly libc: string | null; readonly target: string }
  /** The Python that a handler would run and why; null where there is none. `tried`: what was passed over. */
  readonly python: {
    readonly executable: string
    readonly version: string
    readonly source: string
    readonly venv: string | null
    readonly prefix: string
    readonly basePrefix: string
    readonly libpython: string
    readonly freeThreaded: boolean
    readonly debug: boolean
    readonly tried: readonly { readonly source: string; readonly path: string; readonly reason: string }[]
  } | null
  /** The event loop that has run in the trial: 'uvloop' or 'asyncio', and why. */
  readonly loop: { readonly name: string; readonly reason: string } | null
  /** Whether extensions bind to their own libraries rather than Node's. */
  readonly deepbind: { readonly on: boolean; readonly reason: string } | null
  readonly libraries: readonly LibraryFacts[]
  /** The app that was asked about, and whether it starts. */
  readonly app: { readonly target: string; readonly starts: boolean } | null
}

/**
 * Looks whether a handler with these options would start, and why not: finds Python as a handler does, then starts it, and
 * the app with its lifespan, in a process of its own, and ends that. Rejects with a TypeError for an option that is none;
 * everything else is a finding.
 */
export function doctor(options?: DoctorOptions): Promise<DoctorReport>

/** The report for people. */
export function textOf(report: DoctorReport): string
