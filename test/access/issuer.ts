/** A real OpenID Connect issuer on a free port of the loopback: programs get tokens by client credentials. */
import { basicHeader } from '../lib/basic-header.ts'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import { afterwards, type Ending } from '../lib/temporary.ts'

/** What is used of `oidc-provider`, which has no types. */
type Providers = { default: new (url: string, configuration: object) => { callback(): RequestListener } }

export type Issuer = {
  url: string
  /** An access token for `resource`, which is its audience. */
  tokenOf(client: 'ci' | 'other', resource: string): Promise<string>
  /** From then on nobody answers there. */
  stop(): Promise<void>
}

const RESOURCE_SERVER = { scope: 'push', accessTokenFormat: 'jwt', accessTokenTTL: 120 } as const

export async function startIssuer(t: Ending): Promise<Issuer> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const client = (id: string) => ({
    client_id: id,
    client_secret: `secret-of-${id}`,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  })
  const configuration = {
    clients: [client('ci'), client('other')],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'first', alg: 'RS256', use: 'sig' }] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: () => RESOURCE_SERVER },
    },
    scopes: ['push'],
    extraTokenClaims: (_context: unknown, token: { clientId: string }) => ({
      team: token.clientId === 'ci' ? 'platform' : 'elsewhere',
    }),
  }
  const { default: Provider } = (await import('oidc-provider' as string)) as Providers
  const answer = new Provider(url, configuration).callback()
  server.on('request', answer)
  const stop = (): Promise<void> => closed(server)
  afterwards(t, stop)
  return { url, stop, tokenOf: (id, resource) => requestToken(url, id, resource) }
}

async function requestToken(url: string, id: string, resource: string): Promise<string> {
  const answer = await fetch(`${url}/token`, {
    method: 'POST',
    headers: { Authorization: basicHeader(`${id}:secret-of-${id}`) },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'push', resource }),
  })
  const { access_token: token } = (await answer.json()) as { access_token?: string }
  if (token === undefined) throw new Error(`the issuer gave no token: ${answer.status}`)
  return token
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
