/** @typedef {{ cancel(): void }} Source */

/**
 * Ends responses that nobody will read: whoever called has looked at the status, say, and has let go of the rest. Without
 * this the application would wait in `send` for ever, as undici's connections would without its registry.
 *
 * What is held must not refer to the response: a call forgets the promise that it has resolved.
 * @type {FinalizationRegistry<Source>}
 */
const unread = new FinalizationRegistry((source) => source.cancel())

/**
 * Cancels the source when the response, or the stream that is its body, has been collected as garbage.
 * @param {object} response
 * @param {Source} source
 */
export function cancelWhenCollected(response, source) {
  unread.register(response, source)
}
