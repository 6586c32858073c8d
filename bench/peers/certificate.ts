import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** A certificate for 127.0.0.1 that nobody checks; ECDSA on P-256, as certificate authorities give them today. */
export function makeCertificate(openssl: string, folder: string): { certificate: string; key: string } {
  const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  execFileSync(openssl, ['req', '-x509', ...kind, '-keyout', key, '-out', certificate, ...subject], {
    stdio: 'pipe',
  })
  return { certificate, key }
}
