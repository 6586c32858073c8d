/** Which files of Debian's packages go into the image. */

/** Beginnings of paths that stay out: what only people read, what only other programs use, and programs. */
const LEFT_OUT = [
  'bin/',
  'sbin/',
  'usr/bin/',
  'usr/sbin/',
  'etc/ca-certificates/',
  'etc/cron.daily/',
  'etc/default/',
  'etc/dpkg/',
  'etc/ld.so.conf.d/',
  'etc/motd',
  'etc/profile.d/',
  'etc/skel/',
  'etc/update-motd.d/',
  'usr/games/',
  'usr/include/',
  'usr/local/',
  'usr/share/base-files/',
  'usr/share/bug/',
  'usr/share/gcc/',
  'usr/share/gdb/',
  'usr/share/info/',
  'usr/share/lintian/',
  'usr/share/locale/',
  'usr/share/man/',
  'usr/share/zoneinfo/localtime',
  'usr/share/zoneinfo/posix/',
  'usr/share/zoneinfo/right/',
  'usr/src/',
  'var/',
]
/** Of the C library: conversions and languages that Node.js has itself, and tools for looking into programs. */
const LEFT_OUT_LIBRARIES =
  /^lib\/(?:[^/]+\/)?(?:gconv|audit)\/|\/(?:libmemusage|libpcprofile|libthread_db|libBrokenLocale|libc_malloc_debug|libnsl|libmvec)[-.]/
const LICENCE = /^usr\/share\/doc\/[^/]+(?:\/copyright)?$/
const FOLDERS_IN_ROOT = new Set(['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'])

/** @param path as the package has it, without a slash at its beginning */
export function isWanted(path: string): boolean {
  if (path.startsWith('usr/share/doc/')) return LICENCE.test(path)
  if (LEFT_OUT.some((start) => path.startsWith(start) || `${path}/` === start)) return false
  return !LEFT_OUT_LIBRARIES.test(path.replace(/^usr\//, ''))
}

/** The path in an image where `/bin` and `/lib` are links into `/usr`, as in all of Debian since 2023. */
export function mergedPath(path: string): string {
  const [first = ''] = path.split('/', 1)
  return FOLDERS_IN_ROOT.has(first) && path !== first ? `usr/${path}` : path
}
