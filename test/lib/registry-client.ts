/** The protocol's verbs as a client speaks them; each returns the last answer as it came. */
import { OCI_INDEX, OCI_MANIFEST, type Blob, type Manifest } from './content.ts'
import { createHttpClient, type Answer, type Ask, type HttpClientOptions } from './http-client.ts'

/** How a blob can be pushed: wire.md's five ways, all of which clients in the wild use. */
export const PUSH_METHODS = ['post', 'post-put', 'patch', 'stream', 'chunks'] as const
type PushMethod = (typeof PUSH_METHODS)[number]

const ACCEPT = [
  OCI_MANIFEST,
  OCI_INDEX,
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ')

export type RegistryClient = ReturnType<typeof createRegistryClient>

export function createRegistryClient(url: string, options: HttpClientOptions = {}) {
  const http = createHttpClient(url, options)
  const ask = (method: string, path: string, more: Ask = {}): Promise<Answer> =>
    http.ask(path, { method, ...more })
  const uploads = createUploadVerbs(ask)
  return {
    url,
    ask,
    ...uploads,
    getBlob: (repository: string, digest: string, headers: Record<string, string> = {}) =>
      ask('GET', `/v2/${repository}/blobs/${digest}`, { headers }),
    statBlob: (repository: string, digest: string) => ask('HEAD', `/v2/${repository}/blobs/${digest}`),
    deleteBlob: (repository: string, digest: string) => ask('DELETE', `/v2/${repository}/blobs/${digest}`),
    mountBlob: (repository: string, digest: string, from?: string) =>
      ask(
        'POST',
        `/v2/${repository}/blobs/uploads/?mount=${digest}${from === undefined ? '' : `&from=${from}`}`,
      ),
    putManifest: (repository: string, reference: string, manifest: Manifest) =>
      ask('PUT', `/v2/${repository}/manifests/${reference}`, {
        headers: { 'content-type': manifest.mediaType },
        body: manifest.bytes,
      }),
    getManifest: (repository: string, reference: string) =>
      ask('GET', `/v2/${repository}/manifests/${reference}`, { headers: { accept: ACCEPT } }),
    statManifest: (repository: string, reference: string) =>
      ask('HEAD', `/v2/${repository}/manifests/${reference}`, { headers: { accept: ACCEPT } }),
    deleteManifest: (repository: string, reference: string) =>
      ask('DELETE', `/v2/${repository}/manifests/${reference}`),
    /** All tags, page by page. Undefined: the repository is not there. */
    listTags: async (repository: string): Promise<string[] | undefined> => {
      const tags: string[] = []
      let path: string | undefined = `/v2/${repository}/tags/list`
      while (path !== undefined) {
        const answer: Answer = await ask('GET', path)
        if (answer.status === 404) return undefined
        expectStatus(answer, 200)
        tags.push(...((JSON.parse(answer.body.toString()) as { tags: string[] | null }).tags ?? []))
        path = nextOf(answer)
      }
      return tags
    },
    close: () => http.close(),
  }
}

function createUploadVerbs(ask: (method: string, path: string, more?: Ask) => Promise<Answer>) {
  const start = (repository: string) => ask('POST', `/v2/${repository}/blobs/uploads/`)
  const patch = (location: string, body: NonNullable<Ask['body']>, range?: [number, number]) =>
    ask('PATCH', location, {
      headers: {
        'content-type': 'application/octet-stream',
        ...(range ? { 'content-range': `${range[0]}-${range[1]}` } : {}),
      },
      body,
    })
  const finish = (location: string, digest: string, body?: Uint8Array) =>
    ask('PUT', withDigest(location, digest), {
      headers: { 'content-type': 'application/octet-stream' },
      body,
    })
  /** Gives the answer to the request that stores the blob, or to the first one that was refused. */
  const push = async (repository: string, blob: Blob, method: PushMethod): Promise<Answer> => {
    const { bytes, digest } = blob
    if (method === 'post') {
      const answer = await ask('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, {
        headers: { 'content-type': 'application/octet-stream' },
        body: bytes,
      })
      return answer.status === 202 ? finish(locationOf(answer), digest, bytes) : answer
    }
    const begun = await start(repository)
    if (begun.status !== 202) return begun
    if (method === 'post-put') return finish(locationOf(begun), digest, bytes)
    const pieces = method === 'chunks' ? inThree(bytes) : [bytes]
    let location = locationOf(begun)
    let sent = 0
    for (const piece of pieces) {
      const range: [number, number] | undefined =
        method === 'stream' || piece.length === 0 ? undefined : [sent, sent + piece.length - 1]
      const answer = await patch(location, method === 'stream' ? once(piece) : piece, range)
      if (answer.status !== 202) return answer
      location = locationOf(answer)
      sent += piece.length
    }
    return finish(location, digest)
  }
  return {
    startUpload: start,
    patchUpload: patch,
    finishUpload: finish,
    pushBlob: push,
    getUpload: (location: string) => ask('GET', location),
    cancelUpload: (location: string) => ask('DELETE', location),
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

function inThree(bytes: Buffer): Buffer[] {
  const third = Math.ceil(bytes.length / 3)
  if (third === 0) return [bytes]
  return [0, third, 2 * third].map((at) => bytes.subarray(at, at + third)).filter((piece) => piece.length > 0)
}

/** A Location as a client uses it next: relative or not, with what query it has. */
export function locationOf(answer: Answer): string {
  const location = answer.headers.location
  if (location === undefined) throw new Error(`an answer ${answer.status} without Location`)
  const url = new URL(location, 'http://ignored')
  return url.pathname + url.search
}

export function withDigest(location: string, digest: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`
}

/** Bytes stored, by the `Range` of an upload's answer. `0-0` may mean none or one: it is read as none. */
export function storedBytes(answer: Answer): number {
  const last = /^0-(\d+)$/.exec(answer.headers.range ?? '')?.[1]
  if (last === undefined) throw new Error(`a Range of an upload: ${answer.headers.range}`)
  return last === '0' ? 0 : Number(last) + 1
}

export function nextOf(answer: Answer): string | undefined {
  const link = answer.headers.link
  return /<([^>]+)>;\s*rel="?next"?/.exec(Array.isArray(link) ? link.join() : (link ?? ''))?.[1]
}

export function errorOf(answer: Answer): { code: string; message: string } {
  try {
    const [first] = (JSON.parse(answer.body.toString()) as { errors: { code: string; message: string }[] })
      .errors
    if (first !== undefined) return { code: first.code, message: first.message }
  } catch {
    // what is no JSON error is told as it came
  }
  return { code: '(none)', message: answer.body.toString('utf8', 0, 300) }
}

/** @throws with what the server said */
export function expectStatus(answer: Answer, ...expected: number[]): Answer {
  if (expected.includes(answer.status)) return answer
  const { code, message } = errorOf(answer)
  throw new Error(`${answer.status} where ${expected.join(' or ')} was expected: ${code} ${message}`)
}
