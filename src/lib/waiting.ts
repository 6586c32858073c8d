/** Known at once, or after a wait: what is asked with each request must not wait where it need not. */
export type Waiting<T> = T | Promise<T>

/** Goes on with what is known, at once where it is. */
export function whenKnown<T, U>(value: Waiting<T>, then: (value: T) => Waiting<U>): Waiting<U> {
  return value instanceof Promise ? value.then(then) : then(value)
}
