/**
 * Transactions as they cross to the writer thread. The text of a statement crosses once, then its number: copying all
 * texts of each transaction, and finding the prepared statements by copies, cost more than most statements do.
 */
import type { Statement, Step, Transaction } from '../database.ts'

/** `steps`: a statement's number and how many rows it must find (-1: any number), by turns. */
export type SentTransaction = Omit<Transaction, 'steps'> & { readonly steps: readonly number[] }

export type StatementNumbers = {
  /** @param fresh is given the statements that the other side does not have yet, in the order of their numbers */
  pack(transaction: Transaction, fresh: Statement[]): SentTransaction
  /** They did not get there. */
  forget(fresh: readonly Statement[]): void
}

export function createStatementNumbers(): StatementNumbers {
  const changing = new Map<string, number>()
  const reading = new Map<string, number>()
  const mapOf = ({ rows }: Statement): Map<string, number> => (rows === true ? reading : changing)

  function numberOf(statement: Statement, fresh: Statement[]): number {
    const known = mapOf(statement).get(statement.sql)
    if (known !== undefined) return known
    const number = changing.size + reading.size
    mapOf(statement).set(statement.sql, number)
    fresh.push(statement)
    return number
  }

  return {
    pack(transaction, fresh) {
      const steps: number[] = []
      for (const { statement, expect = -1 } of transaction.steps) {
        steps.push(numberOf(statement, fresh), expect)
      }
      return { ...transaction, steps }
    },
    forget(fresh) {
      for (const statement of fresh) mapOf(statement).delete(statement.sql)
    },
  }
}

/** @param statements all that came so far, by their numbers */
export function unpack(sent: SentTransaction, statements: readonly Statement[]): Transaction {
  const steps: Step[] = []
  for (let at = 0; at < sent.steps.length; at += 2) {
    const statement = statements[sent.steps[at] as number] as Statement
    const expect = sent.steps[at + 1] as number
    steps.push(expect < 0 ? { statement } : { statement, expect })
  }
  return { ...sent, steps }
}
