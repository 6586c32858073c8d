/** The image of the other architecture, run by an emulator: it starts, takes a blob, gives it back, and ends. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { builtImage, cannotBuildImage } from '../../test/lib/image.ts'
import { unpackImage } from '../../test/lib/image-container.ts'
import { cannotMount, missingPrograms, programPath } from '../../test/lib/prerequisite.ts'
import { afterwards, temporaryFolder } from '../../test/lib/temporary.ts'

const EMULATOR = 'qemu-aarch64-static'
/** Its root is the image, with what an engine would mount; gone with the process. */
const START = `
  set -e
  mount -t proc proc "$0/proc"
  mount --rbind /dev "$0/dev"
  exec chroot "$0" /usr/bin/${EMULATOR} /usr/bin/node /usr/bin/registry serve
`

test(
  'the image for arm64 runs',
  { skip: cannotBuildImage() || cannotMount() || missingPrograms(EMULATOR), timeout: 120_000 },
  async (t) => {
    const root = temporaryFolder(t, 'arm64')
    const { layout } = await builtImage()
    await unpackImage(layout, 'arm64', root)
    for (const folder of ['proc', 'dev']) mkdirSync(join(root, folder), { recursive: true })
    copyFileSync(realpathSync(programPath(EMULATOR) ?? ''), join(root, 'usr/bin', EMULATOR))

    const server = spawn('unshare', ['--mount', 'sh', '-c', START, root], {
      env: { PATH: process.env['PATH'], REGISTRY_HTTP_ADDR: '127.0.0.1:0' },
    })
    const ended = new Promise<number | null>((resolve) => server.once('exit', (code) => resolve(code)))
    afterwards(t, async () => {
      server.kill('SIGKILL')
      await ended
    })
    let log = ''
    const listening = new Promise<string>((resolve, reject) => {
      for (const stream of [server.stdout, server.stderr])
        stream.setEncoding('utf8').on('data', (part: string) => {
          log += part
          const url = /listening on (http:\S+),/.exec(log)?.[1]
          if (url !== undefined) resolve(url)
        })
      void ended.then((code) => reject(new Error(`ended with ${code}:\n${log}`)))
    })
    const url = await listening
    // Enough for the thread that hashes.
    const body = Buffer.alloc(2_000_000, 'berth')
    const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
    const pushed = await fetch(`${url}/v2/a/b/blobs/uploads/?digest=${digest}`, { method: 'POST', body })
    assert.equal(pushed.status, 201, await pushed.text())
    const pulled = await fetch(`${url}/v2/a/b/blobs/${digest}`)
    assert.ok(Buffer.from(await pulled.arrayBuffer()).equals(body))
    server.kill('SIGTERM')
    assert.equal(await ended, 0, log)
  },
)
