/** Every migration, in order: the schema's version is how many have run. They are never changed once released. */
import { sql as init } from './0001-init.ts'

export const MIGRATIONS: readonly string[] = [init]
