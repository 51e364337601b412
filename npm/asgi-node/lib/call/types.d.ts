/** How an app is named and called, a part of index.d.ts. */

/** An app in two parts. */
export interface AppTarget {
  /** Dotted name, as in an import statement. */
  module: string
  /** Dotted: `site.app` is the attribute `app` of the attribute `site`. Default 'app'. */
  attribute?: string
}

/** How a call can be ended. */
export interface CallOptions {
  /** Aborting it gives the app `http.disconnect` and rejects with the signal's reason. */
  signal?: AbortSignal | null
}
