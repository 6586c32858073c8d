/** Both programs under one configuration. */
import { differencesOf, judge, told } from './compare-answers.ts'
import { type Configuration, CONFIGURATIONS, setupOf } from './configurations.ts'
import { DIFFERENCES } from './differences.ts'
import { launch, type Program } from './launch.ts'
import { play, type Answer } from './play.ts'
import { STEPS } from './requests.ts'

export type Certificate = { certificate: string; key: string }

export type Outcome = {
  /** What both did at start. */
  start: string
  requests: number
  /** Differences that are meant. */
  expected: number
  /** How often each reason was met. */
  reasons: string[]
  /** What is different and should not be, what was meant to be different and is not. */
  wrong: string[]
}

/** The answers, or how it refused to start. */
export async function playUnder(
  program: Program,
  configuration: Configuration,
  tls?: Certificate,
): Promise<Map<string, Answer> | string> {
  const started = await launch(program, setupOf(configuration, tls))
  if ('exit' in started) {
    if (typeof started.exit === 'number' && started.exit > 0 && started.exit < 128) return 'refuses'
    throw new Error(`${program.name} ended with ${started.exit} at start:\n${started.log.slice(-2000)}`)
  }
  try {
    return await play(STEPS, started.place, configuration.headers)
  } finally {
    await started.stop()
  }
}

export async function compareUnder(
  configuration: Configuration,
  programs: { peer: Program; berth: Program },
  tls?: Certificate,
): Promise<Outcome> {
  const peer = await playUnder(programs.peer, configuration, tls)
  const berth = await playUnder(programs.berth, configuration, tls)
  const starts = {
    peer: typeof peer === 'string' ? 'refuses' : 'starts',
    berth: typeof berth === 'string' ? 'refuses' : 'starts',
  }
  const start =
    starts.peer === starts.berth
      ? `both ${starts.peer.slice(0, -1)}`
      : `the peer ${starts.peer}, Berth ${starts.berth}`
  const wrong: string[] = []
  const same = configuration.refused ? 'refuses' : 'starts'
  const meant = configuration.start ?? { peer: same, berth: same }
  if (meant.peer !== starts.peer || meant.berth !== starts.berth) wrong.push(`start: ${start}`)
  const nothing = { start, requests: 0, expected: 0, reasons: [], wrong }
  if (typeof peer === 'string' || typeof berth === 'string') return nothing
  const own = configuration.differences ?? []
  const { unexpected, unused, met } = judge(differencesOf(peer, berth), [...own, ...DIFFERENCES])
  const mustOccur = configuration === CONFIGURATIONS[0] ? DIFFERENCES : own
  wrong.push(...unexpected.map(told))
  wrong.push(
    ...unused
      .filter((one) => mustOccur.includes(one))
      .map(({ why, field }) => `never occurs: ${field}: ${why}`),
  )
  const found = [...met.values()].flat().length
  const reasons = [...met].map(([{ why, field }, { length }]) => `${length} × ${field}: ${why}`)
  return { start, requests: STEPS.length, expected: found, reasons, wrong }
}
