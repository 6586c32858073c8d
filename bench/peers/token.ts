/** Signing in as docker does it: a token from `/token`, by name and password. */
import { BenchFailure } from '../failure.ts'
import type { Exchange } from '../content/exchange.ts'

/**
 * @param exchange sends the name and the password
 * @param scopes e.g. `repository:team/app:pull`
 * @returns the value of `Authorization`
 * @throws BenchFailure
 */
export async function tokenFrom(exchange: Exchange, scopes: readonly string[]): Promise<string> {
  const query = scopes.map((scope) => `&scope=${encodeURIComponent(scope)}`).join('')
  const { body } = await exchange.expect(200, 'GET', `/token?service=berth${query}`)
  const { token } = JSON.parse(body.toString()) as { token?: string }
  if (token === undefined) throw new BenchFailure('GET /token: answered without a token')
  return `Bearer ${token}`
}
