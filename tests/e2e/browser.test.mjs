// The demo's chat in a real browser: two tabs of it, text and pictures, a reload, a phone, and the end of the server. Keeps what a tab
// shows in build/screenshots. `make test` leaves this file out, and says so, where there is no Chromium.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { crc32, deflateSync } from 'node:zlib'
import { chromium } from 'playwright-core'
import { findChromium } from '../../scripts/chromium.mjs'
import { repository } from '../node/support.mjs'

// Everything that would talk to anybody but this machine is off.
const FLAGS = [
  '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
]
const screenshots = join(repository, 'build', 'screenshots')

/** The demo, as `make demo` starts it. */
async function startDemo(t) {
  const child = spawn(process.execPath, [join(repository, 'examples', 'fastapi', 'server.mjs')], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  const demo = { child, output: '', errors: '', ended: once(child, 'close') }
  child.stderr.setEncoding('utf8').on('data', (text) => (demo.errors += text))
  const url = new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text) => {
      demo.output += text
      const [found] = /http:\/\/127\.0\.0\.1:\d+/.exec(demo.output) ?? []
      if (found && demo.output.includes('Ctrl-C')) resolve(found)
    })
    demo.ended.then(() => reject(new Error(`the demo ended: ${demo.errors}`)))
  })
  return { ...demo, url: await url, noise: () => demo.errors }
}

/** A tab of the chat, with what goes wrong in it. */
async function openTab(context, url, name, problems) {
  const page = await context.newPage()
  page.on('pageerror', (error) => problems.push(`${name}: ${error}`))
  page.on('console', (message) => message.type() === 'error' && problems.push(`${name}: ${message.text()}`))
  await page.goto(`${url}/chat`)
  await page.locator('#name').fill(name)
  await page.locator('#name').press('Tab')
  await page.locator(`#members [title="${name}"]`).waitFor()
  return page
}

/** What a tab shows: each message's text, or the size of its picture; and who is there. */
const shown = (page) =>
  page.evaluate(() => ({
    messages: [...document.querySelectorAll('#messages li')].map((item) => {
      const picture = item.querySelector('img')
      const what = picture ? `picture ${picture.naturalWidth}x${picture.naturalHeight}` : item.querySelector('.what').textContent
      return item.classList.contains('mine') ? `mine: ${what}` : what
    }),
    members: [...document.querySelectorAll('#members .avatar')].map(({ title }) => title),
    state: document.querySelector('#state').textContent,
  }))

const say = async (page, text) => {
  await page.locator('#text').fill(text)
  await page.locator('#text').press('Enter')
}

const choosing = async (page) => (await Promise.all([page.waitForEvent('filechooser'), page.locator('label').click()]))[0]

const pick = (chooser) => chooser.setFiles({ name: 'waves.png', mimeType: 'image/png', buffer: png(320, 200) })

/** Waits until a tab shows this many messages, pictures loaded. */
const showing = (page, count) =>
  page.waitForFunction((expected) => {
    const items = [...document.querySelectorAll('#messages li')]
    return items.length === expected && items.every((item) => item.querySelector('img')?.complete !== false)
  }, count)

test('the chat of the demo in two tabs of Chromium', { timeout: 120_000 }, async (t) => {
  const executablePath = findChromium()
  assert.ok(executablePath, 'no Chromium was found: apt-get install chromium, or set CHROMIUM')
  const demo = await startDemo(t)
  const browser = await chromium.launch({ executablePath, args: FLAGS })
  t.after(() => browser.close())
  const context = await browser.newContext({ viewport: { width: 900, height: 860 }, colorScheme: 'light' })
  context.setDefaultTimeout(60_000)
  const problems = []
  const ada = await openTab(context, demo.url, 'Ada', problems)
  const grace = await openTab(context, demo.url, 'Grace', problems)

  await say(ada, 'Hällo Grace, can you see this? \u{1f600}')
  await Promise.all([showing(ada, 1), showing(grace, 1)])
  await say(grace, 'Every letter of it. Send me the picture, please.')
  const chooser = await choosing(ada)
  await showing(ada, 2)
  await pick(chooser)
  await Promise.all([showing(ada, 3), showing(grace, 3)])
  await say(grace, 'Lovely! <b>This</b> came as one binary message.')
  await Promise.all([showing(ada, 4), showing(grace, 4)])

  const texts = [
    'Hällo Grace, can you see this? \u{1f600}',
    'Every letter of it. Send me the picture, please.',
    'picture 320x200',
    'Lovely! <b>This</b> came as one binary message.',
  ]
  const seenBy = (own) => ({
    messages: texts.map((text, index) => (own.includes(index) ? `mine: ${text}` : text)),
    members: ['Ada', 'Grace'],
    state: 'connected',
  })
  assert.deepEqual(await shown(ada), seenBy([0, 2]))
  assert.deepEqual(await shown(grace), seenBy([1, 3]))

  // A reload is a close (1001) and a new socket, which gets what was said before.
  await grace.reload()
  await showing(grace, 4)
  await grace.locator('#members .avatar').nth(1).waitFor()
  assert.deepEqual(await shown(grace), seenBy([1, 3]))
  await say(ada, 'Welcome back.')
  await Promise.all([showing(ada, 5), showing(grace, 5)])
  mkdirSync(screenshots, { recursive: true })
  await ada.screenshot({ path: join(screenshots, 'chat.png') })

  // Blank messages are none, for the page and for the room.
  await say(ada, '   ')
  assert.equal(await ada.locator('#text').inputValue(), '')
  await ada.evaluate(() => new Promise((resolve, reject) => {
    const url = new URL('/chat/socket?name=Blank', location.href)
    const socket = new WebSocket(url.href.replace('http', 'ws'))
    socket.addEventListener('open', () => ['  \n', '', 'Not blank.'].forEach((text) => socket.send(text)))
    socket.addEventListener('error', reject)
    socket.addEventListener('message', ({ data }) => {
      if (typeof data !== 'string' || !data.includes('Not blank.')) return
      socket.close()
      resolve()
    })
  }))
  await showing(ada, 6)

  // On a phone there is room to write, and the last message does not stick to the form.
  await ada.setViewportSize({ width: 360, height: 640 })
  await pick(await choosing(ada))
  await showing(ada, 7)
  assert.equal(await ada.evaluate(() => document.documentElement.scrollWidth), 360)
  const layout = await ada.evaluate(() => {
    const of = (selector) => document.querySelector(selector).getBoundingClientRect()
    return { text: of('#text').width, name: of('#name').width, gap: of('form').top - of('#messages li:last-child').bottom }
  })
  assert.ok(layout.text >= 150 && layout.name >= 80 && layout.gap >= 12, JSON.stringify(layout))
  await ada.screenshot({ path: join(screenshots, 'chat-phone.png') })

  // A tab that is closed leaves the room.
  await grace.close()
  await ada.waitForFunction(() => document.querySelectorAll('#members .avatar').length === 1)
  assert.deepEqual(problems, [])

  // The end of the server reaches the page as what it is, although nobody closes the tab.
  demo.child.kill('SIGTERM')
  await ada.waitForFunction(() => document.querySelector('#state').textContent.includes('1012'))
  const [code, signal] = await demo.ended
  assert.deepEqual([code, signal, demo.noise()], [0, null, ''])
})

/** A picture of some waves. */
function png(width, height) {
  const rows = Buffer.alloc(height * (1 + width * 3))
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const wave = Math.sin(x / 25 + Math.sin(y / 30) * 2) + Math.sin(y / 18 + x / 90)
      const at = y * (1 + width * 3) + 1 + x * 3
      rows[at] = 40 + 50 * (wave + 2)
      rows[at + 1] = 90 + 30 * (wave + 2)
      rows[at + 2] = 200 - 20 * wave
    }
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}
