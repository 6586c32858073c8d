/** The configuration that holds, as a file that says where each value came from. */
import type { LoadedConfig } from './load.ts'
import { schema } from './schema.ts'
import { printText } from './settings.ts'
import { isInConfig, type Shape } from './shape.ts'

/** Every setting that works, with its source as a comment; secrets are left out. Loading it gives the same settings. */
export function showConfig({ config, sources }: Pick<LoadedConfig, 'config' | 'sources'>): string {
  const lines: string[] = []
  writeKeys({ lines, sources }, schema.keys, config, { path: '', indent: '' })
  return `${lines.join('\n')}\n`
}

type Writer = { lines: string[]; sources: LoadedConfig['sources'] }
type Place = { path: string; indent: string }

function writeKeys(
  writer: Writer,
  keys: Record<string, Shape>,
  value: unknown,
  { path, indent }: Place,
): void {
  for (const [key, shape] of Object.entries(keys)) {
    const inner: unknown = (value as Record<string, unknown>)[key]
    if (!isInConfig(shape) || (inner === undefined && shape.kind === 'section')) continue
    write(writer, shape, inner, { path: path === '' ? key : `${path}.${key}`, indent }, key)
  }
}

function write(writer: Writer, shape: Shape, value: unknown, { path, indent }: Place, key: string): void {
  const source = writer.sources[path] ?? 'default'
  const line = (text: string) => writer.lines.push(`${indent}${printText(key)}:${text}`)
  const secret = 'secret' in shape && shape.secret
  if (secret && source !== 'default') return void line(`  # ${source}; hidden`)
  switch (shape.kind) {
    case 'section':
      if (Object.keys(shape.keys).length === 0) return void line(` {}  # ${source}`)
      line('')
      return writeKeys(writer, shape.keys, value, { path, indent: `${indent}  ` })
    case 'list':
      return writeList(writer, shape.item, value as readonly unknown[], { path, indent }, line)
    case 'table': {
      const pairs = Object.entries(value as Record<string, unknown>)
      if (pairs.length === 0) return void line(` {}  # ${source}`)
      line('')
      for (const [name, inner] of pairs) {
        write(writer, shape.item, inner, { path: `${path}.${name}`, indent: `${indent}  ` }, name)
      }
      return
    }
    case 'scalar':
      return void line(`${value === undefined ? '' : ` ${shape.print(value)}`}  # ${source}`)
    case 'free':
      return void line(` ${JSON.stringify(value)}  # ${source}`)
  }
}

function writeList(
  writer: Writer,
  item: Shape,
  values: readonly unknown[],
  { path, indent }: Place,
  line: (text: string) => void,
): void {
  const source = writer.sources[path] ?? 'default'
  if (item.kind !== 'section' || values.length === 0) {
    const texts = values.map((value) => (item.kind === 'scalar' ? JSON.stringify(value) : ''))
    return line(` [${texts.join(', ')}]  # ${source}`)
  }
  line('')
  for (const [index, value] of values.entries()) {
    const at = writer.lines.length
    writeKeys(writer, item.keys, value, { path: `${path}[${index}]`, indent: `${indent}    ` })
    writer.lines[at] = writer.lines[at]?.replace(`${indent}    `, `${indent}  - `) ?? ''
  }
}
