/**
 * The Pod Security Standard "restricted" (with "baseline" below it), as a table: what a namespace with the label
 * `pod-security.kubernetes.io/enforce: restricted` takes. Windows' rules are left out: these pods say they are Linux's.
 */
import type { Container, PodSpec, SecurityContext, Volume } from './kubernetes-manifests.ts'

const VOLUME_KINDS = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
])

/** What is wrong, or nothing. */
type Rule = (pod: PodSpec) => string | false | undefined

/** What holds for one container, or for the pod where the container says nothing. */
const inherited = (pod: PodSpec, container: Container, field: string): unknown =>
  container.securityContext?.[field] ?? pod.securityContext?.[field]

const everyContainer =
  (what: string, isGood: (container: Container, pod: PodSpec) => boolean): Rule =>
  (pod) => {
    const bad = containersOf(pod).find((container) => !isGood(container, pod))
    return bad === undefined ? undefined : `${bad.name}: ${what}`
  }

function containersOf(pod: PodSpec): Container[] {
  const more = ['initContainers', 'ephemeralContainers'].flatMap((kind) => (pod[kind] ?? []) as Container[])
  return [...pod.containers, ...more]
}

const contexts = (pod: PodSpec): SecurityContext[] => [
  pod.securityContext ?? {},
  ...containersOf(pod).map(({ securityContext }) => securityContext ?? {}),
]

const kindOf = (volume: Volume): string => Object.keys(volume).find((key) => key !== 'name') ?? ''
const capabilities = ({ securityContext }: Container): { drop?: string[]; add?: string[] } =>
  securityContext?.['capabilities'] ?? {}

const RULES: readonly Rule[] = [
  (pod) => ['hostNetwork', 'hostPID', 'hostIPC'].find((field) => pod[field] === true),
  (pod) => {
    const bad = pod.volumes.find((volume) => !VOLUME_KINDS.has(kindOf(volume)))
    return bad && `volume ${bad.name}: ${kindOf(bad)}`
  },
  (pod) => contexts(pod).some(({ runAsUser }) => runAsUser === 0) && 'runAsUser 0',
  (pod) => {
    const forbidden = ['procMount', 'sysctls', 'seLinuxOptions', 'appArmorProfile', 'windowsOptions']
    return forbidden.find((field) => contexts(pod).some((one) => one[field] !== undefined))
  },
  everyContainer('privileged', ({ securityContext }) => securityContext?.['privileged'] !== true),
  everyContainer(
    'allowPrivilegeEscalation',
    ({ securityContext }) => securityContext?.['allowPrivilegeEscalation'] === false,
  ),
  everyContainer('capabilities not dropped', (one) => capabilities(one).drop?.includes('ALL') === true),
  everyContainer('capabilities added', (one) =>
    (capabilities(one).add ?? []).every((name) => name === 'NET_BIND_SERVICE'),
  ),
  everyContainer('runAsNonRoot', (one, pod) => inherited(pod, one, 'runAsNonRoot') === true),
  everyContainer('seccompProfile', (one, pod) => {
    const profile = inherited(pod, one, 'seccompProfile') as { type?: string } | undefined
    return profile?.type === 'RuntimeDefault' || profile?.type === 'Localhost'
  }),
  everyContainer('hostPort', ({ ports }) => (ports ?? []).every(({ hostPort }) => !hostPort)),
]

/** What of a pod the standard forbids; empty where it is taken. */
export function breaksRestricted(pod: PodSpec): string[] {
  return RULES.map((rule) => rule(pod) || '').filter((said) => said !== '')
}
