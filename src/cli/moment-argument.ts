/** A moment as people type it. */
const UNITS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
}

/**
 * `30m`, `2h`, `7d`: so long ago. `2026-11-22`, `2026-11-22 14:30`: on the clock of this machine. With a zone
 * (`2026-11-22T14:30:00Z`): there.
 * @returns milliseconds since 1970; undefined: it is no moment
 */
export function readMoment(text: string, now: number): number | undefined {
  const [, count, unit] = /^([0-9]{1,9})([smhdw])$/.exec(text) ?? []
  if (count !== undefined && unit !== undefined) return now - Number(count) * (UNITS[unit] ?? 0)
  const [, day, time = '00:00', zone = ''] =
    /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,3})?)?)(Z|[+-][0-9]{2}:[0-9]{2})?)?$/.exec(
      text,
    ) ?? []
  const at = day === undefined ? NaN : Date.parse(`${day}T${time}${zone}`)
  return Number.isNaN(at) ? undefined : at
}
