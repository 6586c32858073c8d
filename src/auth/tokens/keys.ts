/** The keys of our own tokens: made where one is needed, the same for all processes, another one each month. */
import { randomBytes } from 'node:crypto'
import type { CryptoKey, JWK } from 'jose'
import type { Clock } from '../../lib/clock.ts'
import type { Db } from '../../metadata/database.ts'
import { addSigningKey, listSigningKeys, type SigningKey } from '../../metadata/access/signing-keys.ts'

/** RFC 8037: Ed25519. Short tokens, and nothing about it can be chosen wrongly. */
export const ALGORITHM = 'EdDSA'
const SIGNS_FOR_MS = 30 * 24 * 3_600_000
/** More than any token lives. */
const VERIFIES_LONGER_MS = 24 * 3_600_000

export type TokenKeys = {
  forSigning(): Promise<{ id: string; key: CryptoKey }>
  /** Undefined: nobody has such a key, or it is too old. */
  forVerifying(id: string): Promise<CryptoKey | undefined>
}

type Pair = { privateKey: CryptoKey; publicKey: CryptoKey }

export function createTokenKeys({
  db,
  clock,
}: {
  db: Pick<Db, 'cached' | 'write'>
  clock: Clock
}): TokenKeys {
  const pairs = new Map<string, Promise<Pair>>()
  const pairOf = (key: SigningKey): Promise<Pair> => {
    const known = pairs.get(key.id)
    if (known !== undefined) return known
    const pair = importPair(key.privateKey)
    pairs.set(key.id, pair)
    return pair
  }
  const list = async (): Promise<readonly SigningKey[]> => {
    const keys = await listSigningKeys(db)
    if (pairs.size > keys.length) {
      for (const id of pairs.keys()) if (!keys.some((key) => key.id === id)) pairs.delete(id)
    }
    return keys
  }
  const newest = async (): Promise<SigningKey | undefined> =>
    (await list()).find(({ signsUntil }) => signsUntil > clock.now())
  return {
    async forSigning() {
      let key = await newest()
      if (key === undefined) {
        await addSigningKey(db, await makeKey(clock.now()))
        key = await newest()
      }
      if (key === undefined) throw new Error('a key to sign tokens with was written and is not there')
      return { id: key.id, key: (await pairOf(key)).privateKey }
    },
    async forVerifying(id) {
      const key = (await list()).find((one) => one.id === id)
      if (key === undefined || key.verifiesUntil <= clock.now()) return undefined
      return (await pairOf(key)).publicKey
    },
  }
}

async function makeKey(now: number): Promise<SigningKey> {
  const { exportJWK, generateKeyPair } = await import('jose')
  const { privateKey } = await generateKeyPair(ALGORITHM, { crv: 'Ed25519', extractable: true })
  return {
    id: randomBytes(8).toString('hex'),
    privateKey: JSON.stringify(await exportJWK(privateKey)),
    createdAt: now,
    signsUntil: now + SIGNS_FOR_MS,
    verifiesUntil: now + SIGNS_FOR_MS + VERIFIES_LONGER_MS,
  }
}

async function importPair(text: string): Promise<Pair> {
  const { importJWK } = await import('jose')
  const { d, ...jwk } = JSON.parse(text) as JWK
  const load = (one: JWK): Promise<CryptoKey> => importJWK(one, ALGORITHM) as Promise<CryptoKey>
  return { privateKey: await load({ ...jwk, d } as JWK), publicKey: await load(jwk) }
}
