/** A containerd of its own, in a folder. Linux, root. */
import { spawn } from 'node:child_process'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterwards, type Ending } from '../lib/temporary.ts'
import { clientPath, missingClients, type Ran, type RunOptions, type Workplace } from './workplace.ts'

const newer = missingClients(['containerd', 'ctr'], 'newer') === false

export type Ctr = (args: string[], options?: RunOptions) => Promise<Ran>

export async function startContainerd(context: Ending, workplace: Workplace): Promise<Ctr> {
  const folder = workplace.place('containerd')
  const socket = join(folder, 'sock')
  const configuration = join(folder, 'config.toml')
  const lines = [
    'version = 2',
    `root = "${folder}/root"`,
    `state = "${folder}/state"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    '[grpc]',
    `address = "${socket}"`,
  ]
  writeFileSync(configuration, `${lines.join('\n')}\n`)
  const log = openSync(join(folder, 'log'), 'a')
  const program = clientPath('containerd', newer) ?? 'containerd'
  const path = `${join(program, '..')}:/usr/bin:/usr/sbin:/bin:/sbin`
  const daemon = spawn(program, ['-c', configuration], {
    stdio: ['ignore', log, log],
    env: { ...process.env, PATH: path },
  })
  const ended = new Promise<void>((resolve) => daemon.once('exit', () => resolve()))
  afterwards(context, async () => {
    daemon.kill('SIGTERM')
    await ended
  })
  const tool = clientPath('ctr', newer) ?? 'ctr'
  const ctr: Ctr = (args, options) => workplace.run(tool, ['-a', socket, ...args], options)
  for (let attempt = 0; ; attempt += 1) {
    try {
      await ctr(['version'])
      return ctr
    } catch (error) {
      if (attempt === 100 || daemon.exitCode !== null)
        throw new Error(readFileSync(join(folder, 'log'), 'utf8').slice(-2000), { cause: error })
      await sleep(100)
    }
  }
}
