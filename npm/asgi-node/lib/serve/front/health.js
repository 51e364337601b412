import { targetOf } from './paths.js'

/**
 * Answers probes: PATH and PATH/ready with 200 where requests are served, PATH/live with 200 where no restart is needed;
 * else with 503. Neither the application nor the access log hears of them.
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
