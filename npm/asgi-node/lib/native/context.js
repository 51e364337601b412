import { AsyncResource } from 'node:async_hooks'

/**
 * The asynchronous context of now (what AsyncLocalStorage keeps), in which a callback of the user's runs later. Events of
 * the native side have none of their own.
 */
export class Context extends AsyncResource {
  constructor() {
    // Nobody is told of its end, so that the garbage collector need not look for it. Not AsyncLocalStorage.snapshot(), which
    // takes microseconds.
    super('asgi-node', { requireManualDestroy: true })
  }
}
