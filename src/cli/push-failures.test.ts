/** What a person reads of a push that failed. */
import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { CredentialsError } from '../upstream/credentials/credentials.ts'
import { UpstreamError } from '../upstream/failure.ts'
import { LayoutError } from '../upstream/layout/layout.ts'
import { tellingPushFailures } from './push-failures.ts'

const rows: [error: Error, said: string][] = [
  [new UpstreamError('refused', 'r refuses it'), 'r refuses it.'],
  [new UpstreamError('lost', 'r broke it off'), 'r broke it off; run it again: it goes on where it ended.'],
  [
    new LayoutError('several; it has\n  a  sha256:1\n  b  sha256:2'),
    'several; it has\n  a  sha256:1\n  b  sha256:2',
  ],
  // Names of files in a tar, and what a program says.
  [new LayoutError('a\u001b]0;x\u0007 in \u009b31m.tar is damaged'), 'a ]0;x  in  31m.tar is damaged.'],
  [new CredentialsError('helper: \u001b[2Jlocked\r\u202e'), 'helper:  [2Jlocked  .'],
]

for (const [error, said] of rows)
  test(JSON.stringify(said), async () => {
    let written = ''
    const stderr = new Writable({ write: (text, _encoding, done) => done(void (written += String(text))) })
    const code = await tellingPushFailures({ env: {}, stdout: stderr, stderr }, () => Promise.reject(error))
    assert.equal(code, 1)
    assert.equal(written, `berth push: ${said}\n`)
  })
