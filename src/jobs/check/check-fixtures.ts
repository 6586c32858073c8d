/** A registry in a temporary folder, ways to damage it, and what a check says then. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { BlobStore } from '../../blobs/blob-store.ts'
import { createFilesystemBlobStore } from '../../blobs/filesystem/store.ts'
import type { Digest } from '../../oci/digest.ts'
import { createFixture, type Fixture } from '../../registry/hosted-fixtures.ts'
import { createFolderSource } from '../sources/folder.ts'
import type { Source } from '../sources/source.ts'
import {
  beginProgress,
  checkData,
  type CheckOptions,
  type CheckParts,
  type CheckProgress,
} from './check-data.ts'
import type { Problem } from './problem.ts'
import { createRepairer, type Outcome } from './repair.ts'

export const DAY = 86_400_000
export const never = new AbortController().signal

export type Checked = Fixture & {
  root: string
  parts: CheckParts
  progress: CheckProgress
  /** What a check finds, a line each: its kind and what it is about. */
  find(options?: Partial<CheckOptions>): Promise<string[]>
  problems(options?: Partial<CheckOptions>): Promise<Problem[]>
  repair(problems: readonly Problem[], ...sources: Source[]): Promise<Outcome[]>
  /** Statements behind the registry's back, foreign keys off. */
  sql(text: string): void
  /** The files of a blob, below berth/objects. */
  filesOf(digest: Digest): string[]
  age(file: string, ms: number): void
}

export async function withChecked(work: (checked: Checked) => Promise<void>, rules = {}): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'berth-check-'))
  const store = await createFilesystemBlobStore({ root })
  const fixture = createFixture(rules, { folder: join(root, 'berth'), store })
  // The clock is the system's, as files have their times from it.
  fixture.clock.advance(Date.now() - fixture.clock.now())
  try {
    await work(checkedOf(root, store, fixture))
  } finally {
    await fixture.close()
    await store.close()
    rmSync(root, { recursive: true, force: true })
  }
}

function checkedOf(root: string, store: BlobStore, fixture: Fixture): Checked {
  const databasePath = join(root, 'berth', 'metadata.db')
  const { db, processId, boot } = fixture.metadata
  const { now } = fixture.clock
  const rules = { sparse: 'none', requiredPlatforms: 'all' } as const
  const parts: CheckParts = { db, store, now, databasePath, rules }
  const checked: Checked = {
    ...fixture,
    root,
    parts,
    progress: beginProgress(),
    problems(options = {}) {
      checked.progress = beginProgress()
      fixture.clock.advance(1)
      const all = { rehash: false, since: now(), ...options }
      return Array.fromAsync(checkData(parts, all, checked.progress, never))
    },
    find: async (options) => (await checked.problems(options)).map(lineOf).sort(),
    async repair(problems, ...sources) {
      const own = createFolderSource(root, 'own')
      const actor = { principalId: 'command', principalName: 'tester', client: 'berth check', requestId: '' }
      const repairer = createRepairer({ db, store, processId, boot, now, actor, sources, own })
      try {
        return await repairer.repair(problems, never)
      } finally {
        await repairer.close()
      }
    },
    sql(text) {
      const connection = new DatabaseSync(databasePath, { timeout: 5000, enableForeignKeyConstraints: false })
      try {
        // Counted as any other process's commit, so that caches are exact.
        connection.exec(`BEGIN; ${text}; UPDATE commits SET seq = seq + 1; COMMIT`)
      } finally {
        connection.close()
      }
    },
    filesOf(digest) {
      const objects = join(root, 'berth', 'objects')
      const ending = `.${digest.replace(':', '-')}`
      return readdirSync(objects, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith(ending))
        .map((file) => join(objects, file))
    },
    age: (file, ms) => utimesSync(file, new Date(), new Date(statSync(file).mtimeMs - ms)),
  }
  return checked
}

function lineOf(problem: Problem): string {
  if ('blob' in problem) return `${problem.kind} ${problem.blob.digest.slice(7, 15)}`
  if ('reference' in problem)
    return `${problem.kind} ${problem.manifest.repository} ${problem.reference.digest.slice(7, 15)}`
  if ('manifest' in problem) return `${problem.kind} ${problem.manifest.repository}`
  if ('tag' in problem) return `${problem.kind} ${problem.tag.repository}:${problem.tag.tag}`
  if ('counted' in problem) return `${problem.kind} ${problem.counted.name}`
  if ('overdue' in problem)
    return `${problem.kind} ${problem.overdue.kind} ${problem.overdue.digest.slice(7, 15)}`
  if ('detail' in problem) return `${problem.kind} ${problem.detail}`
  return problem.kind
}

/** Ways a file is damaged; the time of its last change is kept where the damage is to be found by hashing alone. */
export const damage = {
  remove: (file: string): void => rmSync(file),
  cut: (file: string): void => truncateSync(file, 3),
  touch: (file: string): void => utimesSync(file, new Date(), new Date(statSync(file).mtimeMs + 5000)),
  rot(file: string): void {
    // To the nanosecond, which Node cannot set.
    const reference = `${file}.reference`
    execFileSync('cp', ['-p', file, reference])
    writeFileSync(file, Buffer.alloc(statSync(file).size, 0x58))
    execFileSync('touch', ['-r', reference, file])
    rmSync(reference)
  },
  change: (file: string): void => writeFileSync(file, Buffer.alloc(statSync(file).size, 0x58)),
}
