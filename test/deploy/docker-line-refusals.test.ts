/** What bad input gets: a line in `docker logs` that says what to do, and an exit code that is not 0. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import type { DockerHost } from './docker-host.ts'
import { cannotTryTheLine, hostWithImage, LARGER, LINE, untilAnswers } from './docker-line.ts'

type Refusal = {
  name: string
  /** What has happened on the host before. */
  before?: string
  /** Options of `docker run`. */
  options?: string
  /** Words behind the image's name. */
  words?: string
  says: RegExp
  code: number
  /** Lines of the log; absent: one. */
  lines?: number
  isOfLargerSet?: true
}

const FOLDER = '-v /data/theirs:/var/lib/registry'
const MOUNTED = '/etc/distribution/config.yml'

const REFUSALS: readonly Refusal[] = [
  {
    name: 'a folder that the user may not write',
    before: 'mkdir -m 755 theirs',
    options: `--user 1000:1000 ${FOLDER}`,
    says: /cannot start: the data folder \/var\/lib\/registry cannot be written by user 1000: it belongs to user 0, group 0 \(mode 0755\)\. Give it to user 1000 \(chown -R 1000; for a container on the host, the folder that is mounted there\), or run as user 0 \(docker run --user 0:0\)/,
    code: 1,
  },
  {
    name: 'a folder whose content is of another user',
    isOfLargerSet: true,
    before: `docker run -d --name first ${FOLDER} registry && sleep 1 && docker rm -f first && chown 1000:1000 theirs`,
    options: `--user 1000:1000 ${FOLDER}`,
    says: /cannot start: the metadata database cannot be opened: \/var\/lib\/registry\/berth cannot be written by user 1000: it belongs to user 0/,
    code: 1,
  },
  {
    name: 'a folder mounted to be read only',
    before: 'mkdir users',
    options: '-v /data/users:/var/lib/registry:ro',
    says: /the data folder \/var\/lib\/registry lies on a file system that is mounted read-only.*without :ro/,
    code: 1,
  },
  {
    name: 'root without its rights, in a folder of a user',
    isOfLargerSet: true,
    before: 'chown 1000:1000 users',
    options: '--cap-drop all -v /data/users:/var/lib/registry',
    says: /cannot be written by user 0: it belongs to user 1000, group 1000 \(mode 0755\)\..* or run as user 1000 \(docker run --user 1000:1000\)/,
    code: 1,
  },
  {
    name: 'a disk without room',
    before:
      'mkdir full && mount -t tmpfs -o size=64k tmpfs full && head -c 64k /dev/zero >full/filled || true',
    options: '-v /data/full:/var/lib/registry',
    says: /cannot start: there is no room on the disk .*\/var\/lib\/registry.*free a few megabytes/,
    code: 1,
  },
  {
    name: 'a disk with a little room, for some files only',
    isOfLargerSet: true,
    before: 'mkdir few && mount -t tmpfs -o size=64m,nr_inodes=20 tmpfs few',
    options: '-v /data/few:/var/lib/registry',
    says: /cannot start: the data folder \/var\/lib\/registry has no room left on its disk.*for files \(df -i\)/,
    code: 1,
  },
  {
    name: 'a configuration that is no YAML',
    isOfLargerSet: true,
    before: "printf 'version: 0.1\\nstorage: [\\n' >syntax.yml",
    options: `-v /data/syntax.yml:${MOUNTED}`,
    says: /config\.yml:[23]: /,
    code: 1,
    lines: 2,
  },
  {
    name: 'a configuration with a key that does not exist',
    before:
      "printf 'version: 0.1\\nstorage:\\n  filesystem: { rootdirectory: /var/lib/registry }\\n  delet: { enabled: true }\\n' >key.yml",
    options: `-v /data/key.yml:${MOUNTED}`,
    says: /\/etc\/distribution\/config\.yml:4: storage\.delet: .*delete/,
    code: 1,
    lines: 2,
  },
  {
    name: 'a configuration that this user may not read',
    isOfLargerSet: true,
    before: 'cp key.yml secret.yml && chmod 600 secret.yml',
    options: `--user 1000 -v /data/secret.yml:${MOUNTED}`,
    says: /config\.yml: cannot be read: this user may not read it \(1000\): chmod a\+r/,
    code: 1,
    lines: 2,
  },
  {
    name: 'a configuration that is not there on the host, so that the engine makes a folder',
    options: '-v /data/missing.yml:/mine.yml',
    words: 'serve /mine.yml',
    says: /\/mine\.yml: cannot be read: it is a folder, not a file\. Engines make one where the file of a -v is not there on the host/,
    code: 1,
    lines: 2,
  },
  {
    name: 'a variable with a wrong value',
    isOfLargerSet: true,
    options: '-e REGISTRY_LOG_LEVEL=loud',
    says: /REGISTRY_LOG_LEVEL: log\.level: .*error, warn, info/,
    code: 1,
    lines: 2,
  },
  {
    name: 'a certificate whose folder was not mounted',
    options: '-e REGISTRY_HTTP_TLS_CERTIFICATE=/certs/domain.crt -e REGISTRY_HTTP_TLS_KEY=/certs/domain.key',
    says: /cannot start: http\.tls\.certificate: cannot read \/certs\/domain\.crt: there is no such file; in a container: is its folder mounted/,
    code: 1,
  },
  {
    name: 'a key that is not there on the host, so that the engine makes a folder',
    isOfLargerSet: true,
    before:
      'openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout domain.key -subj /CN=a -x509 -out domain.crt 2>/dev/null',
    options:
      '-v /data/domain.crt:/certs/domain.crt -v /data/nokey.key:/certs/domain.key -e REGISTRY_HTTP_TLS_CERTIFICATE=/certs/domain.crt -e REGISTRY_HTTP_TLS_KEY=/certs/domain.key',
    says: /http\.tls\.key: cannot read \/certs\/domain\.key: it is a folder; engines make one/,
    code: 1,
  },
  {
    name: 'a file of names that is not there, where it cannot be made',
    isOfLargerSet: true,
    options:
      '--read-only -e REGISTRY_AUTH=htpasswd -e REGISTRY_AUTH_HTPASSWD_REALM=realm -e REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd',
    says: /cannot start: auth\.htpasswd\.path: \/auth\/htpasswd is missing and cannot be made: its folder cannot be made; in a container: is its folder mounted/,
    code: 1,
  },
  {
    name: 'a file of names that is not there on the host, so that the engine makes a folder',
    options:
      '-v /data/nonames:/auth/htpasswd -e REGISTRY_AUTH=htpasswd -e REGISTRY_AUTH_HTPASSWD_REALM=realm -e REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd',
    says: /cannot start: auth\.htpasswd\.path: \/auth\/htpasswd cannot be read: it is a folder; engines make one/,
    code: 1,
  },
  {
    name: 'a port that another program has',
    before: 'docker run -d --network host --name other registry && sleep 1',
    options: '--network host',
    says: /cannot start: cannot listen on :5000: another program listens there already; stop it or set http\.addr \(REGISTRY_HTTP_ADDR\) to a free port/,
    code: 1,
  },
  {
    name: 'a command that does not exist',
    words: 'sevre',
    says: /there is no command "sevre"\. See "berth --help"\./,
    code: 2,
  },
  {
    isOfLargerSet: true,
    name: 'an argument too many',
    words: 'serve a.yml b.yml',
    says: /takes at most one argument/,
    code: 2,
  },
]

test(
  'what cannot start says why',
  { skip: cannotTryTheLine('openssl'), timeout: 300_000 },
  async (context) => {
    const host = await hostWithImage(context)
    for (const refusal of REFUSALS)
      await context.test(refusal.name, { skip: refusal.isOfLargerSet === true && LARGER }, () =>
        tryRefusal(host, refusal),
      )
    await host.type('umount full few; docker rm -f -v other', { aside: true, mayFail: true })
    await context.test('it is started again and again, and says why each time', () => saysEachTime(host))
    await context.test('a missing file of names is made, and its password shown once', () => namesMade(host))
    await context.test('a wrong variable is told, and does not keep it from starting', () => warned(host))
    context.diagnostic(`what was typed, and what was answered:\n${host.transcript()}`)
  },
)

async function tryRefusal(
  host: DockerHost,
  { before, options = '', words = '', says, code, lines = 1 }: Refusal,
) {
  if (before !== undefined) await host.type(before)
  const ran = await host.type(`docker run --name refused ${options} registry ${words}`, {
    mayFail: true,
    timeout: 30_000,
  })
  const logged = await host.type('docker logs refused', { aside: true })
  await host.type('docker rm -f -v refused', { aside: true })
  const said = logged.stdout + logged.stderr
  assert.match(said, says)
  assert.equal(ran.code, code, said)
  assert.doesNotMatch(said, /^\s+at /m, 'a stack')
  assert.ok(said.trimEnd().split('\n').length <= lines, `more than ${lines} lines:\n${said}`)
}

async function saysEachTime(host: DockerHost): Promise<void> {
  writeFileSync(join(host.data, 'broken.yml'), 'version: 0.1\nstorag: {}\n')
  await host.type(LINE.replace('-v', `-v /data/broken.yml:${MOUNTED} -v`))
  await host.until("docker inspect --format '{{.RestartCount}}' registry", /^[3-9]/)
  const { stderr } = await host.type('docker logs registry')
  const reasons = stderr.match(/config\.yml:2: storag: .*storage/g) ?? []
  assert.ok(reasons.length >= 3, stderr)
  // Mended, it starts by itself.
  writeFileSync(join(host.data, 'broken.yml'), 'version: 0.1\nstorage: { filesystem: {} }\n')
  await untilAnswers(host)
  await host.type('docker rm -f registry')
}

async function namesMade(host: DockerHost): Promise<void> {
  const auth =
    '-e REGISTRY_AUTH=htpasswd -e REGISTRY_AUTH_HTPASSWD_REALM=r -e REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd'
  await host.type(`docker run -d -p 5000:5000 -v /data/newauth:/auth ${auth} --name registry registry`)
  const logs = await host.until('docker logs registry 2>&1', /listening on/)
  const password = /password\W+(\S{32})/.exec(logs)?.[1] ?? ''
  const answered = await host.ask(
    `curl -s -o /dev/null -w '%{http_code}' -u docker:${password} http://localhost:5000/v2/`,
  )
  assert.equal(answered, '200', logs)
  await host.type('docker rm -f -v registry')
}

async function warned(host: DockerHost): Promise<void> {
  await host.type('docker run -d -p 5000:5000 -e REGISTRY_LOG_LEVL=debug --name registry registry')
  await untilAnswers(host)
  assert.match(await host.ask('docker logs registry 2>&1'), /REGISTRY_LOG_LEVL.*REGISTRY_LOG_LEVEL/)
  await host.type('docker rm -f -v registry')
}
