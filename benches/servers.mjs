// What the benches of servers share: each starts servers and clients in processes of their own, and prints medians.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.mjs'

/**
 * Start a server and wait until it takes connections.
 * @param {string} command
 * @param {(port: number) => string[]} args
 * @param {string} cwd
 * @returns {Promise<{ child: import('node:child_process').ChildProcess, port: number, complaint?: undefined } | { child?: undefined, port?: undefined, complaint: string }>}
 *   when it ends instead, what it said
 */
export async function startServer(command, args, cwd) {
  const port = await freePort()
  const child = spawn(command, args(port), { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (said += text))
  let ended = false
  child.on('error', (error) => (said += error.message)).on('close', () => (ended = true))
  for (let attempt = 0; attempt < 200 && !ended; attempt += 1) {
    if (await takesConnections(port)) return { child, port }
    await sleep(50)
  }
  child.kill()
  return { complaint: said.split('\n').find((line) => line.includes('Error')) ?? said.trim() }
}

/** @param {number} port */
async function takesConnections(port) {
  const socket = connect(port, '127.0.0.1')
  const open = await Promise.race([once(socket, 'connect').then(() => true), sleep(50, false)]).catch(() => false)
  socket.destroy()
  return open
}

/** @param {import('node:child_process').ChildProcess} child */
export async function stopServer(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill()
  await once(child, 'close')
}

/**
 * The number that a client prints.
 * @param {string} command
 * @param {string[]} args
 */
export async function clientNumber(command, args) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (data) => (text += data))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the client ended with ${code}`)
  return Number(text)
}

/** Seconds of CPU that a process has used. @param {number} pid */
export function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** @param {number[]} numbers */
export const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]
