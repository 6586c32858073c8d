/** Why the server cannot start listening; the message says what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
  }
}

/** The system's error of listen(2) in words an operator can act on; `where` is the address as configured. */
export function explainListenFailure(error: NodeJS.ErrnoException, where: string): ListenError {
  const because = REASONS[error.code ?? ''] ?? error.message
  return new ListenError(`cannot listen on ${where}: ${because}`, { cause: error })
}

const REASONS: Record<string, string> = {
  EADDRINUSE:
    'another program listens there already; stop it or set http.addr (REGISTRY_HTTP_ADDR) to a free port',
  EACCES:
    'permission denied; ports below 1024 need root or CAP_NET_BIND_SERVICE, a socket file needs a folder that is writable',
  EPERM: 'the system does not permit it; choose another address',
  EADDRNOTAVAIL:
    'this machine has no such address; use one of its own, or leave the host out to listen on all',
  ENOTFOUND: 'the host name is not known; use an address of this machine',
  EAI_AGAIN: 'the host name could not be looked up; use an address of this machine',
  EAFNOSUPPORT: 'this machine does not support that kind of address (IPv6 is switched off?)',
  ENAMETOOLONG: 'the path of the socket file is too long',
  EINVAL:
    'the system takes this for no valid address; a socket file may have about 100 characters in its path',
}
