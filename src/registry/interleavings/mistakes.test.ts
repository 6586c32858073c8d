/** That the orders find what is wrong: each of these breaks one rule of the code, and has to be found. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Transaction } from '../../metadata/database.ts'
import type { ActorName } from './actors.fixture.ts'
import type { BeforeName } from './befores.fixture.ts'
import { trialsAfter } from './try-orders.fixture.ts'

type Altered = (transaction: Transaction) => Transaction

/** One statement with another text. */
function edited(name: string, from: string | RegExp, to: string): Altered {
  return (transaction) => ({
    ...transaction,
    steps: transaction.steps.map((step) => {
      if (step.statement.name !== name) return step
      const sql = step.statement.sql.replace(from, to)
      assert.notEqual(sql, step.statement.sql, `${name} has no such text any more`)
      return { ...step, statement: { ...step.statement, sql } }
    }),
  })
}

/** One statement that does nothing. */
const without = (name: string): Altered => edited(name, /^[^]*$/, 'DELETE FROM jobs WHERE 0')

const all =
  (...changes: readonly Altered[]): Altered =>
  (transaction) =>
    changes.reduce((changed, change) => change(changed), transaction)

type Mistake = {
  altered: Altered
  before: BeforeName
  actors: readonly ActorName[]
  found: RegExp
  foreignKeys?: boolean
}

const MISTAKES: Readonly<Record<string, Mistake>> = {
  'the collector looks at no lease': {
    altered: all(
      edited('ripe-link', 'AND max(lease_until,', 'AND min(0,'),
      edited('put-off-link', 'AND EXISTS', 'AND 0 AND EXISTS'),
    ),
    before: 'a last lease that is over',
    actors: ['head and push', 'collect'],
    found: /is lost|was promised/,
  },
  'a HEAD promises and renews nothing': {
    altered: edited('renew-lease', 'SET lease_until = :leaseUntil', 'SET lease_until = lease_until'),
    before: 'a last lease that is over',
    actors: ['head and push', 'collect'],
    found: /is lost|was promised/,
  },
  'a read of a manifest promises and renews nothing': {
    altered: edited('renew-manifest', /SET [^]* WHERE/, 'SET expires_at = expires_at WHERE'),
    before: 'an image past its keep',
    actors: ['get first', 'collect'],
    found: /is lost/,
  },
  'a link is removed that a manifest holds, and no foreign key stands against it': {
    altered: edited('ripe-link', /AND NOT EXISTS \(SELECT 1 FROM manifest_refs[^)]*\)/, ''),
    foreignKeys: false,
    before: 'an image with a tag',
    actors: ['get first', 'collect'],
    found: /is lost|foreign key/,
  },
  'what a manifest held is forgotten when it goes': {
    altered: without('links-to-candidates'),
    before: 'an image with a tag',
    actors: ['get first', 'delete tag'],
    found: /waits for no candidate: link/,
  },
  'what followed a manifest is forgotten when it goes': {
    altered: without('followers-to-candidates'),
    before: 'an index with a child and a signature',
    actors: ['delete index', 'get first'],
    found: /was to expire/,
  },
  'a deleted tag leaves its manifest for ever': {
    altered: without('expire-untagged-manifest'),
    before: 'an image with two tags',
    actors: ['delete tag', 'delete other tag'],
    found: /lost its last tag by deletion, and stays/,
  },
  'a second copy of a blob stays live': {
    altered: without('drop-second-copy'),
    before: 'nothing but a source',
    actors: ['push', 'mount'],
    found: /a live object that no blob names/,
  },
  'the bytes of a blob that an index held are forgotten when it is a manifest': {
    altered: without('candidate-for-blob-of-child'),
    before: 'an index that names a blob',
    actors: ['put first untagged', 'collect'],
    found: /waits for no candidate: link/,
  },
  'files go while a backup reads them': {
    altered: edited('claim-garbage', 'FROM removal_holds WHERE', 'FROM removal_holds WHERE 0 AND'),
    before: 'a last lease that is over',
    actors: ['back up', 'collect', 'remove'],
    found: /a file went that a backup was to read/,
  },
  'a cancelled upload leaves its object': {
    altered: without('end-upload-object'),
    before: 'an upload under way',
    actors: ['finish', 'cancel'],
    found: /an object is written without an upload/,
  },
  'what can be restored is refused': {
    altered: without('lock-restorable-manifest'),
    before: 'an image deleted by digest',
    actors: ['restore', 'collect'],
    found: /was answered gone, and this was promised/,
  },
  'what was restored is to expire all the same': {
    altered: edited('restore-manifests', 'expires_at = NULL', 'expires_at = expires_at'),
    before: 'an image deleted by digest',
    actors: ['restore', 'collect'],
    found: /was to expire|is lost/,
  },
}

for (const [what, { altered, before, actors, found, foreignKeys = true }] of Object.entries(MISTAKES)) {
  test(`found: ${what}`, async () => {
    const trials = await trialsAfter(before, { altered, foreignKeys })
    try {
      await assert.rejects(trials.run({ processes: actors.map((actor) => [actor]) }), (error: Error) => {
        assert.match(String(error.cause), found)
        assert.match(error.message, /^in this order/)
        return true
      })
    } finally {
      await trials.close()
    }
  })
}
