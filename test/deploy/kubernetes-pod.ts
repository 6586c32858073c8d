/**
 * The Deployment as a pod of podman, which reads Kubernetes' manifests. What it cannot do as a cluster does is changed, and
 * nothing else: the network is the machine's (so the addresses are others, and no ports are mapped), probes are asked by
 * the test instead of the kubelet, Secrets are mounted from ConfigMaps, and the volume is made here, as the kubelet makes one.
 */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { containersEnvironment } from '../clients/containers.ts'
import { createWorkplace, type Ran } from '../clients/workplace.ts'
import { builtImage } from '../lib/image.ts'
import { afterwards } from '../lib/temporary.ts'
import { freePort } from '../lib/free-port.ts'
import type { Container, Deployment, Probe, Resource } from './kubernetes-manifests.ts'
import { theOnly } from './kubernetes-manifests.ts'

const USER = 65532
const CONTAINER = 'basic-registry-pod-0-registry'

export type Pod = {
  /** Of the registry, without a slash at the end. */
  url: string
  debugUrl: string
  probes: Probe[]
  /** The registry's process, on this machine. */
  pid(): Promise<number>
  /** SIGTERM; SIGKILL after the pod's grace period. @returns the exit code, and how long it took, in milliseconds */
  stop(): Promise<{ code: number; took: number }>
  start(): Promise<void>
  /** `kubectl exec`. */
  exec(...command: string[]): Promise<Ran>
  log(): Promise<string>
}

type PodOptions = {
  resources: readonly Resource[]
  /** Name of a Secret → its files. */
  secrets?: Record<string, Record<string, string>>
  /** More variables, as the kubelet adds them. */
  env?: Record<string, string>
}

export async function startPod(context: TestContext, options: PodOptions): Promise<Pod> {
  const { run, place, ...workplace } = await createWorkplace(context, 'pod')
  const env = containersEnvironment({ run, place, ...workplace })
  const podman = (args: string[], mayFail = false): Promise<Ran> => run('podman', args, { env, mayFail })
  await podman(['load', '-q', '-i', (await builtImage()).archive])
  const data = place('volume')
  // As the kubelet hands a volume over to the pod's fsGroup.
  chownSync(data, 0, USER)
  chmodSync(data, 0o2775)
  const [port, debugPort] = [await freePort(), await freePort()]
  const { manifest, probes, grace } = adapt(options, { port, debugPort, data })
  const path = join(place('manifest'), 'pod.json')
  writeFileSync(path, manifest)
  afterwards(context, async () => {
    await podman(['pod', 'rm', '-af', '-t', '0'])
    await podman(['volume', 'rm', '-af'])
  })
  await podman(['play', 'kube', path])
  const inspect = async (format: string): Promise<string> =>
    (await podman(['inspect', '--format', format, CONTAINER])).stdout.trim()
  const scheme = probes[0]?.httpGet.scheme?.toLowerCase() ?? 'http'
  return {
    url: `${scheme}://localhost:${port}`,
    debugUrl: `http://localhost:${debugPort}`,
    probes,
    pid: async () => Number(await inspect('{{.State.Pid}}')),
    stop: async () => {
      const began = performance.now()
      await podman(['stop', '-t', String(grace), CONTAINER])
      return { code: Number(await inspect('{{.State.ExitCode}}')), took: performance.now() - began }
    },
    start: async () => void (await podman(['start', CONTAINER])),
    exec: (...command) => podman(['exec', CONTAINER, ...command], true),
    log: async () => {
      const { stdout, stderr } = await podman(['logs', CONTAINER])
      return stdout + stderr
    },
  }
}

function adapt(
  { resources, secrets = {}, env = {} }: PodOptions,
  { port, debugPort, data }: { port: number; debugPort: number; data: string },
): { manifest: string; probes: Probe[]; grace: number } {
  const deployment = structuredClone(theOnly<Deployment>(resources, 'Deployment'))
  const pod = deployment.spec.template.spec
  const [container] = pod.containers
  assert.ok(container !== undefined)
  const { startupProbe, livenessProbe, readinessProbe, ports: _ports, ...rest } = container
  const addresses = { REGISTRY_HTTP_ADDR: `localhost:${port}` }
  const isDebug = rest.env.some(({ name }) => name === 'REGISTRY_HTTP_DEBUG_ADDR')
  const debug = isDebug ? { REGISTRY_HTTP_DEBUG_ADDR: `localhost:${debugPort}` } : {}
  const more = Object.entries({ ...env, ...addresses, ...debug }).map(([name, value]) => ({ name, value }))
  const own = rest.env.filter(({ name }) => !(name in debug))
  pod.containers = [{ ...rest, env: [...own, ...more] } as Container]
  pod['hostNetwork'] = true
  pod.volumes = pod.volumes.map((volume) => {
    const { name, secret, persistentVolumeClaim } = volume
    if (persistentVolumeClaim !== undefined) return { name, hostPath: { path: data, type: 'Directory' } }
    return secret === undefined ? volume : { name, configMap: { name: secret.secretName } }
  })
  const maps = Object.entries(secrets).map(([name, files]) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data: files,
  }))
  const documents = [...resources.filter(({ kind }) => kind === 'ConfigMap'), ...maps, deployment]
  return {
    manifest: documents.map((one) => JSON.stringify(one)).join('\n---\n'),
    probes: [startupProbe, livenessProbe, readinessProbe],
    grace: pod.terminationGracePeriodSeconds,
  }
}

/** What the kernel lets a process do: `/proc/PID/status`. Linux only. */
export function rightsOf(pid: number): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').matchAll(/^(\w+):\s+(.*)$/gm)
  return Object.fromEntries(
    [...lines].map(([, name = '', value = '']) => [name, value.replaceAll('\t', ' ')]),
  )
}
