/** Known at once, or after a wait: what is asked with each request must not wait where it need not. */
export type Waiting<T> = T | Promise<T>
