/**
 * Loaded before a registry or a command (`node --import`), it makes the clock of that process run so many times as fast
 * as time goes, so that the 36 hours of a lease pass while a test waits. Processes that are given the same origin agree.
 * Timeouts and rests stay as they are, but for the background tasks, which come round more often.
 */
const origin = Number(process.env['BERTH_TEST_CLOCK_ORIGIN'])
const factor = Number(process.env['BERTH_TEST_CLOCK_FACTOR'])
const ahead = Number(process.env['BERTH_TEST_CLOCK_AHEAD'] ?? 0)
const TASKS_SOONER = 120

const realNow = Date.now
let last = 0
Date.now = () => (last = Math.floor(origin + (realNow() - origin) * factor + ahead))

/** The collector asks for the time and then for monotonic time, to see the clock jump: this one does not jump. */
const monotonic = performance.now.bind(performance)
performance.now = () => (calledFrom('/jobs/tasks.ts') ? last : monotonic())

const later = globalThis.setTimeout
const sooner = (work: () => void, ms?: number, ...more: unknown[]): NodeJS.Timeout =>
  later(work, calledFrom('/jobs/schedule.ts') ? (ms ?? 0) / TASKS_SOONER : ms, ...(more as []))
globalThis.setTimeout = Object.assign(sooner, later) as typeof setTimeout

/** Whoever called the function that asks this, and nobody further up. */
function calledFrom(file: string): boolean {
  return new Error().stack?.split('\n')[3]?.includes(file) === true
}
