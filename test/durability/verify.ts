/** Asks a quiet server for everything that clients were told, and compares. */
import assert from 'node:assert/strict'
import { digestOf } from '../lib/content.ts'
import type { Answer } from '../lib/http-client.ts'
import {
  errorOf,
  locationOf,
  nextOf,
  storedBytes,
  withDigest,
  type RegistryClient,
} from '../lib/registry-client.ts'
import { keyOf, type Ledger, type Name, type OpenUpload, type Value } from './ledger.ts'

export type Findings = {
  checked: number
  /** Acknowledged, and not served. */
  lost: Set<string>
  /** Served as 200 with other bytes than the digest says: the worst. */
  wrong: Set<string>
  /** Served although its deletion was acknowledged, or a tag at a value it cannot have. */
  stale: Set<string>
  /** Listed and not found, or found and not listed. */
  disagreed: Set<string>
  /** Neither 200 nor 404, or an upload that could not be gone on with. */
  failed: Set<string>
  /** Uploads that went on, and how many of them told fewer bytes than were acknowledged. */
  resumed: number
  rewound: number
  vanished: number
}

export function createFindings(): Findings {
  return {
    checked: 0,
    lost: new Set(),
    wrong: new Set(),
    stale: new Set(),
    disagreed: new Set(),
    failed: new Set(),
    resumed: 0,
    rewound: 0,
    vanished: 0,
  }
}

type VerifyOptions = {
  client: RegistryClient
  ledger: Ledger
  findings: Findings
  /** Every name that was ever acknowledged, not only those used since the last look. */
  all?: boolean
}

export async function verifyLedger(options: VerifyOptions): Promise<void> {
  const { client, ledger, findings } = options
  const names = ledger.names().filter(({ touched }) => touched || options.all === true)
  await inParallel(names, 8, async ({ name }) => {
    findings.checked += 1
    const possible = ledger.possible(name)
    const seen = await look(client, name, findings)
    if (seen === 'failed') return
    const { value } = seen
    if (!possible.includes(value)) {
      const kind = value === undefined ? 'lost' : 'stale'
      findings[kind].add(`${keyOf(name)}: ${String(value)}, not ${possible.map(String).join(' or ')}`)
    }
    ledger.observed(name, value)
  })
  await compareListings(options)
}

async function look(
  client: RegistryClient,
  name: Name,
  findings: Findings,
): Promise<{ value: Value } | 'failed'> {
  const { repository, reference } = name
  const isBlob = name.kind === 'blob'
  const answer = isBlob
    ? await ask(() => client.getBlob(repository, reference))
    : await ask(() => client.getManifest(repository, reference))
  if (answer === 'broken') {
    findings.failed.add(`${keyOf(name)}: the connection broke`)
    return 'failed'
  }
  if (answer.status === 404) return { value: undefined }
  if (answer.status !== 200) {
    findings.failed.add(`${keyOf(name)}: ${answer.status} ${errorOf(answer).message}`)
    return 'failed'
  }
  const served = digestOf(answer.body)
  const told = isBlob || name.kind === 'manifest' ? reference : answer.headers['docker-content-digest']
  if (served !== told) findings.wrong.add(`${keyOf(name)}: ${answer.body.length} bytes of ${served}`)
  return { value: served }
}

async function ask(send: () => Promise<Answer>): Promise<Answer | 'broken'> {
  try {
    return await send()
  } catch {
    return 'broken'
  }
}

/** A tag is listed if and only if it can be fetched; what has a tag is in the catalog. */
async function compareListings({ client, ledger, findings }: VerifyOptions): Promise<void> {
  const catalog = await listCatalog(client)
  for (const repository of ledger.repositories()) {
    const names = ledger.names().filter(({ name }) => name.kind === 'tag' && name.repository === repository)
    const there = names
      .filter(({ name }) => ledger.possible(name).some((value) => value !== undefined))
      .map(({ name }) => name.reference)
    const listed = (await client.listTags(repository).catch(() => undefined)) ?? []
    for (const tag of there)
      if (!listed.includes(tag)) findings.disagreed.add(`${repository}:${tag} is served, not listed`)
    const known = new Set(there)
    for (const tag of listed) {
      if (known.has(tag)) continue
      const answer = await client.statManifest(repository, tag)
      if (answer.status !== 200)
        findings.disagreed.add(`${repository}:${tag} is listed; looked up: ${answer.status}`)
    }
    if (there.length > 0 && !catalog.has(repository))
      findings.disagreed.add(`${repository} has tags and is not in the catalog`)
  }
}

async function listCatalog(client: RegistryClient): Promise<Set<string>> {
  const names = new Set<string>()
  let path: string | undefined = '/v2/_catalog?n=500'
  while (path !== undefined) {
    const answer: Answer = await client.ask('GET', path)
    assert.equal(answer.status, 200, `the catalog: ${errorOf(answer).message}`)
    for (const name of (JSON.parse(answer.body.toString()) as { repositories: string[] }).repositories)
      names.add(name)
    path = nextOf(answer)
  }
  return names
}

/** Goes on with the uploads that were open: each ends as the right blob, from where the server says it stands. */
export async function resumeUploads(options: VerifyOptions & { mayVanish: boolean }): Promise<void> {
  const { client, ledger, findings } = options
  for (const upload of ledger.openUploads.splice(0)) {
    const outcome = await resumeUpload(client, upload, findings, options.mayVanish)
    if (outcome === 'resumed') {
      findings.resumed += 1
      const name: Name = { kind: 'blob', repository: upload.repository, reference: upload.digest }
      ledger.begin(name, upload.digest).acknowledge()
    } else if (outcome === 'vanished') {
      findings.vanished += 1
      // Nothing stored was acknowledged: the session itself may be younger than the cut.
      if (!options.mayVanish && upload.acknowledged > 0)
        findings.lost.add(`upload ${upload.location} with ${upload.acknowledged} bytes`)
    } else findings.failed.add(`upload ${upload.location}: ${outcome}`)
  }
}

/** `resumed`, `vanished`, or what went wrong. */
async function resumeUpload(
  client: RegistryClient,
  upload: OpenUpload,
  findings: Findings,
  mayVanish: boolean,
): Promise<string> {
  const status = await client.getUpload(upload.location)
  if (status.status === 404) return 'vanished'
  if (status.status !== 204) return `${status.status} to GET`
  const stored = storedBytes(status)
  if (stored < upload.acknowledged) findings.rewound += 1
  if (stored > upload.bytes.length) return `tells ${stored} bytes of ${upload.bytes.length}`
  const rest = upload.bytes.subarray(stored)
  const patched = await client.patchUpload(locationOf(status), rest, [stored, upload.bytes.length - 1])
  // A clear refusal after a power cut: the bytes had not reached the disk, the client begins anew.
  if (patched.status === 404 && mayVanish) return 'vanished'
  if (patched.status !== 202) return `${patched.status} to PATCH at ${stored}: ${errorOf(patched).message}`
  const put = await client.ask('PUT', withDigest(locationOf(patched), upload.digest))
  if (put.status !== 201) return `${put.status} to PUT: ${errorOf(put).message}`
  return 'resumed'
}

export async function inParallel<T>(
  items: T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values()
  const run = async (): Promise<void> => {
    for (const item of queue) await work(item)
  }
  await Promise.all(Array.from({ length: width }, run))
}

/** @throws with every finding by name, unless nothing was lost, wrong, stale or unequal. */
export function assertNothingLost(findings: Findings, context: string): void {
  const { wrong, lost, stale, disagreed, failed } = findings
  const found = { wrong, lost, stale, disagreed, failed }
  const bad = Object.entries(found).filter(([, list]) => list.size > 0)
  if (bad.length === 0) return
  const lines = bad.map(([kind, list]) => `${kind} ${list.size}:\n  ${[...list].slice(0, 10).join('\n  ')}`)
  assert.fail(`${context}\n${lines.join('\n')}`)
}

export const summaryOf = (findings: Findings): string =>
  `${findings.checked} checked, wrong ${findings.wrong.size}, lost ${findings.lost.size}, ` +
  `stale ${findings.stale.size}, disagreed ${findings.disagreed.size}, failed ${findings.failed.size}, ` +
  `uploads resumed ${findings.resumed}, rewound ${findings.rewound}, vanished ${findings.vanished}`
