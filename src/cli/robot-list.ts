/** `berth robot list` and `show`. */
import { groupsOfMember } from '../metadata/access/groups.ts'
import { findRobotByName, listRobots, type RobotRow } from '../metadata/access/robots.ts'
import { type ListedSecret, listSecretsOf } from '../metadata/access/secrets.ts'
import { CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Io } from './command.ts'
import { refuse, refuseUse } from './refusal.ts'
import { scopesText, SECRET_HEADER, secretJson, secretRow, timeCell, timeJson } from './secret-text.ts'
import { createTable, fit } from './table.ts'
import { isoText, localText, zoneText } from './times.ts'
import { withData } from './with-data.ts'
import { pagesAfter, writeList } from './write-list.ts'

const LIST_OPTIONS = { ...CONFIG_OPTION, json: { type: 'boolean' } } as const
const PAGE = 500

export async function listOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('robot list', args, LIST_OPTIONS, 0, io)
  if (parsed === undefined) return 2
  const now = Date.now()
  return withData(io, parsed.values.config, ({ metadata: { db } }, signal) =>
    writeList(
      io,
      pagesAfter<RobotRow>((after) => listRobots(db, after?.name ?? '', PAGE), PAGE),
      {
        header: ['NAME', 'STATE', `EXPIRES (${zoneText(now)})`, 'MAY', 'DESCRIPTION'],
        row: (robot) => [
          robot.name,
          stateText(robot, now),
          timeCell(robot.expiresAt, now, 'never'),
          scopesText(robot.scopes),
          fit(robot.description, 60),
        ],
        json: (robot) => robotJson(robot, now),
        empty: 'There are no robots: "berth robot add" makes one.\n',
      },
      parsed.values.json === true,
      signal,
    ),
  )
}

function stateText({ disabledAt, expiresAt }: RobotRow, now: number): 'disabled' | 'expired' | 'good' {
  if (disabledAt !== undefined) return 'disabled'
  return expiresAt !== undefined && expiresAt <= now ? 'expired' : 'good'
}

function robotJson(robot: RobotRow, now: number): object {
  const { id, name, description, scopes, createdBy } = robot
  return {
    id,
    name,
    description,
    state: stateText(robot, now),
    scopes,
    disabledAt: timeJson(robot.disabledAt),
    expiresAt: timeJson(robot.expiresAt),
    createdAt: isoText(robot.createdAt),
    createdBy,
  }
}

export async function showOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('robot show', args, LIST_OPTIONS, 1, io)
  if (parsed === undefined) return 2
  const [name] = parsed.positionals
  if (name === undefined) return refuseUse(io, 'robot show', 'say which robot')
  return withData(io, parsed.values.config, async ({ metadata: { db } }) => {
    const robot = await findRobotByName(db, name)
    if (robot === undefined)
      return refuse(
        io,
        'robot show',
        `there is no robot ${JSON.stringify(name)}: "berth robot list" shows them`,
      )
    const now = Date.now()
    const groups = [...(await groupsOfMember(db, `robot:${name}`))].sort()
    const secrets: ListedSecret[] = await listSecretsOf(db, `robot:${robot.id}`, 'robot', 0, 1000)
    if (parsed.values.json === true) {
      const shown = { ...robotJson(robot, now), groups, secrets: secrets.map((one) => secretJson(one, now)) }
      io.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`)
      return 0
    }
    io.stdout.write(robotText(robot, groups, now))
    if (secrets.length > 0)
      io.stdout.write(`\n${createTable(SECRET_HEADER).lines(secrets.map((one) => secretRow(one, now)))}`)
    return 0
  })
}

function robotText(robot: RobotRow, groups: readonly string[], now: number): string {
  const description = robot.description === '' ? '' : `description  ${fit(robot.description)}\n`
  return (
    `name         ${robot.name}\n${description}state        ${stateText(robot, now)}\n` +
    `may          ${scopesText(robot.scopes)}\nexpires      ${timeCell(robot.expiresAt, now, 'never')}\n` +
    `created      ${localText(robot.createdAt)} by ${robot.createdBy}\n` +
    `groups       ${groups.length === 0 ? '-' : groups.join(', ')}\n`
  )
}
