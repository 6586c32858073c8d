/** The files of deploy/kubernetes as objects: by themselves, and as kustomize puts them together. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'
import { clientPath } from '../clients/workplace.ts'

export const KUBERNETES = fileURLToPath(new URL('../../deploy/kubernetes/', import.meta.url))
export const BASE = join(KUBERNETES, 'base')
export const EXAMPLE = join(KUBERNETES, 'example')
export const COMPONENTS = readdirSync(join(KUBERNETES, 'components')).sort()

/** What every object of the API has; the rest is read where it is needed. */
export type Resource = {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string> }
}

type Variable = { name: string; value: string }
type Mount = { name: string; mountPath: string; readOnly?: boolean; subPath?: string }
export type Probe = { httpGet: { path: string; port: string; scheme?: string }; failureThreshold: number }
export type SecurityContext = Record<string, unknown>
export type Container = {
  name: string
  image: string
  imagePullPolicy: string
  args: string[]
  env: Variable[]
  ports: { name: string; containerPort: number; hostPort?: number }[]
  startupProbe: Probe
  livenessProbe: Probe
  readinessProbe: Probe
  resources: { requests: Record<string, string>; limits: Record<string, string> }
  securityContext: SecurityContext
  volumeMounts: Mount[]
}
export type Volume = {
  name: string
  persistentVolumeClaim?: { claimName: string }
  configMap?: { name: string }
  secret?: { secretName: string; defaultMode?: number; optional?: boolean }
  [kind: string]: unknown
}
export type PodSpec = {
  containers: Container[]
  volumes: Volume[]
  securityContext: SecurityContext
  terminationGracePeriodSeconds: number
  [field: string]: unknown
}
type Selector = { matchLabels: Record<string, string> }
export type Deployment = Resource & {
  spec: {
    replicas: number
    strategy: { type: string }
    selector: Selector
    template: {
      metadata: { labels: Record<string, string>; annotations?: Record<string, string> }
      spec: PodSpec
    }
  }
}
type ServicePort = { name: string; port: number; targetPort: string }
export type Service = Resource & { spec: { selector: Record<string, string>; ports: ServicePort[] } }
export type ConfigMap = Resource & { data: Record<string, string> }
export type NetworkPolicy = Resource & {
  spec: {
    podSelector: Selector
    ingress: { ports: { port: string }[] }[]
    egress?: unknown[]
    policyTypes: string[]
  }
}
export type Ingress = Resource & {
  spec: {
    tls: { hosts: string[]; secretName: string }[]
    rules: {
      host: string
      http: { paths: { backend: { service: { name: string; port: { name: string } } } }[] }
    }[]
  }
}

/** All objects of a text; YAML 1.1, as Kubernetes reads it: there 0440 is octal. @throws where it cannot be read */
export function readResources(text: string): Resource[] {
  return parseAllDocuments(text, { version: '1.1', uniqueKeys: true }).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0]
    return document.toJS() as Resource
  })
}

/** The only object of a kind. @throws where there is none, or are several */
export function theOnly<Kind extends Resource>(resources: readonly Resource[], kind: Kind['kind']): Kind {
  const found = resources.filter((one) => one.kind === kind)
  if (found.length !== 1) throw new Error(`${found.length} objects of kind ${kind}`)
  return found[0] as Kind
}

/** Every YAML file below deploy/kubernetes, by its path there. */
export function yamlFiles(): Map<string, string> {
  const files = readdirSync(KUBERNETES, { recursive: true, withFileTypes: true })
  const paths = files
    .filter((file) => file.isFile() && /\.ya?ml$/.test(file.name))
    .map((file) => join(file.parentPath, file.name))
  return new Map(paths.sort().map((path) => [relative(KUBERNETES, path), readFileSync(path, 'utf8')]))
}

export type Kustomization = {
  kind: string
  resources?: string[]
  components?: string[]
  patches?: { path?: string; patch?: string }[]
}
export const readKustomization = (text: string): Kustomization =>
  parse(text, { version: '1.1' }) as Kustomization

/** The base as `kubectl apply -f` takes it, without kustomize. */
export function plainManifests(): Resource[] {
  const folder = join(BASE, 'manifests')
  return readdirSync(folder).flatMap((name) => readResources(readFileSync(join(folder, name), 'utf8')))
}

/** A kustomization of one's own over the base, written into `folder`. */
export function writeOverlay(folder: string, components: readonly string[], more = ''): string {
  mkdirSync(folder, { recursive: true })
  const lines = [
    'apiVersion: kustomize.config.k8s.io/v1beta1',
    'kind: Kustomization',
    `resources: [${relative(folder, BASE)}]`,
    `components: [${components.map((name) => relative(folder, join(KUBERNETES, 'components', name))).join(', ')}]`,
    more,
  ]
  writeFileSync(join(folder, 'kustomization.yaml'), `${lines.join('\n')}\n`)
  return folder
}

/** What `kubectl apply -k FOLDER` sends, made by the real kustomize. */
export function buildKustomization(folder: string): string {
  return execFileSync(clientPath('kustomize') ?? 'kustomize', ['build', folder], {
    encoding: 'utf8',
    timeout: 60_000,
  })
}
