/** Runs wrk, which sends one GET over and over. Whole seconds only. */
import { execFile } from 'node:child_process'
import { BenchFailure } from '../failure.ts'
import { commandOn } from '../machine/pin.ts'
import { watchCpu } from '../machine/cpu.ts'
import type { Asked, Figures, Server } from './figures.ts'

type WrkWork = { asked: Asked; connections: number; seconds: number; cpu: number | undefined }

export async function runWrk(wrk: string, server: Server, work: WrkWork): Promise<Figures> {
  const { asked, connections, cpu } = work
  const seconds = Math.max(1, Math.round(work.seconds))
  const url = `${server.isTls ? 'https' : 'http'}://127.0.0.1:${server.port}${asked.path}`
  const { authorization } = server
  const headers = [asked.header, authorization && `Authorization: ${authorization}`]
  const [command, args] = commandOn(cpu, wrk, [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '30s',
    '--latency',
    ...headers.flatMap((line) => (line === undefined ? [] : ['-H', line])),
    url,
  ])
  let used = 0
  const text = await new Promise<string>((resolve, reject) => {
    const child = execFile(command, args, { timeout: 120_000 }, (error, stdout, stderr) => {
      used = stop()
      if (error === null) resolve(stdout)
      else reject(new BenchFailure(`wrk ${url}: ${stderr.trim() || stdout.trim() || error.message}`))
    })
    const stop = watchCpu(child.pid ?? 0)
  })
  return parseWrk(text, asked, used)
}

/** @throws BenchFailure where any answer was not a 2xx, a connection broke, or bodies are too short */
export function parseWrk(text: string, asked: Asked, clientCpu: number): Figures {
  const wrong = /^\s*(Non-2xx or 3xx responses: .*|Socket errors: .*)$/m.exec(text)?.[1]
  if (wrong !== undefined) throw new BenchFailure(`GET ${asked.path}: ${wrong}`)
  const [, units, seconds, size] = /(\d+) requests in ([\d.]+m?s), ([\d.]+[KMGT]?B) read/.exec(text) ?? []
  if (units === undefined || seconds === undefined || size === undefined || Number(units) === 0)
    throw new BenchFailure(`GET ${asked.path}: wrk counted no answer:\n${text}`)
  const figures = {
    units: Number(units),
    bytes: bytesOf(size),
    seconds: millisecondsOf(seconds) / 1000,
    p50: millisecondsOf(/^\s*50%\s+(\S+)/m.exec(text)?.[1] ?? '0'),
    p99: millisecondsOf(/^\s*99%\s+(\S+)/m.exec(text)?.[1] ?? '0'),
    max: millisecondsOf(/^\s*Latency\s+\S+\s+\S+\s+(\S+)/m.exec(text)?.[1] ?? '0'),
    clientCpu,
    last: '',
  }
  // wrk rounds to two places, hence 0.99.
  if (asked.length !== undefined && figures.bytes < 0.99 * asked.length * figures.units)
    throw new BenchFailure(
      `GET ${asked.path}: ${figures.bytes / figures.units} bytes an answer, ${asked.length} expected`,
    )
  return figures
}

const SIZES: Record<string, number> = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 }
const TIMES: Record<string, number> = { us: 0.001, ms: 1, s: 1000, m: 60_000 }

function bytesOf(text: string): number {
  const [, number, unit] = /^([\d.]+)([KMGT]?B)$/.exec(text) ?? []
  return Number(number) * (SIZES[unit ?? ''] ?? Number.NaN)
}

function millisecondsOf(text: string): number {
  const [, number, unit] = /^([\d.]+)(us|ms|s|m)$/.exec(text) ?? []
  return Number(number ?? 0) * (TIMES[unit ?? ''] ?? 0)
}
