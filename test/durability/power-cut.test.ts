/**
 * Power cuts on ext4 and xfs: the data folder lies on an image, the file system is shut down at a random instant
 * under six clients without writing back what is in memory, the image is copied, the copy mounted, the server
 * started on it. Acknowledged is served, and nothing with wrong bytes. BERTH_SLOW=1: 20 cuts each.
 */
import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '../lib/content.ts'
import { cannotMountImages } from '../lib/prerequisite.ts'
import { createRegistryClient } from '../lib/registry-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { createLedger } from './ledger.ts'
import { startLoad } from './load.ts'
import { copyImage, createPowerSwitch, makeImage, mountImage, unmount, type ImageKind } from './mounts.ts'
import { pushStillLife, verifyStillLife } from './still-life.ts'
import { assertNothingLost, createFindings, resumeUploads, summaryOf, verifyLedger } from './verify.ts'

const CUTS = Number(process.env['BERTH_CUTS'] ?? (process.env['BERTH_SLOW'] ? 20 : 2))
const SEED = Number(process.env['BERTH_SEED'] ?? Date.now() % 1_000_000)

for (const kind of ['ext4', 'xfs'] as const) {
  test(
    `${CUTS} power cuts on ${kind} lose nothing (seed ${SEED})`,
    { skip: cannotMountImages(`mkfs.${kind}`, 'python3'), timeout: 60_000 + CUTS * 30_000 },
    (context) => cutPower(context, kind),
  )
}

async function cutPower(context: TestContext, kind: ImageKind): Promise<void> {
  const folder = temporaryFolder(context, `power-${kind}`)
  const disk = createDisk(folder, kind)
  afterwards(context, disk.remove)
  const root = join(disk.mountPoint, 'data')
  const random = createRandom(SEED)
  const ledger = createLedger()
  const findings = createFindings()
  mkdirSync(root)
  let server = await startServer({ root })
  afterwards(context, () => server.kill())
  let client = createRegistryClient(server.url)
  const stillLife = await pushStillLife(client, 100)
  for (let cut = 1; cut <= CUTS; cut += 1) {
    const power = await createPowerSwitch(disk.mountPoint)
    const seed = SEED + cut * 101
    const load = startLoad({ url: server.url, ledger, clients: 6, seed, round: `p${cut}` })
    await sleep(random.between(200, 2500))
    await power.cut()
    // What the server still acknowledges now, it acknowledges without a disk: that counts, too.
    await sleep(100)
    const stopped = load.stop()
    await server.kill()
    await stopped
    client.close()
    await disk.restore()
    server = await startServer({ root })
    client = createRegistryClient(server.url)
    await verifyLedger({ client, ledger, findings, all: true })
    await resumeUploads({ client, ledger, findings, mayVanish: true })
    await verifyStillLife(client, stillLife, findings)
  }
  client.close()
  await server.stop()
  context.diagnostic(
    `${kind}: ${CUTS} cuts, ${ledger.acknowledgements()} acknowledgements, ${summaryOf(findings)}`,
  )
  assertNothingLost(findings, `${kind}, seed ${SEED}, ${summaryOf(findings)}`)
  assert.ok(findings.checked > 100)
}

/** An image that goes from cut to cut as a copy: what the first mount still had in memory is not in the copy. */
function createDisk(folder: string, kind: ImageKind) {
  const mountPoint = join(folder, 'mounted')
  let image = join(folder, 'disk-0.img')
  let copies = 0
  let mounted = true
  makeImage(image, kind, kind === 'xfs' ? 1200 : 1000)
  mountImage(image, mountPoint)
  return {
    mountPoint,
    restore: async () => {
      await unmount(mountPoint)
      mounted = false
      copies += 1
      const copy = join(folder, `disk-${copies}.img`)
      copyImage(image, copy)
      rmSync(image)
      image = copy
      mountImage(image, mountPoint)
      mounted = true
    },
    remove: async () => {
      if (mounted) await unmount(mountPoint)
    },
  }
}
