/** The small files of an image that no package brings. */
import { textFile, type Entries } from './tar.ts'

/** Who has a name in the image. Any other user may run it too, and has none. */
const USERS = [
  { name: 'root', id: 0, home: '/root' },
  { name: 'nobody', id: 65_534, home: '/nonexistent' },
  { name: 'nonroot', id: 65_532, home: '/home/nonroot' },
]

export function accountEntries(): Entries {
  const passwd = USERS.map(({ name, id, home }) => `${name}:x:${id}:${id}:${name}:${home}:/sbin/nologin\n`)
  const group = USERS.map(({ name, id }) => `${name === 'nobody' ? 'nogroup' : name}:x:${id}:\n`)
  return new Map([
    ['etc/passwd', textFile(passwd.join(''))],
    ['etc/group', textFile(group.join(''))],
    // Without it the C library asks a service that is not there before it looks into /etc/hosts.
    ['etc/nsswitch.conf', textFile('passwd: files\ngroup: files\nhosts: files dns\nservices: files\n')],
    ['root', { kind: 'folder', mode: 0o700 }],
    // Of root, as all is here; what `berth push` remembers of a push goes below it.
    ['home/nonroot', { kind: 'folder', mode: 0o1777 }],
    ['tmp', { kind: 'folder', mode: 0o1777 }],
    ['var/tmp', { kind: 'folder', mode: 0o1777 }],
    ['run', { kind: 'folder', mode: 0o755 }],
    ['proc', { kind: 'folder', mode: 0o555 }],
    ['sys', { kind: 'folder', mode: 0o555 }],
    ['dev', { kind: 'folder', mode: 0o755 }],
    // Where Debian's administrators put certificates of their own.
    ['usr/local/share/ca-certificates', { kind: 'folder', mode: 0o755 }],
  ])
}
