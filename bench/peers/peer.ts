/** A side of the benchmark: how it is started, and what is said about it. */

/** What a start is told. Given as {port}, {folder}, {certificate} and {key} where a command is only text. */
export type Around = {
  /** Empty at the first start; everything it writes goes here. */
  folder: string
  port: number
  tls?: { certificate: string; key: string } | undefined
}

export type Launch = {
  command: string
  args: readonly string[]
  env?: Record<string, string>
  /** Written before the start: path → text. */
  files?: Record<string, string>
}

export type Peer = {
  name: string
  version: string
  /** In a few words, for the report. */
  configuration: string
  hasTls: boolean
  /** It was started with what `watchLoop` needs. */
  tellsLoopDelay?: boolean
  /**
   * Whoever may do everything there, where not everybody may: they sign in for what is not measured, and what is
   * measured sends a token of theirs.
   */
  credentials?: { name: string; password: string }
  launch(around: Around): Launch
}
