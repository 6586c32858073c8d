/** SQLite's own checks of the database file, on a connection and in a thread of their own. */
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { startThread } from '../../lib/start-thread.ts'

type IntegrityRequest = { integrity: { path: string; thorough: boolean } }
type Dangling = { rowid: number; table: string; parent: string }
/** What SQLite said; at most this many lines of each check. */
const MOST = 100

/**
 * @param thorough compares indexes with their tables too, which takes several times as long
 * @returns what is wrong, a line each; empty: nothing
 */
export function checkIntegrity(path: string, thorough: boolean, signal: AbortSignal): Promise<string[]> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const request: IntegrityRequest = { integrity: { path, thorough } }
    const worker = startThread(new URL('./integrity', import.meta.url), {
      workerData: request,
      name: 'integrity',
    })
    const stop = (): void => void worker.terminate()
    signal.addEventListener('abort', stop, { once: true })
    worker.once('message', (lines: string[]) => resolve(lines))
    worker.once('error', reject)
    worker.once('exit', () => {
      signal.removeEventListener('abort', stop)
      reject(signal.aborted ? (signal.reason as Error) : new Error('the check of the database ended early'))
    })
  })
}

function integrityLines({ path, thorough }: IntegrityRequest['integrity']): string[] {
  const db = new DatabaseSync(path, { timeout: 10_000, readOnly: true })
  try {
    const check = thorough ? 'integrity_check' : 'quick_check'
    const lines = db
      .prepare(`PRAGMA ${check}(${MOST})`)
      .all()
      .map((row) => String(Object.values(row)[0]))
      .filter((line) => line !== 'ok')
    const dangling = db.prepare('SELECT * FROM pragma_foreign_key_check LIMIT ?').all(MOST) as Dangling[]
    return [
      ...lines,
      ...dangling.map(
        ({ rowid, table, parent }) => `row ${rowid} of ${table} names a row of ${parent} that is not there`,
      ),
    ]
  } catch (error) {
    // A page that cannot be read ends a check with an error: that is a finding too.
    return [(error as Error).message]
  } finally {
    db.close()
  }
}

if (parentPort !== null && isRequest(workerData)) {
  parentPort.postMessage(integrityLines(workerData.integrity))
}

function isRequest(data: unknown): data is IntegrityRequest {
  return typeof data === 'object' && data !== null && 'integrity' in data
}
