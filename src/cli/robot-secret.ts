/** `berth robot secret`: made, and revoked. */
import { createSecret } from '../auth/secrets.ts'
import { findRobotByName } from '../metadata/access/robots.ts'
import { addSecret, findSecretById, revokeSecret } from '../metadata/access/secrets.ts'
import type { OpenedData } from '../storage.ts'
import { readExpiry, whyNoText } from './access-arguments.ts'
import { CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Io } from './command.ts'
import { operator } from './operator.ts'
import { recordAudit } from './record-audit.ts'
import { refuse, refuseUse, runVerb } from './refusal.ts'
import { withData } from './with-data.ts'

export function secretVerb(args: readonly string[], io: Io): Promise<number> {
  return runVerb('robot secret', { add: addOf, revoke: revokeOf }, args, io)
}

type Given = { client: string; name?: string; expiresAt?: number | undefined }

/** Makes one, and prints it alone on the standard output. */
export async function giveSecret(
  io: Io,
  data: OpenedData,
  robot: { id: number; name: string },
  { client, name = '', expiresAt }: Given,
): Promise<void> {
  const { text, hash, hint } = createSecret('robot')
  const holder = { holder: `robot:${robot.id}`, holderName: robot.name }
  const ends = expiresAt === undefined ? {} : { expiresAt }
  const actor = operator(client, 'secret')
  const secret = { kind: 'robot' as const, hash, hint, ...holder, name, ...ends }
  const id = await addSecret(data.metadata.db, secret, actor)
  await recordAudit({ io, data }, actor, 'secret', `robot:${robot.name}`, { secret: id })
  const { stdout, stderr } = io
  stderr.write(`Its secret, number ${id}, which is shown this once (user name: ${robot.name}):\n`)
  stdout.write(`${text}\n`)
}

const unknown = (name: string): string =>
  `there is no robot ${JSON.stringify(name)}: "berth robot list" shows them`

async function addOf(args: readonly string[], io: Io): Promise<number> {
  const options = { ...CONFIG_OPTION, name: { type: 'string' }, expires: { type: 'string' } } as const
  const parsed = parseArguments('robot secret add', args, options, 1, io)
  if (parsed === undefined) return 2
  const [robotName] = parsed.positionals
  if (robotName === undefined) return refuseUse(io, 'robot secret add', 'say which robot')
  const { name = '', expires, config } = parsed.values
  const expiresAt = expires === undefined ? null : readExpiry(expires, Date.now())
  const wrong = typeof expiresAt === 'string' ? expiresAt : whyNoText('--name', name)
  if (wrong !== undefined || typeof expiresAt === 'string')
    return refuseUse(io, 'robot secret add', wrong ?? '')
  return withData(io, config, async (data) => {
    const robot = await findRobotByName(data.metadata.db, robotName)
    if (robot === undefined) return refuse(io, 'robot secret add', unknown(robotName))
    await giveSecret(io, data, robot, {
      client: 'berth robot secret add',
      name,
      expiresAt: expiresAt ?? undefined,
    })
    return 0
  })
}

async function revokeOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('robot secret revoke', args, CONFIG_OPTION, 2, io)
  if (parsed === undefined) return 2
  const [name, id] = parsed.positionals
  if (name === undefined || id === undefined || !/^[1-9]\d{0,14}$/.test(id))
    return refuseUse(io, 'robot secret revoke', 'say which robot, and the number of the secret')
  return withData(io, parsed.values.config, async (data) => {
    const { db } = data.metadata
    const robot = await findRobotByName(db, name)
    if (robot === undefined) return refuse(io, 'robot secret revoke', unknown(name))
    const secret = await findSecretById(db, Number(id))
    if (secret?.holder !== `robot:${robot.id}` || secret.kind !== 'robot')
      return refuse(
        io,
        'robot secret revoke',
        `${name} has no secret ${id}: "berth robot show ${name}" shows them`,
      )
    const actor = operator('berth robot secret revoke', 'secret')
    const isDone = await revokeSecret(db, secret, actor)
    if (isDone) await recordAudit({ io, data }, actor, 'secret', `robot:${name}`, { secret: secret.id })
    io.stdout.write(
      isDone ? `Revoked secret ${id} of ${name}.\n` : `Secret ${id} of ${name} was revoked before.\n`,
    )
    return 0
  })
}
