/** One look at a registry: is it there, and how is it spoken to? */
import { createExchange } from '../../upstream/exchange.ts'
import { UpstreamError } from '../../upstream/failure.ts'
import { findOrigin } from '../../upstream/find-origin.ts'

export type Probed =
  | { transport: 'plain' | 'public' }
  /** It speaks TLS, with a certificate that is not trusted here. */
  | { transport: 'untrusted'; why: string }
  | { transport: 'unknown'; why: string }

const LONGEST_MS = 3_000

/** @param userAgent as `berth/1.0` */
export async function probeRegistry(
  host: string,
  userAgent: string,
  env: NodeJS.ProcessEnv,
): Promise<Probed> {
  const exchange = createExchange({ userAgent, env, silenceMs: LONGEST_MS, thinkingMs: LONGEST_MS })
  try {
    const { origin, ping } = await findOrigin(
      host,
      'tls-or-plain',
      exchange,
      AbortSignal.timeout(2 * LONGEST_MS),
    )
    ping.destroy()
    return { transport: origin.protocol === 'https:' ? 'public' : 'plain' }
  } catch (error) {
    if (error instanceof UpstreamError)
      return { transport: error.kind === 'tls' ? 'untrusted' : 'unknown', why: error.message }
    if ((error as Error).name === 'AbortError' || (error as Error).name === 'TimeoutError')
      return { transport: 'unknown', why: `${host} does not answer` }
    throw error
  } finally {
    exchange.close()
  }
}
