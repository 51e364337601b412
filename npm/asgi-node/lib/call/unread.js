/** @typedef {{ cancel(): void }} Source */

/**
 * Ends responses that nobody will read. For example, a caller has read the status only and dropped the response. Without this
 * the application would wait in `send` for ever. undici has such a registry for its connections.
 *
 * The held value must not refer to the response. Therefore a call forgets its promise when it has resolved it.
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
