/** Where answers may differ between registries that hold the same. */

/** The bytes of a blob are the same; of what type they are, nobody knows. */
export function isSameBlob(key: string, before = '', after = ''): boolean {
  return key.startsWith('blob ') && before.startsWith('200') && before.split(' ')[1] === after.split(' ')[1]
}
