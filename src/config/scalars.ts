/**
 * What a plain (unquoted) YAML 1.1 scalar means, as Distribution's parser reads it (gopkg.in/yaml.v2), and Go's
 * notation for durations. No sexagesimal numbers: `10:30` is text.
 */
const TRUE = /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/
const FALSE = /^(?:n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/
const NULL = /^(?:~|null|Null|NULL|)$/
const INTEGER = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/

export function isNullText(text: string): boolean {
  return NULL.test(text)
}

export function readBoolean(text: string): boolean | undefined {
  if (TRUE.test(text)) return true
  return FALSE.test(text) ? false : undefined
}

/** Integers in base 2 (0b), 8 (0 or 0o), 10 and 16 (0x), floats; `_` between digits is dropped. */
export function readNumber(text: string): number | undefined {
  if (!/^[-+.0-9]/.test(text)) return undefined
  const plain = text.replaceAll('_', '')
  const [matched, sign, hex, binary, octal, decimal] = INTEGER.exec(plain) ?? []
  if (matched === undefined) return FLOAT.test(plain) ? Number(plain) : undefined
  const magnitude = hex
    ? Number.parseInt(hex, 16)
    : binary
      ? Number.parseInt(binary, 2)
      : octal
        ? Number.parseInt(octal, 8)
        : Number(decimal)
  return sign === '-' && magnitude !== 0 ? -magnitude : magnitude
}

const UNIT: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5, micro sign
  μs: 1e-3, // U+03BC, Greek letter
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}
const DURATION = /^[-+]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+$/
const PART = /([0-9.]+)(ns|us|µs|μs|ms|s|m|h)/g

/** Go's `time.ParseDuration`, in whole milliseconds. */
export function readDuration(text: string): number | undefined {
  if (text === '0') return 0
  if (!DURATION.test(text)) return undefined
  let total = 0
  for (const [, amount, unit] of text.matchAll(PART)) total += Number(amount) * (UNIT[unit ?? ''] ?? 0)
  return wholeMilliseconds(text.startsWith('-') ? -total : total)
}

/** Rounds away from zero, so that a wait of nanoseconds does not become none. */
export function wholeMilliseconds(value: number): number {
  const whole = Math.ceil(Math.abs(value))
  return value < 0 ? -whole : whole
}

/** The shortest notation that {@link readDuration} reads back: `168h`, `1h30m`, `500ms`. */
export function writeDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s'
  let rest = Math.abs(milliseconds)
  let text = milliseconds < 0 ? '-' : ''
  for (const unit of ['h', 'm', 's', 'ms']) {
    const size = UNIT[unit] ?? 1
    const count = Math.floor(rest / size)
    if (count > 0) text += `${count}${unit}`
    rest -= count * size
  }
  return text
}

const BYTES = /^([0-9]{1,15})\s?(B|KiB|MiB|GiB|KB|MB|GB)?$/i
const BYTE_UNIT: Record<string, number> = {
  B: 1,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
}

/** `4194304`, `4MiB`, `4 MB`: bytes. */
export function readBytes(text: string): number | undefined {
  const [matched, amount, unit = 'B'] = BYTES.exec(text) ?? []
  return matched === undefined ? undefined : Number(amount) * (BYTE_UNIT[unit.toUpperCase()] ?? 1)
}

export function writeBytes(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    const size = BYTE_UNIT[unit.toUpperCase()] ?? 1
    if (bytes > 0 && bytes % size === 0) return `${bytes / size}${unit}`
  }
  return String(bytes)
}
