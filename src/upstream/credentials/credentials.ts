/** What a registry is told of who asks. */
export type Credentials = (
  | { kind: 'password'; username: string; password: string }
  /** A refresh token, which the token server takes. */
  | { kind: 'identity-token'; token: string }
  /** A bearer token, sent as it is. */
  | { kind: 'registry-token'; token: string }
) & {
  /** Where it was found, for messages: `the password of alice (in /home/alice/.docker/config.json)`. */
  from: string
}

/** A file of credentials or a helper that cannot be used. The message says which and why. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError'
}
