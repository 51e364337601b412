/** The types for naming and calling an app, a part of index.d.ts. */

/** The name of an app, in two parts. */
export interface AppTarget {
  /** The module: a dotted name, as in an import statement. */
  module: string
  /**
   * The attribute; it may be dotted: `site.app` is the attribute `app` of the attribute `site`.
   * @default 'app'
   */
  attribute?: string
}

/** Options of a call. */
export interface CallOptions {
  /** When it is aborted, the app gets `http.disconnect`, and the call rejects with the signal's reason. */
  signal?: AbortSignal | null
}
