/**
 * What the pages tell their readers to type, typed: page by page, in a shell on a machine that is thrown away. What is
 * not run stands in documented/pages.ts with its reason; the report at the end counts and lists both.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { clientPath } from '../clients/workplace.ts'
import { builtImage } from '../lib/image.ts'
import { commandsOf, readBlocks } from './documented/blocks.ts'
import { noMachine, startMachine, type Machine } from './documented/machine.ts'
import { difference, missingLines } from './documented/output.ts'
import { PAGES, type Page } from './documented/pages.ts'
import { planOf, whyNot, type Typed } from './documented/plan.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NAMES = ['README.md', ...globSync('docs/*.md', { cwd: ROOT }).sort()]
const only = process.env['BERTH_PAGE']

/** What a page's shell finds: what install.sh built comes first, then the system's. */
const own = clientPath('crane')?.replace(/\/crane$/, '')
const PATH = [own, '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin', '/usr/local/bin']
  .filter((folder) => folder !== undefined)
  .join(':')

const ran: string[] = []
const notRun: string[] = []
let untried: string[] = []

const skip = noMachine()
// Machines do not see each other.
describe('pages', { concurrency: 2 }, () => {
  for (const name of NAMES) {
    const page = PAGES[name] ?? { notes: [] as const }
    const plan = planOf(readBlocks(name, readFileSync(join(ROOT, name), 'utf8')), page)
    if (plan.length === 0 || (only !== undefined && !name.includes(only))) continue
    test(`the commands of ${name}`, { skip, timeout: 300_000 }, (context) =>
      typePage(context, name, page, plan),
    )
  }
})

test('which commands ran', { skip }, (context) => {
  for (const line of ran) context.diagnostic(`ran      ${line}`)
  for (const line of notRun) context.diagnostic(`not run  ${line}`)
  context.diagnostic(`${ran.length} documented commands ran, ${notRun.length} did not`)
  assert.deepEqual(untried, [], 'after one that failed')
  assert.ok(ran.length > 0)
})

async function typePage(
  context: TestContext,
  name: string,
  page: Page,
  plan: readonly Typed[],
): Promise<void> {
  const told = plan.map((typed) => ({
    typed,
    reason: whyNot(typed, page, (program) => clientPath(program) !== undefined),
  }))
  const report = (list: string[], { script, line }: Typed, more = ''): void => {
    for (const command of commandsOf(script)) list.push(`${name}:${line}  ${command}${more}`)
  }
  for (const { typed, reason } of told) if (reason !== undefined) report(notRun, typed, `  [${reason}]`)
  const steps = told.filter(({ reason }) => reason === undefined).map(({ typed }) => typed)
  if (steps.length === 0) return
  const left = [...steps]
  try {
    const machine = startMachine(context, PATH, page.image ? dirname((await builtImage()).archive) : '')
    await machine.run(page.before ?? ':')
    for (const step of steps) {
      await typeStep(machine, name, step)
      report(ran, step)
      left.shift()
    }
  } finally {
    const list: string[] = []
    for (const step of left) report(list, step)
    untried = [...untried, ...list]
  }
}

async function typeStep(machine: Machine, name: string, step: Typed): Promise<void> {
  const { script, prints, note, line } = step
  const wanted = note?.unlike === undefined ? prints : undefined
  const where = `${name}:${line}`
  try {
    if (note?.ctrlC) await machine.interrupt()
    if (note?.before !== undefined) await machine.run(note.before)
    if (note?.lasts !== undefined) {
      const { lasts } = note
      const isReady = (output: string): boolean =>
        wanted === undefined ? lasts.test(output) : missingLines(wanted, output).length === 0
      await machine.last(script, isReady)
      return
    }
    const whole = note?.code === undefined ? script : `{\n${script}} || [ $? = ${note.code} ]\n`
    const output = await machine.run(whole, { input: note?.input ?? '', answers: note?.answers })
    if (note?.after !== undefined) await machine.run(note.after)
    if (wanted === undefined) return
    if (note?.among) assert.deepEqual(missingLines(wanted, output), [], output)
    else assert.equal(difference(wanted, output), undefined)
  } catch (error) {
    throw new Error(`${where}:\n${script}\n${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}
