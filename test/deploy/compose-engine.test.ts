/**
 * The forms of deploy/compose on a real engine, typed as docs/compose.md says. The proxies' images are made of this
 * machine's programs, with the names, the folders and the commands of the official ones.
 */
import assert from 'node:assert/strict'
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type TestContext } from 'node:test'
import { randomLayer } from '../clients/layout.ts'
import { tarOf } from '../clients/tar.ts'
import { clientPath, missingClients } from '../clients/workplace.ts'
import { COMPOSE, type Form } from './compose-forms.ts'
import type { ProxyName } from './compose-proxy.ts'
import type { DockerHost, TypeOptions } from './docker-host.ts'
import { cannotTryTheLine, hostWithImage, LARGER, pushAndPull, untilAnswers } from './docker-line.ts'

const PROGRAMS = ['docker-compose', 'openssl', 'htpasswd']
const skip = cannotTryTheLine(...PROGRAMS)
const NAME = 'registry.example.com'
const OVER = 101 * 1024 * 1024

/** A host with the forms in /data/compose, an image `hello`, and the registry's name. */
async function hostWithForms(context: TestContext): Promise<DockerHost> {
  const host = await hostWithImage(context)
  cpSync(COMPOSE, join(host.data, 'compose'), { recursive: true })
  const plugins = join(host.data, '.home', '.docker', 'cli-plugins')
  mkdirSync(plugins, { recursive: true })
  copyFileSync(clientPath('docker-compose') ?? '', join(plugins, 'docker-compose'))
  await host.type('docker build -q -t hello app')
  await host.type(`echo 127.0.0.1 ${NAME} >>/etc/hosts`, { aside: true })
  // The engine looks into that file every five seconds at most.
  await sleep(5100)
  return host
}

const inForm = (host: DockerHost, form: Form) => (line: string, options?: TypeOptions) =>
  host.type(`cd compose/${form}\n${line}`, options)

/** As the page has it, of the reader's own making; then Docker is told to trust it. */
async function makeCertificate(host: DockerHost, form: Form, owner: string): Promise<void> {
  const type = inForm(host, form)
  await type('mkdir -p tls')
  await type(
    `openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=${NAME} -addext subjectAltName=DNS:${NAME},DNS:localhost -keyout tls/tls.key -out tls/tls.crt`,
  )
  await type(`chown ${owner} tls/tls.key && chmod 400 tls/tls.key`)
  await trust(host, `compose/${form}/tls/tls.crt`)
}

async function trust(host: DockerHost, path: string): Promise<void> {
  await host.type(`mkdir -p /etc/docker/certs.d/${NAME} && cp ${path} /etc/docker/certs.d/${NAME}/ca.crt`)
}

const untilHealthy = (host: DockerHost): Promise<string> =>
  host.until("docker ps --filter name=berth --format '{{.Status}}'", /\(healthy\)/, 60)

test('compose, plain and with TLS', { skip, timeout: 300_000 }, async (context) => {
  const host = await hostWithForms(context)
  const plain = inForm(host, 'plain')
  await plain('docker compose up -d')
  await untilAnswers(host)
  await pushAndPull(host, 'localhost:5000/team/hello:1')
  await plain('docker compose exec -T berth berth gc --dry-run')
  await plain('docker compose exec -T berth berth backup - >registry.tar')
  const began = performance.now()
  await plain('docker compose down')
  const seconds = (performance.now() - began) / 1000
  assert.ok(seconds < 10, `docker compose down took ${seconds.toFixed(1)} s`)
  await plain('docker compose up -d')
  await untilAnswers(host)
  await host.type('docker pull -q localhost:5000/team/hello:1')
  await plain('docker compose down')

  // The same volume behind a certificate.
  await makeCertificate(host, 'tls', '65532')
  const tls = inForm(host, 'tls')
  await tls('docker compose up -d')
  await untilAnswers(host, `https://${NAME}`)
  await host.type(`docker pull -q ${NAME}/team/hello:1`)
  await pushAndPull(host, `${NAME}/team/other:1`)
  await tls('docker compose down --volumes')

  await plain('docker compose run --rm -T berth restore - --to /var/lib/registry <registry.tar')
  await plain('docker compose up -d')
  await untilAnswers(host)
  await host.type('docker rmi -f localhost:5000/team/hello:1', { aside: true })
  await host.type('docker pull -q localhost:5000/team/hello:1')
  await plain('docker compose down --volumes')
  context.diagnostic(host.transcript())
})

test(
  'compose, a folder of root, and one that nobody may write',
  { skip, timeout: 300_000 },
  async (context) => {
    const host = await hostWithForms(context)
    const plain = inForm(host, 'plain')
    await plain("printf 'BERTH_DATA=/data/registry\\nBERTH_USER=0:0\\nBERTH_PORT=127.0.0.1:5001\\n' >.env")
    await plain('docker compose up -d')
    await untilAnswers(host, 'http://localhost:5001')
    await pushAndPull(host, 'localhost:5001/team/hello:1')
    assert.equal(await host.ask("stat -c '%u' /data/registry/berth"), '0')
    await plain('docker compose down')
    await plain("sed -i '/BERTH_USER/d' .env")
    await plain('docker compose up -d')
    const refusal = /cannot start: .*cannot be written by user 65532/
    await host.until('docker logs berth-berth-1 2>&1', refusal)
    await plain('docker compose down')
    context.diagnostic(host.transcript())
  },
)

test('compose, with users', { skip, timeout: 300_000 }, async (context) => {
  const host = await hostWithForms(context)
  await makeCertificate(host, 'users', '65532')
  const users = inForm(host, 'users')
  await users('docker compose up -d')
  await host.until(`curl -sk https://${NAME}/v2/`, /UNAUTHORIZED/)
  const { stdout } = await users('docker compose logs --no-log-prefix berth')
  const password = /admin.*?password[^\n]*?([A-Za-z0-9_-]{12,})/is.exec(stdout)?.[1] ?? ''
  assert.notEqual(password, '', stdout)
  const alice = (await users('docker compose exec -T berth berth user add alice --generate')).stdout.trim()
  await users('docker compose exec -T berth berth group add devs')
  await users('docker compose exec -T berth berth group join devs alice')
  await users('htpasswd -nbB bob "a long password" >>config/htpasswd')

  const login = (name: string, word: string): Promise<unknown> =>
    host.type(`echo '${word}' | docker login ${NAME} --username ${name} --password-stdin`)
  await host.type(`docker tag hello ${NAME}/team/hello:1`)
  const refused = await host.type(`docker push ${NAME}/team/hello:1`, { mayFail: true })
  assert.notEqual(refused.code, 0, 'nobody may push')
  await login('alice', alice)
  await pushAndPull(host, `${NAME}/team/hello:1`)
  await login('bob', 'a long password')
  await host.type(`docker pull -q ${NAME}/team/hello:1`, { mayFail: true })
  await pushAndPull(host, `${NAME}/bob/own:1`)
  const forBob = await host.type(`docker tag hello ${NAME}/team/bob:1 && docker push ${NAME}/team/bob:1`, {
    mayFail: true,
  })
  assert.notEqual(forBob.code, 0, 'bob is not of team')
  await login('admin', password)
  await pushAndPull(host, `${NAME}/anything:1`)
  await untilHealthy(host)
  await users('docker compose down')
  context.diagnostic(host.transcript())
})

/** What the official image starts, how it is told to end, and the files that this machine's program needs beside itself. */
const IMAGES: Record<ProxyName, { tag: string; lines: string[]; files: string[]; folders: string[] }> = {
  nginx: {
    tag: 'nginx:1.28-alpine',
    lines: ['CMD ["/usr/sbin/nginx", "-g", "daemon off;"]', 'STOPSIGNAL SIGQUIT'],
    files: ['/etc/passwd', '/etc/group'],
    folders: ['etc/nginx', 'var/cache/nginx', 'var/log/nginx', 'run'],
  },
  caddy: {
    tag: 'caddy:2.10-alpine',
    lines: [
      'ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data',
      'CMD ["/usr/bin/caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]',
    ],
    files: [],
    folders: ['etc/caddy', 'config', 'data'],
  },
  haproxy: {
    tag: 'haproxy:3.2-alpine',
    lines: [
      'CMD ["/usr/sbin/haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]',
      'STOPSIGNAL SIGUSR1',
    ],
    files: ['/etc/passwd', '/etc/group'],
    folders: ['usr/local/etc/haproxy'],
  },
}

async function makeProxyImage(host: DockerHost, name: ProxyName): Promise<void> {
  const { tag, lines, files, folders } = IMAGES[name]
  const root = `/data/images/${name}`
  mkdirSync(join(host.data, 'images', name), { recursive: true })
  writeFileSync(
    join(host.data, 'images', name, 'Dockerfile'),
    `FROM scratch\nADD root.tar /\n${lines.join('\n')}\n`,
  )
  const made = ['etc', 'tmp', 'var/lib', ...folders].map((folder) => `${root}/root/${folder}`).join(' ')
  const script = [
    `mkdir -p ${made}`,
    `program=$(command -v ${name})`,
    // Debian's nginx keeps its files elsewhere.
    `ln -s /var/cache/nginx ${root}/root/var/lib/nginx`,
    `cp --parents -L $program $(ldd $program | grep -o '/[^ ]*') ${files.join(' ')} ${root}/root/`,
    `tar -C ${root}/root -cf ${root}/root.tar . && rm -r ${root}/root`,
    `docker build -q -t ${tag} ${root}`,
  ]
  await host.type(script.join('\n'), { aside: true })
}

const skipProxies = LARGER || skip || missingClients(['nginx', 'caddy', 'haproxy'])

for (const name of ['nginx', 'caddy', 'haproxy'] as const)
  test(`compose, behind ${name}`, { skip: skipProxies, timeout: 300_000 }, async (context) => {
    const host = await hostWithForms(context)
    await makeProxyImage(host, name)
    const form = inForm(host, name)
    if (name === 'caddy') await form(`printf 'BERTH_HOST=${NAME}\\nBERTH_CERTIFICATE=internal\\n' >.env`)
    else await makeCertificate(host, name, 'root')
    await form('docker compose up -d')
    await untilAnswers(host, `https://${NAME}`).catch(async (cause: unknown) => {
      throw new Error((await form('docker compose logs')).stdout, { cause })
    })
    if (name === 'caddy') {
      await form('docker compose cp caddy:/data/caddy/pki/authorities/local/root.crt ca.crt')
      await trust(host, 'compose/caddy/ca.crt')
    }
    await pushAndPull(host, `${NAME}/team/hello:1`)
    await largeLayer(host, name)
    // The host's address on Docker's network, not the proxy's.
    const gateway = await host.ask(
      "docker network inspect --format '{{(index .IPAM.Config 0).Gateway}}' berth_default",
    )
    const { stdout } = await form('docker compose logs --no-log-prefix berth', { aside: true })
    assert.match(stdout, new RegExp(`${gateway} - .*"PUT /v2/team/hello/manifests/1`))
    if (name === 'nginx') {
      // Another certificate, and what the page says to do then.
      await makeCertificate(host, name, 'root')
      await form('docker compose exec -T nginx nginx -s reload')
      await host.until(`docker pull -q ${NAME}/team/hello:1`, /hello/)
    }
    if (name === 'haproxy') await form('docker compose restart haproxy')
    // Somebody else takes the registry's address: the proxy finds where it is now.
    await form('docker compose stop berth && docker run -d --network berth_default --name taker registry')
    await form('docker compose start berth')
    const began = performance.now()
    await host.until(`curl -sk --max-time 5 https://${NAME}/v2/_catalog`, /team\/hello/)
    const found = (performance.now() - began) / 1000
    assert.ok(found < 10, `found again after ${found.toFixed(1)} s`)
    await host.type('docker rm -f taker', { aside: true })
    await host.type(`docker pull -q ${NAME}/team/hello:1`)
    const ends = performance.now()
    await form('docker compose down --volumes')
    const seconds = (performance.now() - ends) / 1000
    assert.ok(seconds < 20, `docker compose down took ${seconds.toFixed(1)} s`)
    context.diagnostic(host.transcript())
  })

/** Through Caddy and HAProxy as any other; nginx has its limit, and Docker shows why. */
async function largeLayer(host: DockerHost, name: ProxyName): Promise<void> {
  writeFileSync(join(host.data, 'large.tar'), tarOf(randomLayer('engine', OVER)))
  await host.type(`docker import large.tar ${NAME}/team/large:1`)
  const began = performance.now()
  const pushed = await host.type(`docker push ${NAME}/team/large:1`, { mayFail: true })
  if (name !== 'nginx') return assert.equal(pushed.code, 0, pushed.stderr)
  assert.notEqual(pushed.code, 0)
  assert.match(pushed.stderr, /at most 100 MB in one request: push larger layers with berth push/)
  const seconds = (performance.now() - began) / 1000
  assert.ok(seconds < 30, `tried again for ${seconds.toFixed(0)} s`)
}
