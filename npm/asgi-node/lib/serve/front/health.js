import { targetOf } from './paths.js'

/**
 * Answers health probes. PATH and PATH/ready get 200 while requests are served. PATH/live gets 200 while no restart is needed.
 * Otherwise they get 503. Probes reach neither the application nor the access log.
 * @param {import('../../index.js').PythonHandler} handler
 * @param {string} path
 * @returns {import('./front.js').Layer}
 */
export function healthProbe(handler, path) {
  const paths = new Set([path, `${path}/ready`, `${path}/live`])
  return (req, res, next) => {
    const [target] = targetOf(req).split('?', 1)
    if (!paths.has(target) || (req.method !== 'GET' && req.method !== 'HEAD')) return next()
    const { ready, live, draining, inFlight } = handler.health()
    const isWell = target.endsWith('/live') ? live : ready
    const body = JSON.stringify({ ready, live, draining, inFlight })
    res.writeHead(isWell ? 200 : 503, { 'content-type': 'application/json', 'content-length': body.length, 'cache-control': 'no-store' })
    res.end(req.method === 'HEAD' ? undefined : body)
  }
}
