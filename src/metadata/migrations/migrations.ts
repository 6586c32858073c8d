/** Every migration, in order: the schema's version is how many have run. They are never changed once released. */
import { sql as init } from './0001-init.ts'
import { sql as takeoverTrashPlans } from './0002-takeover-trash-plans.ts'
import { sql as access } from './0003-access.ts'

export const MIGRATIONS: readonly string[] = [init, takeoverTrashPlans, access]
