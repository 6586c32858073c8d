/**
 * What clients were told, and so what must be true: for each name (a tag, a manifest by digest, a blob of a
 * repository) the operations tried on it, with the time each began and was acknowledged. What a name may hold is the
 * effect of any operation that no acknowledged one came wholly after. A request whose answer never came may have
 * had its effect or not; both are right, until the server was asked.
 */
export type Name = { kind: 'blob' | 'manifest' | 'tag'; repository: string; reference: string }

/** A digest; undefined: the name is not there. */
export type Value = string | undefined

/** `acknowledged` is Infinity until the answer came. */
type Operation = { value: Value; began: number; acknowledged: number }

/** An upload left open by its client, to be gone on with after the restart. */
export type OpenUpload = {
  repository: string
  location: string
  bytes: Buffer
  digest: string
  /** Bytes that a 202 acknowledged. */
  acknowledged: number
}

export type Ledger = ReturnType<typeof createLedger>

export const keyOf = (name: Name): string => `${name.kind} ${name.repository} ${name.reference}`

export function createLedger() {
  const names = new Map<string, { name: Name; operations: Operation[]; touched: boolean }>()
  let clock = 0
  let acknowledgements = 0
  const entry = (name: Name) => {
    const key = keyOf(name)
    const found = names.get(key)
    if (found) return found
    const fresh = {
      name,
      operations: [{ value: undefined, began: 0, acknowledged: 0 } as Operation],
      touched: true,
    }
    names.set(key, fresh)
    return fresh
  }

  return {
    openUploads: [] as OpenUpload[],
    /** Bytes and requests that were acknowledged, for the report. */
    acknowledgements: () => acknowledgements,
    /** Before the request is sent. Call what it returns when the server said yes. */
    begin(name: Name, value: Value) {
      const known = entry(name)
      known.touched = true
      const operation: Operation = { value, began: ++clock, acknowledged: Infinity }
      known.operations.push(operation)
      return {
        acknowledge: () => {
          operation.acknowledged = ++clock
          acknowledgements += 1
        },
        /** The server refused: there is no effect. */
        refuse: () => {
          known.operations = known.operations.filter((other) => other !== operation)
        },
      }
    },
    /** What the name may hold: the effect of each operation that no acknowledged one came wholly after. */
    possible(name: Name): Value[] {
      const { operations } = entry(name)
      return operations
        .filter(
          (one) =>
            !operations.some((other) => other.acknowledged < Infinity && other.began > one.acknowledged),
        )
        .map(({ value }) => value)
    },
    /** What a quiet server was seen to hold: from now on only that is right. */
    observed(name: Name, value: Value): void {
      const known = entry(name)
      known.touched = false
      known.operations = [{ value, began: ++clock, acknowledged: clock }]
    },
    names: () => [...names.values()].map(({ name, touched }) => ({ name, touched })),
    repositories: () => [...new Set([...names.values()].map(({ name }) => name.repository))],
  }
}
