/** Rules: those of the configuration file as they are, those of the database to be changed. */
import { createHash } from 'node:crypto'
import type { Principal } from '../auth/principal.ts'
import { compileRules, createAccessNow } from '../auth/rules/access-now.ts'
import type { Allow, FileAccess, Rule } from '../auth/rules/rule.ts'
import {
  changeRule,
  createRule,
  findRule,
  listRules,
  removeRuleAsRead,
  type RuleRow,
} from '../metadata/access/rules.ts'
import type { ruleRoutes } from './contract-access.ts'
import { checkPrecondition, type HandlersOf } from './exchange.ts'
import type { AccessPart, SignInPart } from './mode.ts'
import { pageOf } from './pages.ts'
import { invalidField, notFound, Problem } from './problem.ts'

type Parts = Pick<SignInPart, 'db'> & Pick<AccessPart, 'file'>

export function createRuleHandlers({ db, file }: Parts): HandlersOf<keyof typeof ruleRoutes> {
  async function inDatabase(pattern: string): Promise<RuleRow | undefined> {
    const rule = ofFile(file(), pattern)
    if (rule === undefined) return findRule(db, pattern)
    throw new Problem(
      'MANAGED_BY_FILE',
      `the rule for ${pattern} stands in ${shownSource(rule.source)}: change it there`,
    )
  }

  return {
    async listRules({ query, reach }) {
      const { rules } = file()
      const { rows, next } = await pageOf<Shown>({
        asked: query,
        keyOf: ({ pattern }) => pattern,
        isShown: ({ pattern }) => reach.covers(pattern),
        async read(after, limit) {
          const stored = (await listRules(db, after, limit)).filter(({ pattern }) => !ofFile(file(), pattern))
          const all = [
            ...rules.filter(({ pattern }) => pattern > after).map(fromFile),
            ...stored.map(fromRow),
          ]
          return all.sort((a, b) => (a.pattern < b.pattern ? -1 : 1)).slice(0, limit)
        },
      })
      return { items: rows, next }
    },
    async getRule({ params: { pattern }, setEtag }) {
      const rule = ofFile(file(), pattern)
      const row = rule === undefined ? await findRule(db, pattern) : undefined
      if (rule === undefined && row === undefined) throw notFound(`rule for ${pattern}`)
      setEtag(row === undefined ? etagOf([pattern, rule?.allow]) : etagOfRow(row))
      return row === undefined ? fromFile(rule as Rule) : fromRow(row)
    },
    async putRule({ params: { pattern }, body: { allow }, caller, precondition, actor, detail, setEtag }) {
      checkStaysInHand({ pattern, allow, source: 'database' }, caller.principal)
      const before = await inDatabase(pattern)
      checkPrecondition(precondition, before && etagOfRow(before))
      detail['before'] = before === undefined ? null : shortened(before.allow)
      detail['after'] = shortened(allow)
      const isDone =
        before === undefined
          ? await createRule(db, { pattern, allow }, actor)
          : await changeRule(db, before, allow, actor)
      if (!isDone)
        throw new Problem('PRECONDITION_FAILED', 'somebody else changed it at the same time: read it again')
      const after = await findRule(db, pattern)
      if (after === undefined) throw new Problem('CONFLICT', `the rule for ${pattern} was removed meanwhile`)
      setEtag(etagOfRow(after))
      return fromRow(after)
    },
    async deleteRule({ params: { pattern }, precondition, actor, detail }) {
      const before = await inDatabase(pattern)
      if (before === undefined) throw notFound(`rule for ${pattern}`)
      checkPrecondition(precondition, etagOfRow(before))
      detail['before'] = shortened(before.allow)
      if (!(await removeRuleAsRead(db, before, actor)))
        throw new Problem('PRECONDITION_FAILED', 'somebody else changed it at the same time: read it again')
    },
  }
}

/**
 * A rule decides alone for what it matches, so somebody who leaves themselves out of one could not mend it.
 * @throws Problem INVALID
 */
function checkStaysInHand(rule: Rule, principal: Principal): void {
  const now = createAccessNow(compileRules({ rules: [rule], defaults: NOTHING }))
  if (now.mayAdminister(principal, rule.pattern)) return
  const example = `"${principal.kind}:${principal.name}": ["admin"]`
  throw invalidField(
    '/allow',
    `it must give admin to you too, or you could not change it again: add ${example}`,
  )
}

const NOTHING = { allow: { anonymous: [], 'signed-in': [] }, source: 'default' } as const

/** Where the file lies is nobody's business but the server's. */
export function shownSource(source: string): string {
  return source.replace(/^.*[/\\](?=[^/\\]+$)/s, '')
}

type Shown = { pattern: string; allow: Record<string, never[]>; managedBy: 'file' | 'api'; source: string }

function fromFile({ pattern, allow, source }: Rule): Shown {
  return { pattern, allow: copied(allow), managedBy: 'file', source: shownSource(source) }
}

function fromRow({ pattern, allow }: Pick<RuleRow, 'pattern' | 'allow'>): Shown {
  return { pattern, allow: copied(allow as Allow), managedBy: 'api', source: 'database' }
}

const copied = (allow: Allow): Record<string, never[]> =>
  Object.fromEntries(Object.entries(allow).map(([who, actions]) => [who, [...actions] as never[]]))

function ofFile({ rules }: FileAccess, pattern: string): Rule | undefined {
  return rules.find((rule) => rule.pattern === pattern)
}

const etagOf = (parts: unknown): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22)

/** A rule that was removed and made again is another one. */
const etagOfRow = ({ id, changedAt, allow }: RuleRow): string => etagOf([id, changedAt, allow])

const shortened = (allow: Readonly<Record<string, readonly string[]>>): string =>
  JSON.stringify(allow).slice(0, 2000)
