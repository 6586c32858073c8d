/** The reference page of the settings, made from the schema: `docs/configuration.md`. */
import { schema } from './schema.ts'
import { isInConfig, type ScalarShape, type Shape, walkShapes } from './shape.ts'

const TYPES = aligned(
  ['type', 'how it is written'],
  [
    ['boolean', '`true` or `false`, without quotes'],
    [
      'duration',
      '`10s`, `1h30m`, `168h`, `500ms`; no days. A number without a unit counts nanoseconds, as in Go',
    ],
    ['bytes', '`4194304`, `4MiB`, `4MB`'],
    ['list', '`[a, b]`, or a line with a dash for each'],
  ],
)

const INTRODUCTION = `# Configuration

<!-- Made from the schema in src/config by \`npm run docs\`; change it there. -->

Berth reads the configuration file of CNCF Distribution (\`registry:2\` and \`registry:3\`) and its \`REGISTRY_*\`
environment. \`berth config check [FILE]\` reports every mistake at once; \`berth config show [FILE]\` prints what holds
and where each value came from.

## Which file

1. The file on the command line: \`berth serve config.yml\`.
2. Else the one that \`REGISTRY_CONFIGURATION_PATH\` names.
3. Else none: the data lies in \`./data\`, the port is 5000, and deletes are on.

\`/etc/distribution/config.yml\` and \`/etc/docker/registry/config.yml\` stand for each other: where only one exists, it
is read. With a file, deletes are on only where \`storage.delete.enabled\` says so, as in Distribution.

## The file

YAML 1.1 that begins with \`version: 0.1\`. \`yes\`, \`on\` and \`true\` are the same; \`010\` is eight; \`1_000\` is a thousand.

${TYPES}
Every key is one of three: it works; it is accepted, and start-up says in one line that it is not needed; or it is
refused, and the message says what to do instead. None is ignored in silence.

## The environment

\`REGISTRY_HTTP_TLS_KEY\` is \`http.tls.key\`: the path in upper case with \`_\` between its parts. The environment wins over
the file. Values are YAML, so that a list is \`[a, b]\`, a whole section can be given as \`{key: value}\`, and text with
special characters needs quotes of its own: \`REGISTRY_HTTP_ADDR='"[::1]:5000"'\`.

- Variables are applied in the order of their names: \`REGISTRY_STORAGE=filesystem\` first drops everything that the file
  says about storage (\`delete\` too), then \`REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY\` adds to it.
- Parts of a list are counted from 0, and may be at most one past the end: \`REGISTRY_HEALTH_HTTPCHECKERS_0_URI\`.
- Free keys, such as headers and log fields, are found whatever their case; new ones are written in lower case:
  \`REGISTRY_HTTP_HEADERS_X-Frame-Options=[DENY]\`.
- A secret can come from a file: \`REGISTRY_HTTP_SECRET_FILE=/run/secrets/registry\`. One line break at its end is dropped.
- A variable that names no setting is a warning with the nearest right name, and a mistake where that is one of \`auth\` or
  \`access\`: a registry does not stand open because of a letter. Kubernetes sets \`REGISTRY_PORT\` and others
  where a Service is called \`registry\`; they are recognised and change nothing.

## Where this differs from Distribution

- A key that does not exist, or stands twice, is a mistake; Distribution ignores the first and takes the last.
- A value of the wrong type is a mistake everywhere; Distribution takes \`delete: {enabled: 'true'}\` as off.
- \`REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED=true\` and a list item as a whole work; Distribution panics.
- A part of \`storage.maintenance.uploadpurging\` may be given alone; the rest has its defaults.
- \`http.host\` without a scheme, \`http.tls.clientcas\` without a certificate and \`http.tls.clientauth\` without
  \`clientcas\` are mistakes; Distribution ignores them.
- Regular expressions are JavaScript's. \`(?i)\` at the beginning, \`(?P<name>\`, \`\\A\` and \`\\z\` are understood too;
  classes such as \`[[:alpha:]]\` are refused.
- \`http.draintimeout\` is 8 seconds where it is not set, not 0.
`

/** The whole page, as `npm run docs` writes it. */
export function referencePage(): string {
  const parts = Object.entries<Shape>(schema.keys).flatMap(([key, shape]) => {
    if (shape.kind === 'scalar') return []
    const heading = `## \`${key}\`\n\n${shape.doc}${stateOf(shape)}\n`
    return [`${heading}\n${tableOf([...rowsOf(shape, key)])}`]
  })
  const lone = Object.entries<Shape>(schema.keys).filter(([, shape]) => shape.kind === 'scalar')
  const top = tableOf(lone.flatMap(([key, shape]) => [...rowsOf(shape, key)]))
  return [INTRODUCTION, `## At the top\n\n${top}`, ...parts].join('\n')
}

function stateOf(shape: Shape): string {
  if (shape.state === 'not needed') return ` **Not needed**: ${shape.why}.`
  if (shape.state !== 'refused') return ''
  return ` **Refused**${shape.when === undefined ? '' : ' where it is set or on'}: ${shape.why}.`
}

type Row = { path: string; variable: string; shape: Shape }

/** Below what is refused or not needed as a whole, no row of its own. */
function* rowsOf(root: Shape, key: string): Generator<Row> {
  let skipped: string | undefined
  for (const row of walkShapes(root, key, [key.toUpperCase()])) {
    if (skipped !== undefined && /^[.[]/.test(row.path.replace(skipped, ''))) continue
    skipped = undefined
    const whole = row.shape.state !== 'works' && row.shape.kind !== 'scalar'
    if (whole) skipped = row.path
    const isHeading = row.path === key && row.shape.kind !== 'scalar' && !whole
    if (!isHeading && !(row.shape.kind === 'section' && !whole && !row.shape.optional)) yield row
  }
}

const HEAD = ['setting', 'environment', 'type', 'default', 'what it is']

function tableOf(rows: readonly Row[]): string {
  const cells = rows.map(({ path, variable, shape }) => [
    `\`${path}\``,
    `\`${variable}${shape.kind === 'table' ? '_<key>' : ''}\``,
    typeOf(shape),
    defaultOf(shape),
    `${shape.doc}${keysOf(shape)}${stateOf(shape)}`.replaceAll('|', '\\|'),
  ])
  return aligned(HEAD, cells)
}

/** A Markdown table with columns of even width, as the formatter wants it. */
function aligned(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return `${[line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')}\n`
}

function typeOf(shape: Shape): string {
  switch (shape.kind) {
    case 'scalar':
      return `${shape.type}${shape.secret ? ', secret' : ''}`
    case 'list':
      return shape.item.kind === 'section' ? 'list of sections' : `list of ${typeOf(shape.item)}`
    case 'table':
      return 'keys of your own'
    case 'section':
      return 'section'
    case 'free':
      return 'any'
  }
}

function defaultOf(shape: Shape): string {
  if (shape.kind === 'list' && shape.absent !== undefined) return `\`[${shape.absent.join(', ')}]\``
  if (shape.kind !== 'scalar' || shape.state !== 'works') return ''
  const { default: value, bare } = shape as ScalarShape
  if (value === undefined || value === '') return ''
  const print = (given: unknown) => `\`${typeof given === 'string' ? given : shape.print(given)}\``
  return bare === undefined ? print(value) : `${print(value)}; without a file ${print(bare)}`
}

function keysOf(shape: Shape): string {
  if (shape.kind !== 'section' || isInConfig(shape)) return ''
  const keys = Object.keys(shape.keys)
  return keys.length === 0 ? '' : ` Keys: ${keys.map((key) => `\`${key}\``).join(', ')}.`
}
