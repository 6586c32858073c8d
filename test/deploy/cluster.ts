/** A Kubernetes cluster of one node, real but for its DNS, in namespaces of Linux: nothing of it is left. Linux, root. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ALL_CLIENTS, clientsPath, NOT_ALL } from '../clients/workplace.ts'
import { afterwards, type Ending, temporaryFolder } from '../lib/temporary.ts'

const SETUP = fileURLToPath(new URL('cluster.sh', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** What `test/clients/install.sh all` builds. */
const PROGRAMS = clientsPath('kubernetes')

/** For `test({ skip })`. It takes minutes to build, so it is of the larger set. */
export function noCluster(): string | false {
  if (!ALL_CLIENTS) return NOT_ALL
  if (existsSync(join(PROGRAMS, 'bin', 'kubectl'))) return false
  return 'SKIPPED: no Kubernetes on this machine (test/clients/install.sh all builds it, where Go is)'
}

export type Cluster = {
  folder: string
  /** Runs a line in the folder of the project, on the node, as an operator. @returns its output. @throws when it fails */
  type(line: string, options?: { mayFail?: boolean; input?: string }): Promise<string>
  /** Types a line until its output fits. @throws after `seconds` */
  until(line: string, fits: RegExp, seconds: number): Promise<string>
  /** Brings an archive of images onto the node. */
  load(archive: string): Promise<void>
}

export async function startCluster(context: Ending): Promise<Cluster> {
  const folder = temporaryFolder(context, 'cluster')
  const pid = await startNamespaces(context, folder)
  const env = {
    PATH: `${PROGRAMS}/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    KUBECONFIG: join(folder, 'kubeconfig'),
    HOME: folder,
  }
  const type: Cluster['type'] = (line, { mayFail = false, input = '' } = {}) =>
    new Promise((resolve, reject) => {
      const inside = [
        '-t',
        String(pid),
        '--net',
        '--mount',
        '--pid',
        `--wd=${ROOT}`,
        '--',
        'bash',
        '-c',
        line,
      ]
      const child = execFile('nsenter', inside, { env, timeout: 120_000 }, (error, stdout, stderr) => {
        if (error === null || mayFail) resolve(stdout + stderr)
        else reject(new Error(`${line}\nended with ${error.code}:\n${stdout}\n${stderr}`))
      })
      child.stdin?.end(input)
    })
  afterwards(context, async () => {
    await type('kubectl delete deployment,pod --all --wait=true --timeout=60s', { mayFail: true })
  })
  const until: Cluster['until'] = async (line, fits, seconds) => {
    for (let waited = 0; ; waited += 1) {
      const said = await type(line, { mayFail: true })
      if (fits.test(said)) return said
      if (waited >= seconds)
        throw new Error(`${line}\ndoes not say ${fits} after ${seconds} s, but:\n${said}`)
      await sleep(1000)
    }
  }
  const containerd = join(folder, 'run/containerd.sock')
  const load = async (archive: string): Promise<void> =>
    void (await type(`ctr -a ${containerd} -n k8s.io images import ${archive}`))
  return { folder, type, until, load }
}

/** @returns the process that holds them */
async function startNamespaces(context: Ending, folder: string): Promise<number> {
  const kinds = ['--net', '--mount', '--pid', '--fork', '--kill-child']
  const holder = spawn('unshare', [...kinds, 'sh', SETUP, folder, PROGRAMS], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const ended = once(holder, 'exit')
  afterwards(context, async () => {
    holder.stdin.end()
    await ended
    assert.doesNotMatch(
      readFileSync('/proc/self/mounts', 'utf8'),
      new RegExp(` ${folder}`),
      'mounts are left',
    )
    await removeCgroups()
  })
  let said = ''
  for (const stream of [holder.stdout, holder.stderr]) stream.on('data', (piece: Buffer) => (said += piece))
  for (let waited = 0; ; waited += 100) {
    const pid = /^ready (\d+)$/m.exec(said)?.[1]
    if (pid !== undefined) return Number(pid)
    assert.ok(holder.exitCode === null && waited < 120_000, `no cluster: ${said}`)
    await sleep(100)
  }
}

/** Where containerd put the containers. The kernel takes a moment to know that what was in them has ended. */
async function removeCgroups(): Promise<void> {
  for (let waited = 0; ; waited += 100) {
    const left = ['*/k8s.io/*', '*/k8s.io'].flatMap((path) => globSync(`/sys/fs/cgroup/${path}/`))
    try {
      for (const path of left) rmdirSync(path)
      return
    } catch (error) {
      if (waited >= 10_000) throw error
    }
    await sleep(100)
  }
}
