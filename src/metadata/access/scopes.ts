/** What robots and tokens may, as their rows keep it. */

/** Actions in the repositories that a pattern matches; whoever writes it has checked both. */
export type StoredScope = { readonly repositories: string; readonly actions: readonly string[] }

export function writeScopes(scopes: readonly StoredScope[]): string {
  return JSON.stringify(scopes.map(({ repositories, actions }) => ({ repositories, actions })))
}

export function readScopes(text: string): readonly StoredScope[] {
  return JSON.parse(text) as StoredScope[]
}
