/** The folders of deploy/compose as they are in the repository, and their files adjusted to this machine. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

export const COMPOSE = fileURLToPath(new URL('../../deploy/compose', import.meta.url))
export const FORMS = ['plain', 'tls', 'users', 'nginx', 'caddy', 'haproxy'] as const
export type Form = (typeof FORMS)[number]

export type Service = {
  image: string
  user?: string
  environment?: Record<string, string>
  volumes?: (string | { type: string; source: string; target: string; read_only?: boolean })[]
  ports?: string[]
  [key: string]: unknown
}
export type ComposeFile = {
  name: string
  services: Record<string, Service>
  volumes: Record<string, unknown>
}

export const readForm = (form: Form): ComposeFile =>
  parse(readFileSync(join(COMPOSE, form, 'compose.yaml'), 'utf8')) as ComposeFile

/** What the registry of a form is told by its environment. */
export const environmentOf = (form: Form): Record<string, string> =>
  readForm(form).services['berth']?.environment ?? {}

/** One place of a file that names something of the container: what is there, and what stands for it on this machine. */
export type Change = readonly [there: string, here: string]

/** @throws where a place is not in the text, so that no test goes on with a file that has changed */
export function changed(text: string, changes: readonly Change[]): string {
  let result = text
  for (const [there, here] of changes) {
    assert.ok(result.includes(there), `not in the file: ${there}`)
    result = result.replaceAll(there, here)
  }
  return result
}

/** @returns where the changed file of a form now lies */
export function adjust(form: Form, file: string, changes: readonly Change[], folder: string): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, file.split('/').at(-1) ?? '')
  writeFileSync(path, changed(readFileSync(join(COMPOSE, form, file), 'utf8'), changes))
  return path
}

/** tls.crt and tls.key for localhost and `names`, as the page tells readers to make them. */
export function makeCertificate(folder: string, ...names: string[]): { certificate: string; key: string } {
  mkdirSync(folder, { recursive: true })
  const certificate = join(folder, 'tls.crt')
  const key = join(folder, 'tls.key')
  const subjects = ['localhost', ...names].map((name) => `DNS:${name}`).join(',')
  const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost'
  execFileSync(
    'openssl',
    [...args.split(' '), '-addext', `subjectAltName=${subjects}`, '-keyout', key, '-out', certificate],
    { stdio: 'ignore' },
  )
  assert.ok(existsSync(certificate))
  return { certificate, key }
}
