/** Real CNCF Distributions: what they are called, and how one is started on a folder. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { missingPrograms, programPath } from '../lib/prerequisite.ts'
import { startServer, type TestServer } from '../lib/start-server.ts'

export type Peer = {
  name: string
  /** Undefined: not on this machine. */
  command: string | undefined
  /** For `test({ skip })`. */
  skip: string | false
}

const OWN_PROGRAMS = join(process.env['BERTH_CLIENTS_DIR'] ?? join(homedir(), '.cache/berth-clients'), 'bin')

/**
 * Distribution 3 is in no Debian and takes minutes to build: without it that half is skipped, also under CI. 2.8 is a
 * package (test/clients/install.sh).
 */
export const PEERS: readonly Peer[] = [third(), second()]

function third(): Peer {
  const named = process.env['BERTH_COMPAT_PEER']
  const found = [named, join(OWN_PROGRAMS, 'distribution'), programPath('registry')].find(
    (program) => program !== undefined && isDistribution3(program),
  )
  return {
    name: 'Distribution 3',
    command: found,
    skip:
      found === undefined &&
      'SKIPPED: Distribution 3 is not on this machine (BERTH_COMPAT_PEER, registry on the PATH, or test/clients/install.sh all)',
  }
}

/** Berth is called registry as well. */
function isDistribution3(program: string): boolean {
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 10_000 })
  return /distribution\/v3\b/.test(stdout ?? '')
}

function second(): Peer {
  const skip = missingPrograms('docker-registry')
  return { name: 'Distribution 2.8', command: programPath('docker-registry'), skip }
}

function configOf(root: string): Record<string, unknown> {
  return {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: root },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false, age: '168h', interval: '24h', dryrun: false } },
    },
    http: { addr: '127.0.0.1:0', secret: 'the same after each restart' },
  }
}

export function startPeer({ command = '' }: Peer, root: string): Promise<TestServer> {
  return startServer({ root, config: configOf(root), command: [command, 'serve'] })
}

/** Its own garbage collection, as operators run it; Distribution must not run. */
export function collectGarbage({ command = '' }: Peer, root: string): { status: number | null; log: string } {
  const folder = mkdtempSync(join(tmpdir(), 'berth-config-'))
  try {
    const file = join(folder, 'config.yml')
    writeFileSync(file, JSON.stringify(configOf(root)))
    const { status, stdout, stderr } = spawnSync(command, ['garbage-collect', file], {
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
    })
    return { status, log: `${stdout}\n${stderr}` }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
