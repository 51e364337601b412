// The doctor's trial start: a process that starts Python, then the app, and reports the result. Their output goes elsewhere,
// and a crash ends only this process.

import { PythonHandler } from '../handler.js'

/** @param {unknown} part */
const tell = (part) => new Promise((sent) => process.send?.(part, sent))

/** @param {unknown} error */
const failure = (error) => {
  const { code, message, traceback, fix } = /** @type {import('../index.js').PythonError} */ (error)
  return { code: code ?? 'PYTHON_START_FAILED', message, traceback, fix }
}

process.once('message', async (/** @type {{ options: import('../index.js').PythonHandlerOptions, extent: import('./doctor.js').Extent }} */ message) => {
  const { options, extent } = message
  const { python, venv, docroot, loop, deepbind } = options
  try {
    const start = { docroot, lifespan: /** @type {const} */ ('off'), python, venv, loop, deepbind, workers: extent.embedded ? 0 : 1 }
    const facts = new PythonHandler({ app: 'asgi_node.probe.libraries:trial', ...start })
    const { body } = await facts.handleRequest({ url: '/' })
    await tell({ python: PythonHandler.python ?? undefined, inside: JSON.parse(String(body)) })
    await facts.close()
    if (extent.named) {
      const handler = new PythonHandler(options)
      const outcome = await handler.ready().then(() => 'starts', failure)
      await tell({ app: outcome })
      if (outcome === 'starts') await handler.close({ timeout: 1000 })
    }
  } catch (error) {
    await tell({ failure: failure(error) })
  }
  process.exit(0)
})
