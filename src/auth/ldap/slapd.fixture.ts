/** For tests: a real OpenLDAP server as an ordinary process, in a folder and on a port of its own. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Client } from 'ldapts'
import { afterwards, temporaryFolder, type Ending } from '../../../test/lib/temporary.ts'
import { createCertificates } from '../../serving/certificates.fixture.ts'

export const ROOT = { dn: 'cn=root,dc=example,dc=org', password: 'root-password' }
export const SEARCH = { dn: 'cn=search,dc=example,dc=org', password: 'search-password' }

const person = (uid: string, password: string | undefined, mail = `${uid}@example.org`): string => `
dn: uid=${uid},ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: ${uid}
sn: ${uid}
mail: ${mail}
${password === undefined ? '' : `userPassword: ${password}\n`}`

const group = (cn: string, members: readonly string[]): string => `
dn: cn=${cn},ou=groups,dc=example,dc=org
objectClass: groupOfNames
${members.map((uid) => `member: uid=${uid},ou=people,dc=example,dc=org`).join('\n')}
`

const DATA = `
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit

dn: cn=search,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: ${SEARCH.password}
${person('alice', 'alice-password')}${person('bob', 'bob-password')}${person('nopassword', undefined)}
dn: uid=we\\2Aird,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: (weird)
sn: weird
uid: we*ird
userPassword: weird-password
${person('double1', 'double-password', 'double@example.org')}${person('double2', 'double-password', 'double@example.org')}
dn:: ${Buffer.from('uid=jürgen,ou=people,dc=example,dc=org').toString('base64')}
objectClass: inetOrgPerson
cn: x
sn: x
userPassword:: ${Buffer.from('pässwörd').toString('base64')}
${group('devs', ['alice', 'bob'])}${group('security', ['alice'])}
dn: uid=elsewhere,ou=people,dc=example,dc=org
objectClass: referral
objectClass: extensibleObject
ref: ldap://127.0.0.1:1/uid=elsewhere,dc=example,dc=org
`

const configuration = (
  folder: string,
  authority: string,
  leaf: { certificate: string; key: string },
): string => `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile ${folder}/pid
# The trap that RFC 4513, section 5.1.2, speaks of.
allow bind_anon_dn
TLSCACertificateFile ${authority}
TLSCertificateFile ${leaf.certificate}
TLSCertificateKeyFile ${leaf.key}
database mdb
suffix "dc=example,dc=org"
directory ${folder}/data
rootdn "${ROOT.dn}"
rootpw ${ROOT.password}
overlay ppolicy
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${SEARCH.dn}" read by * none
`

export type Slapd = {
  /** `ldap://127.0.0.1:PORT` */
  url: string
  /** `ldaps://localhost:PORT` */
  tlsUrl: string
  /** PEM file of the authority of its certificate, which is for localhost. */
  ca: string
  /** Another authority. */
  otherCa: string
  /** As the administrator of the directory. */
  change(use: (client: Client) => Promise<void>): Promise<void>
  stop(): Promise<void>
}

export async function startSlapd(test: Ending): Promise<Slapd> {
  const folder = temporaryFolder(test, 'slapd')
  const certificates = await createCertificates()
  afterwards(test, () => certificates.remove())
  const authority = await certificates.authority('directory')
  const other = await certificates.authority('other')
  const leaf = await certificates.issue('leaf', authority)
  mkdirSync(join(folder, 'data'))
  const file = join(folder, 'slapd.conf')
  writeFileSync(file, configuration(folder, authority.certificate, leaf))
  writeFileSync(join(folder, 'data.ldif'), DATA)
  execFileSync('slapadd', ['-f', file, '-l', join(folder, 'data.ldif')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [port, tlsPort] = [await freePort(), await freePort()]
  const [url, tlsUrl] = [`ldap://127.0.0.1:${port}`, `ldaps://localhost:${tlsPort}`]
  const child = spawn('slapd', ['-f', file, '-h', `${url} ldaps://127.0.0.1:${tlsPort}`, '-d', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const stop = (): Promise<void> => ended(child)
  afterwards(test, stop)
  await reachable(port, child)
  return {
    url,
    tlsUrl,
    ca: authority.certificate,
    otherCa: other.certificate,
    stop,
    async change(use) {
      const client = new Client({ url, timeout: 5000 })
      await client.bind(ROOT.dn, ROOT.password)
      await use(client)
      await client.unbind()
    },
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function reachable(port: number, child: ChildProcess): Promise<void> {
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  for (let tried = 0; tried < 200 && child.exitCode === null; tried++) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (isOpen) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`slapd does not answer: ${errors}`)
}
