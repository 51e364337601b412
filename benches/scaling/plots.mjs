// Small plots side by side, as an SVG that reads on a light page and on a dark one.

const WIDTH = 250
const HEIGHT = 170
const MARGIN = { left: 42, right: 14, top: 30, bottom: 34 }
const COLUMNS = 3
/** A range that is wider is drawn by powers of ten. */
const WIDEST = 200

/** @typedef {{ name: string, axis: string, results: { point: number, microseconds: number }[] }} Plot */

/** @param {Plot[]} list */
export function plots(list) {
  const rows = Math.ceil(list.length / COLUMNS)
  const inside = list.map((plot, i) => one(plot, (i % COLUMNS) * WIDTH, Math.floor(i / COLUMNS) * HEIGHT))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH * COLUMNS} ${HEIGHT * rows}" width="${WIDTH * COLUMNS}" height="${HEIGHT * rows}" role="img" aria-label="microseconds of CPU for a request">
<style>
text { font: 11px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; font-size: 12px; fill: #24292f }
.axis { stroke: #d0d7de }
.line { fill: none; stroke: #1f883d; stroke-width: 2 }
.dot { fill: #1f883d }
@media (prefers-color-scheme: dark) { text { fill: #9198a1 } .title { fill: #f0f6fc } .axis { stroke: #3d444d } .line { stroke: #3fb950 } .dot { fill: #3fb950 } }
</style>
${inside.join('\n')}
</svg>
`
}

/** @param {Plot} plot @param {number} left @param {number} top */
function one({ name, axis, results }, left, top) {
  const points = results.map(({ point }) => point)
  const last = points.at(-1) ?? 1
  const first = points[0] ?? 0
  const isWide = first > 0 && last / first > WIDEST
  const most = Math.max(...results.map(({ microseconds }) => microseconds)) * 1.15
  const inner = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom }
  const share = (/** @type {number} */ point) => (isWide ? Math.log(point / first) / Math.log(last / first) : (point - first) / (last - first))
  const x = (/** @type {number} */ point) => Math.round(left + MARGIN.left + share(point) * inner.width)
  const y = (/** @type {number} */ value) => Math.round(top + MARGIN.top + (1 - value / most) * inner.height)
  const bottom = y(0)
  const path = results.map(({ point, microseconds }) => `${x(point)},${y(microseconds)}`).join(' ')
  const step = stepOf(most)
  const marks = Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step)
  return [
    `<text class="title" x="${left + 4}" y="${top + 16}">${name}</text>`,
    ...marks.map((mark) => `<text x="${left + MARGIN.left - 6}" y="${y(mark) + 4}" text-anchor="end">${mark}</text>`),
    `<path class="axis" d="M${left + MARGIN.left} ${y(most)}V${bottom}H${left + MARGIN.left + inner.width}" fill="none"/>`,
    `<polyline class="line" points="${path}"/>`,
    ...results.map(({ point, microseconds }) => `<circle class="dot" cx="${x(point)}" cy="${y(microseconds)}" r="2.5"/>`),
    `<text x="${x(first)}" y="${bottom + 15}">${first}</text>`,
    `<text x="${x(last)}" y="${bottom + 15}" text-anchor="end">${last}</text>`,
    `<text x="${Math.round(left + MARGIN.left + inner.width / 2)}" y="${bottom + 28}" text-anchor="middle">${axis}${isWide ? ', by powers of ten' : ''}</text>`,
  ].join('\n')
}

/** So that there are three to six marks. @param {number} most */
function stepOf(most) {
  const power = 10 ** Math.floor(Math.log10(most))
  return [power / 5, power / 2, power, power * 2].find((step) => most / step < 6) ?? power * 2
}
