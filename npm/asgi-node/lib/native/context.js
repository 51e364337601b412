import { AsyncResource } from 'node:async_hooks'

/**
 * The current asynchronous context (the values of AsyncLocalStorage), for a callback of the user that runs later. Events of
 * the native side have no context of their own.
 */
export class Context extends AsyncResource {
  constructor() {
    // Without manual destroy, the garbage collector would have to track it, to report its end. AsyncLocalStorage.snapshot() would
    // take microseconds.
    super('asgi-node', { requireManualDestroy: true })
  }
}
