// What each test runner says about its own run, in one shape.

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** @param {string} text @param {RegExp} pattern the sum of every number that it captures */
const sum = (text, pattern) => [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0)

/** @type {Record<string, (text: string) => Counts>} */
const READERS = {
  // "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out", once per test binary
  cargo: (text) => ({
    passed: sum(text, /^test result: .*?(\d+) passed/gm),
    failed: sum(text, /^test result: .*?(\d+) failed/gm),
    skipped: sum(text, /^test result: .*?(\d+) ignored/gm),
  }),
  // node:test's closing lines, in the spec reporter ("ℹ pass 3") and in TAP ("# pass 3")
  node: (text) => ({
    passed: sum(text, /^[ℹ#] pass (\d+)$/gm),
    failed: sum(text, /^[ℹ#] (?:fail|cancelled) (\d+)$/gm),
    skipped: sum(text, /^[ℹ#] (?:skipped|todo) (\d+)$/gm),
  }),
  // "3 passed, 1 skipped in 0.12s"
  pytest: (text) => {
    const last = text.split('\n').findLast((line) => / in [\d.]+s\b/.test(line)) ?? ''
    return {
      passed: sum(last, /(\d+) passed/g),
      failed: sum(last, /(\d+) (?:failed|errors?)\b/g),
      skipped: sum(last, /(\d+) (?:skipped|xfailed)/g),
    }
  },
}

/**
 * A run that failed counts at least one failure, and so does one that ran nothing: a suite that vanished is not a pass.
 *
 * @param {string} runner cargo, node or pytest
 * @param {string} output
 * @param {number | null} exitCode null when it had to be ended
 * @returns {Counts}
 */
export function count(runner, output, exitCode) {
  const counts = READERS[runner](output.replaceAll(/\u001B\[[\d;]*m/g, ''))
  if (counts.failed === 0 && (exitCode !== 0 || counts.passed === 0)) counts.failed = 1
  return counts
}

/**
 * The slowest tests that a runner has told of, with their seconds; suites, which hold tests, are left out.
 * @param {string} runner
 * @param {string} output of node:test in its spec reporter, or of pytest with --durations
 * @param {number} most
 */
export function slowestOf(runner, output, most) {
  const text = output.replaceAll(/\u001B\[[\d;]*m/g, '')
  if (runner === 'pytest') return text.match(/^ *[\d.]+s (?:call|setup|teardown) .*$/gm)?.slice(0, most) ?? []
  const suites = new Set([...text.matchAll(/^ *▶ (.*)$/gm)].map(([, name]) => name))
  // What has failed is told twice.
  const tests = new Map([...text.matchAll(/^ *[✔✖] (.*) \(([\d.]+)ms\)$/gm)].map(([, name, ms]) => [name, Number(ms)]))
  return [...tests]
    .filter(([name]) => !suites.has(name))
    .toSorted((a, b) => b[1] - a[1])
    .slice(0, most)
    .map(([name, ms]) => `${(ms / 1000).toFixed(2)}s ${name}`)
}
