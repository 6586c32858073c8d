/** What the system's refusals mean to a person. */

export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** There is no such file or folder. */
export function isAbsent(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

export function isSymbolicLoop(error: unknown): boolean {
  return codeOf(error) === 'ELOOP'
}

/** Goes after what is refused: `the folder … may not be read by this user`. */
export function refusalText(error: unknown): string {
  const code = codeOf(error)
  const user = process.geteuid === undefined ? '' : ` (${process.geteuid()})`
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `may not be read by this user${user}: run as the user that owns it, or change its owner or mode`
    case 'EIO':
      return 'cannot be read (EIO): the disk or its file system is damaged'
    case 'ELOOP':
      return 'cannot be read (ELOOP): symbolic links in a circle'
    default:
      return `cannot be read (${code ?? String(error)})`
  }
}
