/**
 * A registry spoken to over HTTP. What every request needs is here: signing in, trying again, redirects, and that no
 * password goes where it does not belong.
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { isLoopback } from './address.ts'
import type { Credentials } from './credentials/credentials.ts'
import { createExchange, type Exchange, type ExchangeOptions, type RequestBody } from './exchange.ts'
import { UpstreamError } from './failure.ts'
import { findOrigin, type Transport } from './find-origin.ts'
import { discard } from './bodies.ts'
import { createFollow, locate } from './redirects.ts'
import { retrying, type Waiting } from './retry.ts'
import { createSignIn, type SignIn } from './sign-in.ts'

export type Asked = {
  method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  /** A path that begins with `/v2/`, or what a registry gave as `Location`, made whole by {@link Connection.locate}. */
  at: string | URL
  /** `repository:team/app:pull,push`; several are separated by a space (distribution's token specification, "scope"). */
  scope: string
  headers?: OutgoingHttpHeaders
  body?: RequestBody
  /** How often it is tried while it fails in passing; 1 where the caller knows better what to do then. */
  tries?: number
  signal?: AbortSignal
}

export type Connection = {
  /** As a person wrote it. */
  readonly host: string
  /** `https://registry.example.com` */
  readonly origin: URL
  /**
   * Any answer but a redirect; its body must be read or destroyed.
   * @throws UpstreamError for what is no answer, and where signing in fails; an AbortError
   */
  ask(asked: Asked): Promise<IncomingMessage>
  /**
   * `Location` of an answer.
   * @param asked the URL that was answered
   * @throws UpstreamError `odd`: it leads to where it may not
   */
  locate(location: string | undefined, asked?: URL): URL
  close(): void
}

export type ConnectOptions = ExchangeOptions & {
  transport: Transport
  credentials?: Credentials | undefined
  signal?: AbortSignal
  onWait?: (waiting: Waiting) => void
}

/**
 * @param host with its port, as a person writes it
 * @throws UpstreamError: there is no registry, or it asks for what is not there; an AbortError
 */
export async function connect(host: string, options: ConnectOptions): Promise<Connection> {
  const { transport, credentials, signal, onWait } = options
  const exchange = createExchange({ ...options, env: isLoopback(host) ? undefined : options.env })
  try {
    const { origin, ping } = await findOrigin(host, transport, exchange, signal)
    const signIn = createSignIn({
      host,
      origin,
      credentials,
      exchange,
      retried: (work, aborted) =>
        retrying(work, { host: `the token server of ${host}`, signal: aborted, onWait }),
    })
    const { statusCode = 0, headers } = ping
    discard(ping)
    // Where it asks for no password here it may yet do so for what is wanted of it.
    if (statusCode === 401) signIn.learn(headers['www-authenticate'] ?? '')
    else if (statusCode === 404 && headers['docker-distribution-api-version'] === undefined)
      throw new UpstreamError(
        'odd',
        `${host} answers, and is no registry: there is nothing at ${origin.origin}/v2/`,
      )
    return create({ host, origin, exchange: afterFirst(exchange), signIn, onWait })
  } catch (error) {
    exchange.close()
    throw error
  }
}

/** What was there a moment ago may be there again in a moment: a registry that starts anew. */
function afterFirst(exchange: Exchange): Exchange {
  return {
    ...exchange,
    async send(outgoing) {
      try {
        return await exchange.send(outgoing)
      } catch (error) {
        const isAway = error instanceof UpstreamError && error.kind === 'unreachable'
        throw isAway ? new UpstreamError('lost', error.message, { cause: error }) : error
      }
    },
  }
}

type Parts = {
  host: string
  origin: URL
  exchange: Exchange
  signIn: SignIn
  onWait: ((waiting: Waiting) => void) | undefined
}

function create({ host, origin, exchange, signIn, onWait }: Parts): Connection {
  const follow = createFollow({ host, origin, exchange })

  async function once(asked: Asked): Promise<IncomingMessage> {
    const { method, headers = {}, body, scope, signal } = asked
    const url = asked.at instanceof URL ? asked.at : new URL(asked.at, origin)
    const outgoing = { method, url, headers, body, signal }
    const used = await signIn.header(scope, signal)
    const { answer, isHere } = await follow(outgoing, used)
    const challenges = answer.headers['www-authenticate']
    // Where a redirect leads to may ask for a password: it is not for there.
    if (answer.statusCode !== 401 || challenges === undefined || !isHere) return answer
    const better = await signIn.answer(challenges, scope, used, signal).catch((error: unknown) => {
      answer.destroy()
      throw error
    })
    if (better === undefined) return answer
    answer.destroy()
    const { answer: second } = await follow(outgoing, better)
    if (second.statusCode !== 401 || signIn.missing === undefined) return second
    second.destroy()
    throw signIn.missing
  }

  return {
    host,
    origin,
    ask: (asked) =>
      retrying(() => once(asked), {
        host,
        signal: asked.signal,
        onWait,
        ...(asked.tries !== undefined && { tries: asked.tries }),
      }),
    locate: (location, asked = origin) => locate(host, location, asked),
    close: () => exchange.close(),
  }
}
