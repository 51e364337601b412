// Of a few rounds' figures.

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * The median of the ratios of two lists, round by round: rounds that one of them has not are left out.
 * @param {(number | undefined)[]} ours
 * @param {(number | undefined)[]} theirs
 */
export function ratio(ours, theirs) {
  const pairs = ours.flatMap((value, i) => (value !== undefined && theirs[i] !== undefined ? [value / theirs[i]] : []))
  return pairs.length > 0 ? median(pairs) : undefined
}

/** Three figures that matter. @param {number | undefined} value */
export function short(value) {
  if (value === undefined || Number.isNaN(value)) return ''
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)))
  return Number(value.toFixed(Math.min(digits, 2))).toLocaleString('en')
}
