/** Who the registry's process is, what it may, and where its data lie: as options of `docker run`. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { DockerHost } from './docker-host.ts'
import { LARGER, LINE, pushAndPull, untilAnswers } from './docker-line.ts'
import { withRegistry } from './docker-line-settings.ts'

const HARDENED = '--read-only --cap-drop all --security-opt no-new-privileges'

export async function tryRights(context: TestContext, host: DockerHost): Promise<void> {
  await host.type('mkdir mine ours && chown 1000:1000 mine')
  const cases: [name: string, options: string, skip?: string | false][] = [
    ['a user of one’s own', '--user 1000:1000 -v /data/mine:/var/lib/registry', LARGER],
    ['root without any rights of root', `${HARDENED} -v /data/ours:/var/lib/registry`],
    ['both', `${HARDENED} --user 1000:1000 -v /data/mine:/var/lib/registry`],
    ['a user of one’s own, in a volume that the engine makes', `${HARDENED} --user 1000:1000`],
  ]
  for (const [name, options, skip = false] of cases)
    await context.test(name, { skip }, () =>
      withRegistry(host, `${options} -p 5000:5000`, async () => {
        await untilAnswers(host)
        await pushAndPull(host, 'localhost:5000/team/rights:1')
        await host.type('docker exec registry registry garbage-collect /etc/docker/registry/config.yml')
        await host.type('docker exec registry berth check')
      }),
    )
  await context.test('what it wrote belongs to its user', async () => {
    assert.equal(await host.ask('find mine ! -user 1000 -o ! -group 1000 | head'), '')
  })
}

export async function tryVolumes(context: TestContext, host: DockerHost): Promise<void> {
  await context.test('a volume with a name', async () => {
    const named = '-v registry-data:/var/lib/registry -p 5000:5000'
    await withRegistry(host, named, async () => {
      await untilAnswers(host)
      await pushAndPull(host, 'localhost:5000/team/volume:1')
    })
    await withRegistry(host, named, async () => {
      await untilAnswers(host)
      await host.type('docker pull -q localhost:5000/team/volume:1')
    })
    await host.type('docker rmi -f localhost:5000/team/volume:1', { aside: true })
    await host.type('docker volume rm registry-data')
  })
  await context.test('a volume without a name goes with its container', async () => {
    await withRegistry(host, '-p 5000:5000', async () => {
      await untilAnswers(host)
      assert.equal(
        await host.ask(
          "docker inspect --format '{{range .Mounts}}{{.Type}} {{.Destination}}{{end}}' registry",
        ),
        'volume /var/lib/registry',
      )
    })
    assert.equal(await host.ask('docker volume ls -q'), '')
  })
}

/** What CNCF Distribution wrote, as root, is served by the same line. */
export async function tryTakeover(host: DockerHost): Promise<void> {
  const { type, ask } = host
  writeFileSync(
    join(host.data, 'old.yml'),
    'version: 0.1\nstorage: { filesystem: { rootdirectory: /data/registry } }\nhttp: { addr: ":5000" }\n',
  )
  await type('docker-registry serve old.yml >old.log 2>&1 & echo $! >old.pid', { aside: true })
  await untilAnswers(host)
  await pushAndPull(host, 'localhost:5000/team/old:1')
  const before = await ask('curl -s http://localhost:5000/v2/_catalog')
  await type('kill "$(cat old.pid)"', { aside: true })
  await host.until('curl -s http://localhost:5000/v2/ || echo gone', /gone/)
  await type(LINE)
  try {
    await untilAnswers(host)
    assert.deepEqual(JSON.parse(await ask('curl -s http://localhost:5000/v2/_catalog')), JSON.parse(before))
    await type('docker pull -q localhost:5000/team/old:1')
    assert.equal(await ask('docker run --rm localhost:5000/team/old:1'), 'hello from the registry')
    await host.until('docker logs registry 2>&1', /takeover complete/)
  } finally {
    await type('docker rm -f registry')
  }
  await type('docker rmi -f localhost:5000/team/old:1', { aside: true })
}

/** MiB: pushes and pulls that are larger than what it may use, in memory. */
const LARGE = 192

export async function tryMemory(context: TestContext, host: DockerHost): Promise<void> {
  const folder = join(host.data, 'large')
  mkdirSync(folder)
  writeFileSync(join(folder, 'large'), randomBytes(LARGE * 1024 * 1024))
  writeFileSync(join(folder, 'Dockerfile'), 'FROM hello\nCOPY large /large\n')
  await host.type('docker build -q -t large large')
  for (const megabytes of [256, 128])
    await context.test(`${megabytes} MB of memory`, () =>
      withRegistry(host, `--memory ${megabytes}m --memory-swap ${megabytes}m -p 5000:5000`, async () => {
        await untilAnswers(host)
        for (const tag of [1, 2, 3]) {
          await host.type(
            `docker tag large localhost:5000/large/${tag}:1 && docker push -q localhost:5000/large/${tag}:1`,
          )
          await host.type(`docker rmi localhost:5000/large/${tag}:1`)
        }
        await host.type(
          'for n in 1 2 3 4 5 6 7 8; do curl -s http://localhost:5000/v2/large/1/manifests/1 -H "Accept: */*" -o /dev/null & done; wait',
        )
        await host.type('docker exec registry registry garbage-collect /etc/docker/registry/config.yml')
        context.diagnostic(await host.ask("docker stats --no-stream --format '{{.MemUsage}}' registry"))
        const state =
          "docker inspect --format '{{.State.OOMKilled}} {{.RestartCount}} {{.State.Running}}' registry"
        assert.equal(await host.ask(state), 'false 0 true')
      }),
    )
}
