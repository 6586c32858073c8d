/** Tries every order of some actors after what was there before, and ends each: by itself, or killed on the way. */
import { createPullRecorder } from '../../metadata/pulls.ts'
import { silentLogger } from '../../lib/logger.ts'
import { defaultRules } from '../hosted-fixtures.ts'
import { createHostedRegistry } from '../hosted.ts'
import { type ActorName, assertOrdinary, scriptOf } from './actors.fixture.ts'
import { type Before, type BeforeName, BEFORES, type Given } from './befores.fixture.ts'
import { assertAllCollected, assertPromises, assertSound } from './checks.fixture.ts'
import { type Explored, explore } from './explore.fixture.ts'
import { type ClockReading, withoutChance } from './process.fixture.ts'
import { forgetAsked, lasting, learn, NOTHING, type Promises } from './promises.fixture.ts'
import { witnessed } from './witness.fixture.ts'
import { createWorld, type World, type WorldOptions } from './world.fixture.ts'

export type Case = {
  /** Each a process, with one actor or several. */
  processes: readonly (readonly ActorName[])[]
  /** All of them are killed between any two steps, too. */
  kills?: boolean
  reading?: ClockReading
}
export type Trials = {
  run(asked: Case): Promise<Explored>
  close(): Promise<void>
}

/** @param options what is broken on purpose, and whether that begins before the first state is made */
export async function trialsAfter(name: BeforeName, options: WorldOptions = {}): Promise<Trials> {
  const world = createWorld(options)
  const { given, promises } = await withoutChance(() => make(BEFORES[name] as Before, world))
  /** Ends that were looked at, whichever way they were reached. */
  const ended = new Set<string>()
  const sound = new Set<string>()

  async function assertEnd(promised: Promises, isKilled: boolean): Promise<void> {
    const key = `${world.key()} ${JSON.stringify(lasting(promised))}`
    if (ended.has(`${key} ${isKilled}`) || ended.has(`${key} false`)) return
    ended.add(`${key} ${isKilled}`)
    await world.aside(() => assertAllCollected(world, forgetAsked(promised), isKilled))
  }

  return {
    run: ({ processes, kills = false, reading = 'early' }) =>
      withoutChance(() => {
        const { rules } = BEFORES[name] as Before
        const isPaused = processes.flat().some((actor) => actor.endsWith('hours'))
        const scripts = processes.map((names) => scriptOf(names, given, rules))
        return world.aside(() =>
          explore(world, scripts, promises, reading, {
            async state(promised) {
              const key = world.key()
              if (!sound.has(key)) assertSound(world)
              sound.add(key)
              assertPromises(world, promised)
              if (kills) await assertEnd(promised, true)
            },
            async end(promised, errors) {
              for (const [operation, error] of errors) assertOrdinary(operation, error, isPaused)
              await assertEnd(promised, false)
            },
          }),
        )
      }),
    close: async () => world.close(),
  }
}

async function make(before: Before, world: World): Promise<{ given: Given; promises: Promises }> {
  let promises = NOTHING
  const pulls = createPullRecorder(world.db, world.now)
  const hosted = createHostedRegistry({
    db: world.db,
    store: world.store,
    clock: world,
    processId: 'before',
    boot: 'boot',
    log: silentLogger,
    pulls,
    rules: { ...defaultRules, ...before.rules },
  })
  const registry = witnessed(
    hosted,
    'before',
    (event) => void (promises = learn(promises, event, world.now())),
    before.rules,
  )
  const given = await before.make(registry, world)
  if (given?.trash !== undefined) {
    const held = new Map(promises.held).set(`trash ${given.trash.deletion}`, given.trash.until)
    promises = { ...promises, held }
  }
  return { given: { upload: '', ...given }, promises }
}
