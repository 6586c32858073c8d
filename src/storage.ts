/** Where a registry's data are, opened: the metadata and the blobs. For the server and for the commands beside it. */
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { BlobStore } from './blobs/blob-store.ts'
import { createFilesystemBlobStore } from './blobs/filesystem/store.ts'
import { createMemoryBlobStore } from './blobs/memory.ts'
import type { Config } from './config/schema.ts'
import { closeInReverse, type Closers } from './lib/closers.ts'
import type { Logger } from './lib/logger.ts'
import { blobFrom } from './metadata/check-blobs.ts'
import { DATABASE_FILE, explainDataFailure, OWN_FOLDER, prepareDataFolder } from './metadata/data-folder.ts'
import { DatabaseRefusedError } from './metadata/database.ts'
import { type Metadata, openMetadata } from './metadata/open-metadata.ts'
import { hasContent, refuseLostDatabase } from './metadata/lost-database.ts'
import { forgetProcess } from './metadata/processes.ts'

type StorageOptions = { config: Config; version: string; log: Logger }

export type Storage = {
  metadata: Metadata
  store: BlobStore
  /** Undefined: everything is in memory. */
  dataFolder: string | undefined
}

/**
 * @param closers is given what is to be called, last first, to give everything back; also when this throws
 * @throws DatabaseRefusedError
 */
export async function openStorage(options: StorageOptions, closers: Closers): Promise<Storage> {
  const { filesystem } = options.config.storage
  if (filesystem === undefined) return openIn(undefined, options, closers)
  const dataFolder = resolve(filesystem.rootdirectory)
  try {
    prepareDataFolder(dataFolder)
    await refuseBackups(dataFolder)
    return await openIn(dataFolder, options, closers)
  } catch (error) {
    throw explainDataFailure(dataFolder, error)
  }
}

/** A registry there would be empty, and write among the copies. */
async function refuseBackups(dataFolder: string): Promise<void> {
  if (existsSync(join(dataFolder, OWN_FOLDER)) || readdirSync(dataFolder).length === 0) return
  const { ROOT_FILE } = await import('./backup/layout.ts')
  if (!existsSync(join(dataFolder, ROOT_FILE))) return
  throw new DatabaseRefusedError(
    `the data folder ${dataFolder} has backups, not the data of a registry: name another folder, and fill it from this one ` +
      'with "berth restore"',
  )
}

async function openIn(
  dataFolder: string | undefined,
  { config, version, log }: StorageOptions,
  closers: Closers,
): Promise<Storage> {
  const isBare = dataFolder !== undefined && !existsSync(join(dataFolder, OWN_FOLDER))
  const metadata = openMetadata({
    version,
    ...(dataFolder !== undefined && {
      folder: join(dataFolder, OWN_FOLDER),
      databasePath: config.metadata.path,
    }),
  })
  closers.push(() => metadata.db.close())
  closers.push(() => forgetProcess(metadata.db, metadata.processId).catch(() => undefined))
  // Its database may lie on another disk than the blobs.
  if (isBare && (await blobFrom(metadata.db, new Uint8Array())) !== undefined)
    throw new DatabaseRefusedError(withoutFiles(dataFolder))
  const store =
    dataFolder === undefined
      ? createMemoryBlobStore()
      : await createFilesystemBlobStore({ root: dataFolder, log })
  closers.push(() => store.close())
  return { metadata, store, dataFolder }
}

/** What a command works on, beside a registry that runs or alone. */
export type OpenedData = Storage & {
  config: Config
  log: Logger
  dataFolder: string
  /** Berth's own, in it. */
  folder: string
  databasePath: string
  close(): Promise<void>
}

/**
 * Opens the data of a registry for a command; never makes any.
 * @throws DatabaseRefusedError: there are none, or they cannot be opened
 */
export async function openData(options: StorageOptions): Promise<OpenedData> {
  const { config } = options
  requireData(config)
  const closers: Closers = []
  const close = () => closeInReverse(closers)
  try {
    const { metadata, store, dataFolder } = await openStorage(options, closers)
    if (dataFolder === undefined) throw new DatabaseRefusedError(IN_MEMORY)
    const folder = join(dataFolder, OWN_FOLDER)
    const databasePath = databasePathOf(config, dataFolder)
    return { config, log: options.log, metadata, store, dataFolder, folder, databasePath, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The files of a registry without its database: for making that again, or for the first time. */
export type OpenedFiles = {
  dataFolder: string
  /** Berth's own, in it. */
  folder: string
  databasePath: string
  store: BlobStore
  close(): Promise<void>
}

/**
 * Where a configuration says that data are.
 * @throws DatabaseRefusedError: there are none
 */
export async function openFiles({ config, log }: Omit<StorageOptions, 'version'>): Promise<OpenedFiles> {
  const { filesystem } = config.storage
  if (filesystem === undefined) throw new DatabaseRefusedError(IN_MEMORY)
  const dataFolder = resolve(filesystem.rootdirectory)
  if (!existsSync(join(dataFolder, OWN_FOLDER))) throw new DatabaseRefusedError(nothingIn(dataFolder))
  const opened = await openFilesAt(dataFolder, log)
  return { ...opened, databasePath: databasePathOf(config, dataFolder) }
}

/** In a folder that is made if need be. */
export async function openFilesAt(dataFolder: string, log: Logger): Promise<OpenedFiles> {
  prepareDataFolder(dataFolder)
  const folder = join(dataFolder, OWN_FOLDER)
  const store = await createFilesystemBlobStore({ root: dataFolder, log })
  return {
    dataFolder,
    folder,
    databasePath: join(folder, DATABASE_FILE),
    store,
    close: () => store.close(),
  }
}

const IN_MEMORY =
  'this configuration keeps everything in memory, where no other command can reach it: name the configuration file of the registry'

const databasePathOf = ({ metadata }: Config, dataFolder: string): string =>
  metadata.path ?? join(dataFolder, OWN_FOLDER, DATABASE_FILE)

function requireData(config: Config): void {
  const { filesystem } = config.storage
  if (filesystem === undefined) throw new DatabaseRefusedError(IN_MEMORY)
  const folder = resolve(filesystem.rootdirectory)
  const database = databasePathOf(config, folder)
  if (hasContent(database)) return
  refuseLostDatabase(join(folder, OWN_FOLDER), database)
  throw new DatabaseRefusedError(nothingIn(folder))
}

function withoutFiles(folder: string): string {
  return (
    `the metadata database knows blobs, but the data folder ${folder} has nothing of Berth's in it: is its disk mounted, and ` +
    'storage.filesystem.rootdirectory (REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY) right? If all of the blobs are lost, make an ' +
    `empty folder ${OWN_FOLDER} there and run "berth check --repair --yes": what is pushed again is served then`
  )
}

function nothingIn(folder: string): string {
  return (
    `there are no data of Berth in ${folder}: is this the right configuration file, or the right folder ` +
    '(REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY)? A folder of CNCF Distribution is taken over by "berth serve"'
  )
}
