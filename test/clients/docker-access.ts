/** What every Docker engine is tried with where there are accounts: login, push, pull, and the refusals in between. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Account, ALICE, BOB, createAccessWorkplace } from './access-workplace.ts'
import { startEngine, type EngineOptions } from './docker-engine.ts'
import { clientPath, digestsServed, type Ran } from './workplace.ts'

const NO =
  /unauthorized|denied|authentication required|no basic auth|authorization failed|forbidden|not found|does not exist/i

export async function tryDockerWithAccounts(context: TestContext, options: EngineOptions): Promise<void> {
  const workplace = await createAccessWorkplace(context, 'docker')
  const { client, server, place } = workplace
  const { docker, version } = await startEngine(context, workplace, options)
  context.diagnostic(`Docker engine ${version}`)
  const at = (name: string): string => `${server.host}/${name}`
  const login = ({ name, password }: Account, mayFail = false): Promise<Ran> =>
    docker(['login', '-u', name, '--password-stdin', server.host], { input: password, mayFail })
  const refused = async (args: string[], what: string): Promise<void> => {
    const ran = await docker(args, { mayFail: true })
    assert.notEqual(ran.code, 0, `${what} was allowed`)
    assert.match(ran.stderr + ran.stdout, NO, what)
  }
  const folder = place('context')
  mkdirSync(join(folder, 'bin'))
  copyFileSync(clientPath('busybox') ?? '', join(folder, 'bin', 'sh'))
  writeFileSync(
    join(folder, 'Dockerfile'),
    'FROM scratch\nCOPY bin/sh /bin/sh\nCMD ["/bin/sh", "-c", "echo in"]\n',
  )
  await docker(['build', '-q', '--network', 'none', '-t', at('team/app:1'), folder])

  await refused(['push', '-q', at('team/app:1')], 'an anonymous push')
  assert.notEqual((await login({ name: 'alice', password: 'wrong' }, true)).code, 0, 'a wrong password')
  await login(ALICE)
  await docker(['push', '-q', at('team/app:1')])
  await digestsServed(client, 'team/app', '1')
  // Into another repository: one token for both, and the layers are mounted.
  await docker(['tag', at('team/app:1'), at('public/app:1')])
  await docker(['push', '-q', at('public/app:1')])
  await digestsServed(client, 'public/app', '1')
  const found = await docker(['search', `${server.host}/app`])
  assert.match(found.stdout, /team\/app/)

  await docker(['logout', server.host])
  const forEverybody = await docker(['search', `${server.host}/app`])
  assert.match(forEverybody.stdout, /public\/app/)
  assert.doesNotMatch(forEverybody.stdout, /team\/app/)
  await docker(['image', 'rm', '-f', at('team/app:1'), at('public/app:1')])
  await refused(['pull', '-q', at('team/app:1')], 'an anonymous pull')
  await docker(['pull', '-q', at('public/app:1')])
  await login(BOB)
  await refused(['pull', '-q', at('team/app:1')], 'a pull of another')
  await docker(['tag', at('public/app:1'), at('team/app:2')])
  await refused(['push', '-q', at('team/app:2')], 'a push of another')
  await docker(['tag', at('public/app:1'), at('bob/app:1')])
  await docker(['push', '-q', at('bob/app:1')])
  await digestsServed(client, 'bob/app', '1')

  await login(await workplace.robot('builder', 'team/**:pull,create'))
  await docker(['pull', '-q', at('team/app:1')])
  const ran = await docker(['run', '--rm', '--network', 'none', at('team/app:1')])
  assert.equal(ran.stdout, 'in\n')
  await docker(['push', '-q', at('team/app:2')])
  writeFileSync(join(folder, 'more'), 'another image')
  writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY bin/sh /bin/sh\nCOPY more /more\n')
  await docker(['build', '-q', '--network', 'none', '-t', at('team/app:1'), folder])
  await refused(['push', '-q', at('team/app:1')], 'a push over a tag by who may only create')
}
