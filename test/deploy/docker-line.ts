/** The one line that people start a registry with, and what they do with it then, as they type it. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ALL_CLIENTS, clientPath, missingClients, needsRoot, NOT_ALL } from '../clients/workplace.ts'
import { type DockerHost, type DockerHostOptions, HOST_PROGRAMS, startDockerHost } from './docker-host.ts'
import { builtImage, cannotBuildImage } from '../lib/image.ts'

export const LINE =
  'docker run -d -v /data/registry:/var/lib/registry -p 5000:5000 --restart=always --name registry registry'

/** For `test({ skip })`: what only `BERTH_CLIENTS=all` tries. */
export const LARGER = ALL_CLIENTS ? false : NOT_ALL

/** For `test({ skip })`: what this file's tests are made of. */
export const cannotTryTheLine = (...more: string[]): string | false =>
  cannotBuildImage() ||
  missingClients(['dockerd', 'runc', 'busybox', ...HOST_PROGRAMS, ...more]) ||
  needsRoot()

/** A host on which the image is called `berth` and `registry`, and an image `hello` is there to be pushed. */
export async function hostWithImage(
  context: TestContext,
  options: DockerHostOptions = {},
): Promise<DockerHost> {
  const host = await startDockerHost(context, options)
  context.diagnostic(`Docker engine ${host.version}`)
  // BERTH_TEST_IMAGE names another archive, to try what the tests ask of an image.
  const archive = process.env['BERTH_TEST_IMAGE'] ?? (await builtImage()).archive
  copyFileSync(archive, join(host.data, 'berth-image.tar'))
  const app = join(host.data, 'app')
  mkdirSync(app)
  copyFileSync(clientPath('busybox') ?? '', join(app, 'busybox'))
  const lines = [
    'FROM scratch',
    'COPY busybox /busybox',
    'CMD ["/busybox", "echo", "hello from the registry"]',
  ]
  writeFileSync(join(app, 'Dockerfile'), `${lines.join('\n')}\n`)
  await host.type('docker load -i berth-image.tar')
  await host.type('docker tag berth registry')
  return host
}

/** Waits for the first answer of a registry, where it is open to everybody. */
export const untilAnswers = (host: DockerHost, url = 'http://localhost:5000'): Promise<string> =>
  host.until(`curl -sk --max-time 5 ${url}/v2/`, /^\{\}/)

/** Pushes, forgets, pulls and runs: whatever is at that name serves what it was given. */
export async function pushAndPull(host: DockerHost, image: string): Promise<void> {
  await host.type(`docker tag hello ${image}`)
  await host.type(`docker push -q ${image}`)
  await host.type(`docker rmi ${image}`)
  await host.type(`docker pull -q ${image}`)
  assert.equal(await host.ask(`docker run --rm ${image}`), 'hello from the registry')
  await host.type(`docker rmi -f ${image}`, { aside: true })
}

/** The number that the host has for the first process of the container. */
const processOf = (host: DockerHost): Promise<string> =>
  host.ask("docker inspect --format '{{.State.Pid}}' registry")

export async function tryTheLine(context: TestContext, options: DockerHostOptions): Promise<void> {
  const host = await hostWithImage(context, options)
  const { type, ask, until } = host
  await context.test('it runs', async () => {
    await type(LINE)
    await untilAnswers(host)
    assert.equal(await ask('curl -s http://localhost:5000/v2/'), '{}')
    assert.match(await ask('docker ps'), / Up .* 0\.0\.0\.0:5000->5000\/tcp.* registry$/m)
    await type('docker exec registry registry healthcheck')
  })
  await context.test('its log is for people', () => readableLog(host))
  await context.test('it is described as the image of Distribution is', () => described(host))
  await context.test('build, tag, push, remove, pull and run through it', async () => {
    await type('docker build -q -t hello app')
    await pushAndPull(host, 'localhost:5000/team/hello:1')
    assert.match(await ask('curl -s http://localhost:5000/v2/_catalog'), /"team\/hello"/)
  })
  // An engine looks for the first time when half a minute is over.
  await context.test('its health is seen', { skip: LARGER }, async () => {
    await until("docker ps --format '{{.Status}}'", /\(healthy\)/, 45)
    await type('docker ps')
  })
  await context.test('it comes back when its process is killed', async () => {
    await type(`kill -9 ${await processOf(host)}`)
    await until("docker inspect --format '{{.RestartCount}} {{.State.Running}}' registry", /^1 true$/)
    await untilAnswers(host)
    await pullFromIt(host)
  })
  await context.test('it comes back with the engine', async () => {
    await host.restartEngine()
    await untilAnswers(host)
    await pullFromIt(host)
  })
  await context.test('it comes back when the engine is killed', { skip: LARGER }, async () => {
    await host.restartEngine('KILL')
    await untilAnswers(host)
    await pullFromIt(host)
  })
  await context.test('it ends at once when told to, and cleanly', async () => {
    const began = performance.now()
    await type('docker stop registry')
    const seconds = (performance.now() - began) / 1000
    assert.ok(seconds < 3, `docker stop took ${seconds.toFixed(1)} s`)
    assert.equal(await ask("docker inspect --format '{{.State.ExitCode}}' registry"), '0')
  })
  await context.test('its folder survives it', async () => {
    await type('docker rm -f registry')
    await type(LINE)
    await untilAnswers(host)
    await pullFromIt(host)
  })
  await context.test('space is freed by commands inside it', () => collected(host))
  await type('docker rm -f registry')
  context.diagnostic(`what was typed, and what was answered:\n${host.transcript()}`)
}

async function pullFromIt({ type, ask }: DockerHost): Promise<void> {
  await type('docker pull -q localhost:5000/team/hello:1')
  assert.equal(await ask('docker run --rm localhost:5000/team/hello:1'), 'hello from the registry')
  await type('docker rmi -f localhost:5000/team/hello:1', { aside: true })
}

async function readableLog({ type }: DockerHost): Promise<void> {
  const { stdout, stderr } = await type('docker logs registry')
  const lines = stderr.trimEnd().split('\n')
  // eslint-disable-next-line no-control-regex
  assert.doesNotMatch(stdout + stderr, /\u001b|^\{/m, 'colours or JSON')
  assert.match(
    stderr,
    /Berth [\d.]+ listening on http:\/\/localhost:5000, data in \/var\/lib\/registry, configured by/,
  )
  assert.match(stderr, /open to everyone/)
  assert.match(stderr, /next: docker tag IMAGE localhost:5000\/IMAGE && docker push localhost:5000\/IMAGE/)
  assert.ok(lines.length < 10, 'a start that says more than anybody reads')
}

async function described({ ask }: DockerHost): Promise<void> {
  const { Config: config } = JSON.parse(
    await ask("docker image inspect --format '{{json .}}' registry", { aside: true }),
  ) as { Config: Record<string, unknown> }
  assert.deepEqual(config['Volumes'], { '/var/lib/registry': {} })
  assert.deepEqual(config['ExposedPorts'], { '5000/tcp': {} })
  const labels = config['Labels'] as Record<string, string>
  for (const name of ['title', 'version', 'licenses', 'description'])
    assert.ok((labels[`org.opencontainers.image.${name}`] ?? '') !== '', `the label ${name}`)
  assert.match(JSON.stringify(config['Cmd']), /serve.*\/etc\/distribution\/config\.yml/)
}

async function collected({ type, ask }: DockerHost): Promise<void> {
  const first = await ask('docker exec registry registry garbage-collect /etc/docker/registry/config.yml')
  assert.match(first, /\d+ blobs marked, 0 blobs and 0 manifests eligible for deletion/)
  await type('docker exec registry bin/registry garbage-collect --dry-run /etc/distribution/config.yml')
  const deleted = await ask(
    "curl -s -o /dev/null -w '%{http_code}' -X DELETE http://localhost:5000/v2/team/hello/manifests/1",
  )
  assert.equal(deleted, '202')
  const { stdout } = await type('docker exec registry berth gc --empty-trash')
  assert.match(stdout, /Removed (1 manifest|3 manifests),/)
}
