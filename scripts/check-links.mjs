// Every relative link in a Markdown file that git follows leads to a file that git follows, and to a heading in it.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, normalize } from 'node:path'

const tracked = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0').filter(Boolean)
const folders = new Set(tracked.flatMap((path) => path.split('/').map((_, index, parts) => parts.slice(0, index).join('/'))))
const targets = new Set([...tracked, ...folders])

/** The anchors that GitHub gives the headings of a page. @param {string} path */
const anchors = (path) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => /^#{1,6} /.test(line))
    .map((line) => line.replace(/^#+ /, '').toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'))

const problems = []
for (const path of tracked.filter((name) => name.endsWith('.md'))) {
  const text = readFileSync(path, 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '')
  for (const [, link] of text.matchAll(/\]\(([^()\s]+)\)/g)) {
    if (/^[a-z]+:/i.test(link)) continue
    const [file, anchor] = link.split('#')
    const target = file === '' ? path : normalize(`${dirname(path)}/${file}`).replace(/\/$/, '')
    if (!targets.has(target)) problems.push(`${path}: ${link} leads nowhere`)
    else if (anchor && target.endsWith('.md') && !anchors(target).includes(anchor)) problems.push(`${path}: ${link} names no heading`)
  }
}
if (problems.length > 0) {
  console.error(problems.join('\n'))
  process.exitCode = 1
}
