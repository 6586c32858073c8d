/** `berth access`: the rules, and why somebody may do something or not. */
import { CONFIG_HELP } from './arguments.ts'
import { explainOf } from './access-explain.ts'
import { listOf } from './access-list.ts'
import { removeOf, setOf } from './access-set.ts'
import type { Command } from './command.ts'
import { runVerb } from './refusal.ts'

const help = `Usage: berth access explain WHO ACTION REPOSITORY[:TAG] [--group NAME]… [--json]
       berth access list [--json]
       berth access set PATTERN WHO=ACTIONS…
       berth access remove PATTERN

explain   Says whether somebody may do something, which rule decides and where it stands. WHO is the name of a person,
          robot:NAME or anonymous; ACTION is pull, push, create, delete or admin. Ends with 0 where it is allowed, with
          3 where it is not, and with 1 or 2 where that cannot be told.
list      Shows all rules, more specific ones first: those of the configuration file and those of the database.
set       Makes the rule of the database for a pattern, or puts this one in its place; it holds with the next request.
          WHO is anonymous (everybody), signed-in (every person who signed in), user:NAME, group:NAME, robot:NAME or
          claim:NAME. ACTIONS are some of pull, push, create, delete and admin, with commas; none of them gives nothing:
            berth access set 'team/**' group:devs=pull,push robot:ci=pull,create
            berth access set 'secret/**' group:security=pull,push,delete
            berth access set 'attic/**' anonymous=
          PATTERN is in quotes, for the shell: names joined by /, * for any one, {user} for the name of the person who
          asks, and ** at the end for all the rest.
remove    Removes the rule of the database for a pattern.

      --group NAME  as if they were in this group too: of a directory, which is not asked here
      --json        the same for programs
${CONFIG_HELP}`

const VERBS = { explain: explainOf, list: listOf, set: setOf, remove: removeOf } as const

export const command: Command = {
  name: 'access',
  summary: 'show and set the rules of who may do what, or explain them',
  help,
  run: (args, io) => runVerb('access', VERBS, args, io),
}
