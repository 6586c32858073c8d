/** A BuildKit of its own, in a folder. Linux, root. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientPath, type Ran, type Workplace } from '../clients/workplace.ts'
import { afterwards, type Ending } from '../lib/temporary.ts'

/**
 * @param through a command before the daemon's, which becomes the daemon
 * @returns builds the Dockerfile in a folder and pushes what it gives
 */
export async function startBuildkit(
  context: Ending,
  { place, run }: Workplace,
  through: readonly string[],
): Promise<(from: string, to: string) => Promise<Ran>> {
  const folder = place('buildkit')
  const address = `unix://${folder}/sock`
  const worker = ['--oci-worker=true', '--containerd-worker=false', '--oci-worker-net=host']
  const [command = '', ...rest] = [
    ...through,
    clientPath('buildkitd') ?? 'buildkitd',
    ...['--addr', address, '--root', join(folder, 'root'), ...worker],
  ]
  const log = openSync(join(folder, 'log'), 'a')
  const daemon = spawn(command, rest, { stdio: ['ignore', log, log] })
  const ended = new Promise<void>((resolve) => daemon.once('exit', () => resolve()))
  afterwards(context, async () => {
    daemon.kill('SIGTERM')
    await ended
  })
  for (let attempt = 0; ; attempt += 1) {
    const asked = await run('buildctl', ['--addr', address, 'debug', 'workers'], { mayFail: true })
    if (asked.code === 0) break
    assert.ok(
      attempt < 100 && daemon.exitCode === null,
      readFileSync(join(folder, 'log'), 'utf8').slice(-2000),
    )
    await sleep(100)
  }
  return (from, to) =>
    run('buildctl', [
      ...['--addr', address, 'build', '--frontend', 'dockerfile.v0', '--no-cache'],
      ...['--local', `context=${from}`, '--local', `dockerfile=${from}`],
      ...['--output', `type=image,name=${to},push=true`],
    ])
}
