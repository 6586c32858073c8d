/** The compose files and what they mount, looked at by the programs that read them. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { parse } from 'yaml'
import { clientPath, missingClients, needsRoot } from '../clients/workplace.ts'
import { temporaryFolder } from '../lib/temporary.ts'
import {
  adjust,
  COMPOSE,
  environmentOf,
  FORMS,
  makeCertificate,
  readForm,
  type Form,
} from './compose-forms.ts'
import { PROXIES, type ProxyName } from './compose-proxy.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
/** What Caddy's folder cannot know. */
const NEEDED: Partial<Record<Form, Record<string, string>>> = {
  caddy: { BERTH_HOST: 'registry.example.com' },
}
const skipCompose = missingClients(['docker-compose'])

function compose(form: Form, args: string[], env: Record<string, string> = {}) {
  return spawnSync(clientPath('docker-compose') ?? '', ['-f', join(COMPOSE, form, 'compose.yaml'), ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...NEEDED[form], ...env },
    encoding: 'utf8',
    timeout: 30_000,
  })
}

type Resolved = {
  name: string
  services: Record<
    string,
    {
      image: string
      user?: string
      ports?: { target: number; published: string; host_ip?: string }[]
      volumes?: { type: string; source: string; target: string }[]
    }
  >
}

function resolved(form: Form, env?: Record<string, string>): Resolved {
  const ran = compose(form, ['config', '--format', 'json'], env)
  assert.equal(ran.status, 0, ran.stderr)
  assert.equal(ran.stderr, '', 'it warns')
  return JSON.parse(ran.stdout) as Resolved
}

for (const form of FORMS) {
  test(`compose takes ${form}`, { skip: skipCompose }, () => {
    const { name, services } = resolved(form)
    assert.equal(name, 'berth')
    assert.equal(services['berth']?.image, 'berth:latest')
    assert.equal(services['berth']?.user, '65532:65532')
    for (const { volumes = [] } of Object.values(services))
      for (const { type, source } of volumes)
        if (type === 'bind' && !source.endsWith('/tls')) assert.ok(existsSync(source), source)
  })

  test(
    `${form}: every variable is explained in .env.example, and means something`,
    { skip: skipCompose },
    () => {
      const file = readFileSync(join(COMPOSE, form, 'compose.yaml'), 'utf8')
      const used = new Set([...file.matchAll(/\$\{([A-Z_]+)/g)].map(([, name = '']) => name))
      const example = readFileSync(join(COMPOSE, form, '.env.example'), 'utf8')
      const lines = [...example.matchAll(/^#?([A-Z_]+)=(.+)$/gm)]
      assert.deepEqual(lines.map(([, name = '']) => name).sort(), [...used].sort())
      const given = Object.fromEntries(lines.map(([, name = '', value = '']) => [name, value]))
      const text = JSON.stringify(
        resolved(form, { ...given, BERTH_DATA: '/srv/registry', BERTH_PORT: '127.0.0.1:4711' }),
      )
      assert.match(text, /"source":"\/srv\/registry"/)
      assert.match(text, /registry\.example\.com/)
      if (used.has('BERTH_PORT')) assert.match(text, /"host_ip":"127\.0\.0\.1".*"published":"4711"/)
    },
  )
}

test('a form that lacks a needed name says which', { skip: skipCompose }, () => {
  const ran = compose('caddy', ['config', '-q'], { BERTH_HOST: '' })
  assert.notEqual(ran.status, 0)
  assert.match(ran.stderr, /BERTH_HOST.*name of the registry/)
})

test('every service is hardened, starts again, and ends its logs; the registry is the same in all forms', () => {
  const same = [
    'image',
    'restart',
    'user',
    'read_only',
    'tmpfs',
    'cap_drop',
    'security_opt',
    'stop_grace_period',
    'logging',
  ]
  const kept = ({ services }: ReturnType<typeof readForm>): unknown[] =>
    same.map((key) => services['berth']?.[key])
  for (const form of FORMS) {
    const file = readForm(form)
    assert.deepEqual(kept(file), kept(readForm('plain')), form)
    for (const [name, service] of Object.entries(file.services)) {
      const what = `${form}: ${name}`
      assert.equal(service.restart, 'unless-stopped', what)
      assert.equal(service.read_only, true, what)
      assert.deepEqual(service['cap_drop'], ['ALL'], what)
      assert.deepEqual(service['security_opt'], ['no-new-privileges:true'], what)
      assert.ok('max-size' in (service['logging'] as { options: object }).options, what)
      assert.match(service.image, /^\$\{[A-Z]+_IMAGE:-[a-z]+:[a-z0-9.-]+\}$/, what)
      // Behind a proxy only the proxy is reached.
      if (name === 'berth') assert.equal('ports' in service, Object.keys(file.services).length === 1, what)
    }
  }
})

test('no folder brings a secret', () => {
  const users = parse(readFileSync(join(COMPOSE, 'users/config/config.yml'), 'utf8')) as { access: object }
  assert.equal('administrator' in users.access, false)
  const people = readFileSync(join(COMPOSE, 'users/config/htpasswd'), 'utf8').split('\n')
  assert.deepEqual(
    people.filter((line) => line !== '' && !line.startsWith('#')),
    [],
  )
  for (const form of FORMS) assert.ok(!/password|secret/i.test(JSON.stringify(environmentOf(form))), form)
  const ignored = ['plain/.env', 'tls/tls/tls.key', 'caddy/.env'].map((path) => join(COMPOSE, path))
  if (!existsSync(join(COMPOSE, '../../.git'))) return
  const said = execFileSync('git', ['check-ignore', ...ignored], { cwd: COMPOSE, encoding: 'utf8' })
  assert.deepEqual(said.trim().split('\n'), ignored)
})

for (const form of FORMS) {
  test(`berth config check finds nothing to say against ${form}`, (context) => {
    const config =
      form === 'users' ? join(COMPOSE, 'users/config/config.yml') : join(COMPOSE, '../image/config.yml')
    const folder = temporaryFolder(context, 'compose')
    makeCertificate(join(folder, 'tls'))
    const changes = (text: string): string => text.replace('/tls/', `${folder}/tls/`)
    const env = Object.entries(environmentOf(form)).map(([name, value]) => [name, changes(value)])
    const ran = spawnSync(process.execPath, [MAIN, 'config', 'check', config], {
      env: { PATH: process.env['PATH'] ?? '', ...Object.fromEntries(env) },
      encoding: 'utf8',
      timeout: 30_000,
    })
    assert.equal(ran.status, 0, ran.stdout + ran.stderr)
    assert.doesNotMatch(ran.stdout + ran.stderr, /not needed|warn|unknown/i)
  })
}

for (const name of Object.keys(PROXIES) as ProxyName[]) {
  test(`${name} takes its file`, { skip: missingClients([name]) || needsRoot() }, (context) => {
    const folder = temporaryFolder(context, 'compose')
    makeCertificate(join(folder, 'tls'))
    const place = { folder, port: 4711, berth: '127.0.0.1:5000' }
    const proxy = PROXIES[name]
    const file = adjust(name, proxy.file, proxy.changes(place), folder)
    // A file, since /dev/stdout cannot be opened where it is a socket.
    const output = openSync(join(folder, 'said'), 'a')
    const ran = spawnSync(clientPath(name) ?? '', proxy.validate(file), {
      env: { ...process.env, ...proxy.environment?.(place) },
      stdio: ['ignore', output, output],
      timeout: 30_000,
    })
    closeSync(output)
    const said = readFileSync(join(folder, 'said'), 'utf8')
    assert.equal(ran.status, 0, said)
    // One warning is about what was changed for this machine.
    assert.doesNotMatch(said.replace(/.*redirects are disabled.*/, ''), /warn/i)
  })
}
