/** A command of the program: one file each in this room. */
export type Io = { env: NodeJS.ProcessEnv; stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream }

export type Command = {
  /** What is typed after `berth`. */
  name: string
  /** One line for the list of commands. */
  summary: string
  /** What `--help` prints. */
  help: string
  /** Gives the exit code; throws for what is a defect of the program. */
  run(args: readonly string[], io: Io): Promise<number>
}
