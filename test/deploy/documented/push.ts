/** Puts images of one small file into a registry: `push.ts [--to URL] [--user NAME:PASSWORD] [--seed TEXT] NAME:TAG ...`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { basicHeader } from '../../lib/basic-header.ts'
import { createRegistryClient } from '../../lib/registry-client.ts'
import { createLayout, fileLayer } from '../../clients/layout.ts'
import { pushLayout } from '../../clients/workplace.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    to: { type: 'string', default: 'http://localhost:5000' },
    user: { type: 'string' },
    seed: { type: 'string' },
  },
})
const headers = values.user === undefined ? {} : { authorization: basicHeader(values.user) }
const client = createRegistryClient(values.to, { headers })
for (const image of positionals) {
  const [repository = '', tag = ''] = image.split(':')
  const folder = mkdtempSync(join(tmpdir(), 'berth-push-'))
  const { digest } = createLayout(folder).addImage({ layers: [fileLayer('made', values.seed ?? image)] })
  await pushLayout(client, repository, tag, folder, digest)
  rmSync(folder, { recursive: true, force: true })
}
client.close()
