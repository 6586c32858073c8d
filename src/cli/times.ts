/** Times for people: as the clock on the wall says, with the zone said beside them; and for programs, in UTC. */

const two = (number: number): string => String(number).padStart(2, '0')

/** `2026-11-22 05:30:05`, in the zone that {@link zoneText} tells of the same time. */
export function localText(time: number): string {
  const at = new Date(time)
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** `UTC`, `UTC+01:00`, `UTC-03:30`: where the machine's clock is set to, at this time of the year. */
export function zoneText(time: number): string {
  const minutes = -new Date(time).getTimezoneOffset()
  if (minutes === 0) return 'UTC'
  const absolute = Math.abs(minutes)
  return `UTC${minutes < 0 ? '-' : '+'}${two(Math.floor(absolute / 60))}:${two(absolute % 60)}`
}

/** `2026-11-22 05:30:05 UTC+01:00`. */
export function momentText(time: number): string {
  return `${localText(time)} ${zoneText(time)}`
}

/** `2026-11-22T04:30:05.000Z`. */
export function isoText(time: number): string {
  return new Date(time).toISOString()
}

/** As {@link localText}, under a header that says the zone of `now`: with its own zone where the clocks were changed between. */
export function cellText(time: number, now: number): string {
  const zone = zoneText(time)
  return zone === zoneText(now) ? localText(time) : `${localText(time)} ${zone}`
}
