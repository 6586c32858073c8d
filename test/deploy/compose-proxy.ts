/**
 * The real proxies with the configuration files of deploy/compose, on loopback. What is changed in the files stands in
 * the table below, and nothing else is: names and ports of containers, and where certificates lie.
 */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { connect } from 'node:tls'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientPath } from '../clients/workplace.ts'
import { afterwards, type Ending } from '../lib/temporary.ts'
import { adjust, makeCertificate, type Change } from './compose-forms.ts'

export type ProxyName = 'nginx' | 'caddy' | 'haproxy'

type Place = { folder: string; port: number; berth: string }
type Proxy = {
  file: string
  changes(place: Place): Change[]
  run(file: string): string[]
  /** Looks at the file, and ends. */
  validate(file: string): string[]
  environment?(place: Place): Record<string, string>
  /** Of the certificate that clients must believe. */
  authority(place: Place): string
}

const ownCertificate = ({ folder }: Place): string => join(folder, 'tls', 'tls.crt')

export const PROXIES: Readonly<Record<ProxyName, Proxy>> = {
  nginx: {
    file: 'nginx.conf',
    changes: ({ folder, port, berth }) => [
      ['listen 443 ssl', `listen 127.0.0.1:${port} ssl`],
      ['/etc/nginx/tls/', `${folder}/tls/`],
      ['/run/nginx.pid', `${folder}/nginx.pid`],
      ['berth:5000', berth],
    ],
    run: (file) => ['-e', 'stderr', '-g', 'daemon off;', '-c', file],
    validate: (file) => ['-e', 'stderr', '-t', '-c', file],
    authority: ownCertificate,
  },
  caddy: {
    file: 'Caddyfile',
    changes: ({ berth }) => [
      // Port 80 of this machine is not ours.
      ['admin off', 'admin off\n\tauto_https disable_redirects'],
      ['\tlog {', '\tbind 127.0.0.1\n\tlog {'],
      ['berth:5000', berth],
    ],
    run: (file) => ['run', '--adapter', 'caddyfile', '--config', file],
    validate: (file) => ['validate', '--adapter', 'caddyfile', '--config', file],
    environment: ({ folder, port }) => ({
      BERTH_HOST: `localhost:${port}`,
      BERTH_CERTIFICATE: 'internal',
      XDG_DATA_HOME: folder,
      XDG_CONFIG_HOME: folder,
    }),
    authority: ({ folder }) => join(folder, 'caddy', 'pki', 'authorities', 'local', 'root.crt'),
  },
  haproxy: {
    file: 'haproxy.cfg',
    changes: ({ folder, port, berth }) => [
      ['bind :443', `bind 127.0.0.1:${port}`],
      ['/usr/local/etc/haproxy/tls/', `${folder}/tls/`],
      ['berth:5000', berth],
    ],
    run: (file) => ['-db', '-f', file],
    validate: (file) => ['-c', '-f', file],
    authority: ownCertificate,
  },
}

export type RunningProxy = {
  /** `localhost:PORT`, as clients write it before a repository's name. */
  host: string
  url: string
  /** Path of the certificate that clients must believe. */
  authority: string
  /** What it wrote so far. */
  log(): string
  /** SIGKILL: what runs through it is cut. */
  kill(): Promise<void>
  start(): Promise<void>
}

/** @param place `berth`: the address of the registry, as `127.0.0.1:5000` */
export async function startProxy(context: Ending, name: ProxyName, place: Place): Promise<RunningProxy> {
  const { folder, port } = place
  const proxy = PROXIES[name]
  makeCertificate(join(folder, 'tls'))
  const file = adjust(name, proxy.file, proxy.changes(place), folder)
  const log = join(folder, 'proxy.log')
  const authority = proxy.authority(place)
  let child: ChildProcess | undefined
  let ended = Promise.resolve()
  const start = async (): Promise<void> => {
    const output = openSync(log, 'a')
    const started = spawn(clientPath(name) ?? name, proxy.run(file), {
      cwd: folder,
      env: { ...process.env, ...proxy.environment?.(place) },
      // Files, since /dev/stdout cannot be opened where it is a socket. Its own group, so that no worker is left.
      stdio: ['ignore', output, output],
      detached: true,
    })
    closeSync(output)
    child = started
    ended = new Promise((resolve) => started.once('exit', () => resolve()))
    for (let waited = 0; !(await answers(port)) || !existsSync(authority); waited += 50) {
      const said = readFileSync(log, 'utf8').slice(-3000)
      assert.ok(started.exitCode === null && waited < 15_000, `${name} does not listen: ${said}`)
      await sleep(50)
    }
  }
  const kill = async (): Promise<void> => {
    if (child?.pid === undefined) return
    process.kill(-child.pid, 'SIGKILL')
    await ended
    child = undefined
  }
  afterwards(context, kill)
  await start()
  const host = `localhost:${port}`
  return { host, url: `https://${host}`, authority, log: () => readFileSync(log, 'utf8'), kill, start }
}

/** Whether a client gets through the handshake: a proxy may listen before it has its certificate. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false })
    const tell = (isThere: boolean): void => {
      socket.destroy()
      resolve(isThere)
    }
    socket.once('secureConnect', () => tell(true))
    socket.once('error', () => tell(false))
  })
}
