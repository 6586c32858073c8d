/**
 * Part of the composition: what the configuration file says of access, as it is now. The file is looked at every few
 * seconds, through symbolic links, and read again when it changed; what it says of anything else needs a restart.
 */
import { isObject } from './oci/manifest-fields.ts'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileAccessOf, saysTheSame } from './auth/rules/file-access.ts'
import type { FileAccess } from './auth/rules/rule.ts'
import type { LoadedConfig } from './config/load.ts'
import { ConfigError, describeMistake } from './config/mistakes.ts'
import type { Config } from './config/schema.ts'
import type { Logger } from './lib/logger.ts'

/** How the configuration was loaded, and can be again. */
export type Reloadable = Pick<LoadedConfig, 'file' | 'sources' | 'warnings'> & { load: () => LoadedConfig }

export type AccessInFile = {
  /** The same object for as long as it says the same; undefined: there is no `access`, or it is not enabled. */
  current(): FileAccess | undefined
  /** Reads the file now, whether it changed or not. Undefined: there is no file. */
  reload: (() => void) | undefined
  close(): void
}

const EVERY_MS = 2_000
/** A file that is being written is read when it was left alone for so long: half of it may make sense, too. */
const SETTLED_MS = 250

type Options = {
  config: Config
  /** Absent: it does not change. */
  reloadable: Reloadable | undefined
  log: Logger
  /** Told when something else holds from now on. */
  onChange?: (file: string, access: FileAccess) => void
  everyMs?: number
}

export function openAccessInFile({
  config,
  reloadable,
  log,
  onChange,
  everyMs = EVERY_MS,
}: Options): AccessInFile {
  const read = ({ access }: Config, sources: LoadedConfig['sources'] | undefined): FileAccess | undefined =>
    access !== undefined && access.enabled ? fileAccessOf(access, sources) : undefined
  let current = read(config, reloadable?.sources)
  let said = new Set(reloadable?.warnings)
  let told = ''

  function takeOver(): void {
    if (reloadable === undefined) return
    const loaded = load(reloadable, log)
    if (loaded === undefined) return
    for (const warning of loaded.warnings) if (!said.has(warning)) log.warn(warning)
    said = new Set(loaded.warnings)
    const others = differences(restOf(config), restOf(loaded.config)).join(', ')
    if (others !== '' && others !== told)
      log.warn(`${loaded.file}: ${others} changed, which needs a restart; until then it is as it was`)
    told = others
    // Whether there are rules at all is what the rest of the server was built on.
    const next = read(loaded.config, loaded.sources)
    if (current === undefined || next === undefined || saysTheSame(current, next)) return
    current = next
    const { rules, groups, administrators } = next
    log.info(
      `${loaded.file}: access is as it is now: ${rules.length} rules, ${groups.size} groups, ` +
        `${administrators.size} administrators`,
    )
    onChange?.(basename(loaded.file ?? ''), next)
  }

  const watch = reloadable?.file === undefined ? undefined : watchFile(reloadable.file, everyMs, takeOver)
  return {
    current: () => current,
    reload: watch?.now,
    close: () => watch?.stop(),
  }
}

/** @returns undefined: it is wrong, and that was said */
function load({ load: loadAgain }: Reloadable, log: Logger): LoadedConfig | undefined {
  try {
    return loadAgain()
  } catch (error) {
    if (!(error instanceof ConfigError)) {
      log.error('the configuration could not be read again: what ran goes on', { error })
      return undefined
    }
    log.error('the configuration changed and is wrong: nothing of it is taken over, the rules that ran go on')
    for (const mistake of error.mistakes) log.error(describeMistake(mistake))
    return undefined
  }
}

/** Calls back when the file has changed and was then left alone for a moment. */
function watchFile(
  file: string,
  everyMs: number,
  changed: () => void,
): { now: () => void; stop: () => void } {
  let isStopped = false
  let timer: NodeJS.Timeout
  /** Of the state that was read last; of the one that the start read nothing is known, so that it is read again. */
  let seen = ''

  async function look(): Promise<void> {
    const before = await markOf(file)
    if (isStopped) return
    if (before === seen) return next(everyMs)
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, SETTLED_MS)
      timer.unref()
    })
    if (isStopped) return
    if ((await markOf(file)) !== before || isStopped) return next(SETTLED_MS)
    seen = before
    changed()
    next(everyMs)
  }
  function next(afterMs: number): void {
    if (isStopped) return
    timer = setTimeout(() => void look(), afterMs)
    timer.unref()
  }
  next(Math.min(everyMs, SETTLED_MS))
  return {
    now: changed,
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}

/** What changes when a file is written, replaced, or its link is put elsewhere. */
async function markOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'gone'
  }
}

/** All but what is taken over. */
function restOf(config: Config): unknown {
  const { access, ...rest } = config
  return { ...rest, access: access && { enabled: access.enabled, administrator: access.administrator } }
}

/** Settings that are not the same, by their paths; never their values, which may be secret. */
function differences(a: unknown, b: unknown, path = ''): string[] {
  if (Object.is(a, b)) return []
  if (!isObject(a) || !isObject(b)) return JSON.stringify(a) === JSON.stringify(b) ? [] : [path]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
    differences(a[key], b[key], path === '' ? key : `${path}.${key}`),
  )
}
