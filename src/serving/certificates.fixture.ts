/** For tests: certificates made by the openssl command in a temporary folder. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Why TLS cannot be tried here, undefined where it can; a machine that calls itself CI has to have openssl. */
export async function withoutOpenssl(): Promise<string | undefined> {
  try {
    await run('openssl', ['version'])
    return undefined
  } catch (cause) {
    if (process.env['CI']) throw new Error('the openssl command is missing; TLS would go untested', { cause })
    return 'the openssl command is missing'
  }
}

const LOCALHOST = 'DNS:localhost,IP:127.0.0.1'

export type Authority = { certificate: string; key: string }

export type Certificates = {
  path(name: string): string
  authority(name: string): Promise<Authority>
  /** A certificate for `subject` and `names` (localhost, if absent), signed by the authority. */
  issue(
    name: string,
    by: Authority,
    options?: { subject?: string; names?: string; days?: number; rsa?: boolean },
  ): Promise<Authority>
  remove(): Promise<void>
}

export async function createCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-tls-'))
  const path = (name: string): string => join(folder, name)
  const newKey = (key: string, rsa = false): Promise<unknown> =>
    rsa
      ? run('openssl', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', key])
      : run('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', key])
  return {
    path,
    async authority(name) {
      const [key, certificate] = [path(`${name}.key`), path(`${name}.crt`)]
      await newKey(key)
      await run('openssl', [
        'req',
        '-x509',
        '-new',
        '-key',
        key,
        '-subj',
        `/CN=${name}`,
        '-days',
        '2',
        '-out',
        certificate,
      ])
      return { certificate, key }
    },
    async issue(name, by, { subject = name, names = LOCALHOST, days = 2, rsa = false } = {}) {
      const [key, request, certificate] = [path(`${name}.key`), path(`${name}.csr`), path(`${name}.crt`)]
      await newKey(key, rsa)
      await run('openssl', ['req', '-new', '-key', key, '-subj', `/CN=${subject}`, '-out', request])
      await writeFile(path(`${name}.ext`), `subjectAltName=${names}\n`)
      const sign = [
        'x509',
        '-req',
        '-in',
        request,
        '-CA',
        by.certificate,
        '-CAkey',
        by.key,
        '-CAcreateserial',
      ]
      await run('openssl', [
        ...sign,
        '-days',
        String(days),
        '-extfile',
        path(`${name}.ext`),
        '-out',
        certificate,
      ])
      return { certificate, key }
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}
