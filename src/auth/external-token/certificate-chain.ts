/** Certificates that a token brings along: may its key be trusted? */
import type { KeyObject, X509Certificate } from 'node:crypto'

/** Beyond these it is not a chain but an attack. */
const MOST_SIGNATURES = 50

type Chain = {
  key: KeyObject
  /** Milliseconds since 1970: the first of its certificates ends then. */
  until: number
}

/**
 * The key of the first certificate, if it is one of the roots or stands under one, each certificate valid now and
 * each but the first that of an authority. Names, and how long a path may be, are not looked at: a token is
 * nobody's in particular, and whoever may sign one certificate may sign what that would keep them from.
 */
export function verifyChain(
  certificates: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  now: number,
): Chain | undefined {
  const [leaf, ...others] = certificates
  if (leaf === undefined || !isValidAt(leaf, now)) return undefined
  let signatures = 0
  const signs = (parent: X509Certificate, child: X509Certificate): boolean => {
    if (!parent.ca || !isValidAt(parent, now) || !child.checkIssued(parent) || isWeak(child)) return false
    signatures += 1
    return signatures <= MOST_SIGNATURES && child.verify(parent.publicKey)
  }
  const climb = (child: X509Certificate, left: readonly X509Certificate[]): number | undefined => {
    const root = roots.find((one) => one.fingerprint256 === child.fingerprint256 || signs(one, child))
    if (root !== undefined) return Math.min(endOf(child), endOf(root))
    for (const parent of left) {
      const rest = left.filter((one) => one !== parent)
      const until = signs(parent, child) ? climb(parent, rest) : undefined
      if (until !== undefined) return Math.min(endOf(child), until)
    }
    return undefined
  }
  const until = climb(leaf, others)
  return until === undefined ? undefined : { key: leaf.publicKey, until }
}

const endOf = (certificate: X509Certificate): number => Date.parse(certificate.validTo)

function isValidAt(certificate: X509Certificate, now: number): boolean {
  return Date.parse(certificate.validFrom) <= now && now <= endOf(certificate)
}

function isWeak({ signatureAlgorithm = '' }: X509Certificate): boolean {
  return /md[245]|sha1(?![0-9])|sha-1/i.test(signatureAlgorithm)
}
