/** What every command on the data does around its own work: configuration in, data open, Ctrl-C heard, data closed. */
import { type LoadedConfig, loadConfig } from '../config/load.ts'
import { ConfigError } from '../config/mistakes.ts'
import { DatabaseRefusedError } from '../metadata/database.ts'
import { createLogger } from '../serving/log.ts'
import { openData, type OpenedData, type OpenedFiles, openFiles } from '../storage.ts'
import { readVersion } from '../version.ts'
import type { Io } from './command.ts'
import { whyDataFailed } from './data-failures.ts'

/**
 * @param work gives the exit code; `signal` is aborted by SIGINT and SIGTERM, and what it then leaves must be whole
 * @returns 1 where the configuration or the data cannot be used; that was said then
 */
export async function withData(
  io: Io,
  configPath: string | undefined,
  work: (data: OpenedData, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const loaded = load(io, configPath)
  if (loaded === undefined) return 1
  const { config } = loaded
  return withOpened(io, () => openData({ config, version: readVersion(), log: warningsTo(io) }), work)
}

/** The same without the metadata: where they are to be made again. */
export async function withFiles(
  io: Io,
  configPath: string | undefined,
  work: (files: OpenedFiles, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const loaded = load(io, configPath)
  if (loaded === undefined) return 1
  return withOpened(io, () => openFiles({ config: loaded.config, log: warningsTo(io) }), work)
}

/** @returns 1 where it cannot be opened; that was said then */
export async function withOpened<T extends { close(): Promise<void> }>(
  io: Io,
  open: () => Promise<T>,
  work: (opened: T, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  let data: T
  try {
    data = await open()
  } catch (error) {
    if (!(error instanceof DatabaseRefusedError)) throw error
    io.stderr.write(`berth: ${error.message}\n`)
    return 1
  }
  const controller = new AbortController()
  const end = (): void => controller.abort()
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
  try {
    return await work(data, controller.signal)
  } catch (error) {
    const why = whyDataFailed(error)
    if (why === undefined) throw error
    io.stderr.write(`berth: ${why}.\n`)
    return 1
  } finally {
    process.off('SIGINT', end)
    process.off('SIGTERM', end)
    await data.close()
  }
}

/** @returns undefined: it is wrong, and that was said */
export function load(io: Io, path: string | undefined): LoadedConfig | undefined {
  try {
    return loadConfig({ path, env: io.env })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    io.stderr.write(`berth: the configuration is wrong\n${error.message}\n`)
    return undefined
  }
}

export function warningsTo({ stderr }: Io): ReturnType<typeof createLogger> {
  return createLogger({ level: 'warn', formatter: 'text', write: (line) => void stderr.write(line) })
}
