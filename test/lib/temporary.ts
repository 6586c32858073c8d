import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

type Action = () => void | Promise<void>

/** A test's context, or `{ after }` of node:test for a whole file. */
export type Ending = { after: (action: () => Promise<void>) => void }

const pending = new WeakMap<object, Action[]>()

/** What is to be undone after the test, the last first: a server ends before its folder goes. */
export function afterwards(test: Ending, action: Action): void {
  const known = pending.get(test)
  if (known) {
    known.push(action)
    return
  }
  const actions = [action]
  pending.set(test, actions)
  test.after(async () => {
    const failures: unknown[] = []
    for (const one of actions.reverse()) {
      try {
        await one()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0)
      throw new AggregateError(failures, `after the test: ${failures.map(String).join('; ')}`)
  })
}

/** A folder that is gone after the test. */
export function temporaryFolder(test: Ending, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `berth-${name}-`))
  afterwards(test, () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
