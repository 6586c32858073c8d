/** @param pair `NAME:PASSWORD`. @returns the value of `Authorization` (RFC 7617) */
export function basicHeader(pair: string): string {
  return `Basic ${Buffer.from(pair).toString('base64')}`
}
