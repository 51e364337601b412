// Every relative link in a Markdown file that git follows leads to a file that git follows, and to a heading in it.
// README.md is shown by npm and PyPI, too, where a relative link leads nowhere: there each is a link to HOME, and checked like one.

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

const HOME = 'https://github.com/asgi-node/asgi-node/blob/main/'

const problems = []
for (const path of tracked.filter((name) => name.endsWith('.md'))) {
  const text = readFileSync(path, 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '')
  for (const [, inline, reference] of text.matchAll(/\]\(([^()\s]+)\)|^\[[^\]]+\]: (\S+)$/gm)) {
    const written = inline ?? reference
    const link = written.startsWith(HOME) && path === 'README.md' ? written.slice(HOME.length) : written
    if (/^[a-z]+:/i.test(link)) continue
    if (path === 'README.md' && link === written && !link.startsWith('#')) problems.push(`README.md: ${link} must begin with ${HOME}`)
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
