/** How often what was recorded, for metrics: also where no record is kept. */
import type { Audit, AuditEntry } from './audit.ts'

export type AuditFigures = {
  signIns: number
  /** Wrong passwords, names that nobody has. */
  signInsRefused: number
  /** Tokens of the token service. */
  tokens: number
  /** Whoever was known and was not allowed; tokens that were not good. */
  refused: number
  /** Entries that could not be written, for want of room. */
  dropped: number
  count(entry: Pick<AuditEntry, 'act' | 'outcome'>): void
}

export function createAuditFigures(): AuditFigures {
  return {
    signIns: 0,
    signInsRefused: 0,
    tokens: 0,
    refused: 0,
    dropped: 0,
    count({ act, outcome }) {
      if (act === 'sign-in' && outcome === 'done') this.signIns += 1
      else if (act === 'sign-in') this.signInsRefused += 1
      else if (act === 'token' && outcome === 'done') this.tokens += 1
      else if (outcome === 'refused') this.refused += 1
    },
  }
}

/** No record is kept; it is counted all the same. */
export function createUnkeptAudit(figures: AuditFigures): Audit {
  return { record: (entry) => figures.count(entry) }
}
