// Bars, one group for each workload: an SVG that reads on a light page and on a dark one.
import { short } from './statistics.mjs'

const WIDTH = 760
const LABEL = 190
const BAR = 16
const GAP = 5
const GROUP = 44

const escaped = (/** @type {string} */ text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/**
 * @param {{ title: string, bars: { label: string, value: number, ours: boolean }[] }[]} groups
 * @param {string} date
 */
export function chart(groups, date) {
  const parts = []
  let y = 0
  for (const { title, bars } of groups) {
    y += GROUP
    parts.push(`<text class="title" x="0" y="${y - 12}">${escaped(title)}</text>`)
    const most = Math.max(...bars.map(({ value }) => value))
    for (const { label, value, ours } of bars.toSorted((a, b) => b.value - a.value)) {
      const width = Math.max(1, Math.round((value / most) * (WIDTH - LABEL - 80)))
      const middle = y + BAR - 4
      parts.push(
        `<text class="label" x="${LABEL - 8}" y="${middle}">${escaped(label)}</text>`,
        `<rect class="${ours ? 'ours' : 'other'}" x="${LABEL}" y="${y}" width="${width}" height="${BAR}" rx="2"/>`,
        `<text class="value" x="${LABEL + width + 6}" y="${middle}">${short(value)}</text>`,
      )
      y += BAR + GAP
    }
  }
  const height = y + 24
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="asgi-node beside other servers, ${date}">
<style>
text { font: 12px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; font-size: 13px; fill: #24292f }
.label { text-anchor: end }
.ours { fill: #1f883d }
.other { fill: #afb8c1 }
@media (prefers-color-scheme: dark) { text { fill: #9198a1 } .title { fill: #f0f6fc } .ours { fill: #3fb950 } .other { fill: #484f58 } }
</style>
${parts.join('\n')}
<text x="0" y="${height - 6}">More is better. make bench, ${date}</text>
</svg>
`
}
