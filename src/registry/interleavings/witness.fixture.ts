/** A registry whose questions and answers are told, in the words of {@link Question}. */
import type { Reference } from '../../oci/reference.ts'
import { RegistryError } from '../../oci/error.ts'
import type { HostedRules } from '../hosted-parts.ts'
import type { Registry } from '../registry.ts'
import { sha256 } from '../hosted-fixtures.ts'
import type { Event, Question } from './promises.fixture.ts'

type Verbs = {
  [V in keyof Registry]: (...args: Parameters<Registry[V]>) => Question | undefined
}

export const nothing = { gives: [], ends: [], takes: () => false, makes: () => false, relies: [] }

/** A blob that is there now, by whichever way it came. */
const blobGiven = (verb: string, repository: string, digest: string): Question => ({
  ...nothing,
  verb,
  gives: [{ fact: `blob ${repository} ${digest}`, day: true }],
  makes: (gone) => gone === `blob ${repository} ${digest}`,
})

function manifestRead(verb: string, repository: string, reference: Reference): Question {
  if (reference.kind === 'tag') return { ...nothing, verb }
  const [stays, read] = ['manifest', 'read'].map((kind) => `${kind} ${repository} ${reference.digest}`) as [
    string,
    string,
  ]
  return { ...nothing, verb, gives: [{ fact: read, day: true }], relies: [stays, read] }
}

/** Every digest that a manifest names. */
export function namedIn(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes).toString()
  const {
    config,
    layers = [],
    manifests = [],
  } = JSON.parse(text) as {
    config?: { digest: string }
    layers?: { digest: string }[]
    manifests?: { digest: string }[]
  }
  return [...(config === undefined ? [] : [config]), ...layers, ...manifests].map(({ digest }) => digest)
}

const QUESTIONS: Partial<Verbs> = {
  statBlob: (_call, repository, digest) => ({
    ...blobGiven('HEAD of a blob', repository, digest),
    relies: [`blob ${repository} ${digest}`],
  }),
  putBlob: (_call, repository, digest) => blobGiven('PUT of a blob', repository, digest),
  finishUpload: (_call, repository, _id, digest) => blobGiven('closing PUT', repository, digest),
  mountBlob: (_call, repository, digest) => blobGiven('mount', repository, digest),
  deleteBlob: (_call, repository, digest) => ({
    ...nothing,
    verb: 'DELETE of a blob',
    ends: [`blob ${repository} ${digest}`],
    takes: (fact) => fact === `blob ${repository} ${digest}`,
    relies: [`blob ${repository} ${digest}`],
  }),
  getManifest: (_call, repository, reference) => manifestRead('GET of a manifest', repository, reference),
  statManifest: (_call, repository, reference) => manifestRead('HEAD of a manifest', repository, reference),
  putManifest(_call, repository, { bytes, tags }) {
    const digest = sha256(bytes)
    return {
      verb: 'PUT of a manifest',
      gives: [
        { fact: `manifest ${repository} ${digest}` },
        ...tags.map((tag) => ({ fact: `tag ${repository} ${tag} ${digest}` })),
      ],
      ends: [],
      takes: (fact) =>
        tags.some((tag) => fact.startsWith(`tag ${repository} ${tag} `) && !fact.endsWith(digest)),
      makes: (gone) =>
        gone === `manifest ${repository} ${digest}` ||
        tags.some((tag) => gone === `tag ${repository} ${tag}`),
      untagged: tags.length === 0 ? [`${repository} ${digest}`] : [],
      relies: namedIn(bytes).flatMap((named) =>
        ['blob', 'manifest', 'read'].map((kind) => `${kind} ${repository} ${named}`),
      ),
    }
  },
  deleteTag: (_call, repository, tag) => ({
    ...nothing,
    verb: 'DELETE of a tag',
    ends: [`tag ${repository} ${tag}`],
    takes: (fact) => fact.startsWith(`tag ${repository} ${tag} `),
    trashes: repository,
  }),
  deleteManifest: (_call, repository, digest) => ({
    ...nothing,
    verb: 'DELETE of a manifest',
    ends: [`manifest ${repository} ${digest}`],
    takes: (fact) =>
      fact === `manifest ${repository} ${digest}` ||
      fact === `read ${repository} ${digest}` ||
      (fact.startsWith(`tag ${repository} `) && fact.endsWith(digest)),
    relies: [`manifest ${repository} ${digest}`],
    trashes: repository,
  }),
}

/** @param prefix tells the questions of one process from those of others */
export function witnessed(
  registry: Registry,
  prefix: string,
  tell: (event: Event) => void,
  { sparse }: Partial<HostedRules> = {},
): Registry {
  let count = 0
  const verbs = Object.entries(QUESTIONS).map(([verb, questionOf]) => {
    const inner = registry[verb as keyof Registry] as (...args: unknown[]) => Promise<unknown>
    const outer = async (...args: unknown[]): Promise<unknown> => {
      const question = (questionOf as (...args: unknown[]) => Question)(...args)
      const told = { ...question, sparse: sparse === 'all' }
      return asking(told, `${prefix} ${count++}`, tell, () => inner(...args))
    }
    return [verb, outer]
  })
  return { ...registry, ...(Object.fromEntries(verbs) as Partial<Registry>) }
}

/**
 * @param heard what an answer means: it was refused (a code), or which facts it did not give. An answer `unavailable`
 * promises nothing
 */
export async function asking<T>(
  question: Question,
  id: string,
  tell: (event: Event) => void,
  work: () => Promise<T>,
  heard: (result: T) => { refused?: string | undefined; without?: readonly string[] } = (result) =>
    result === 'unavailable' ? { refused: 'unavailable' } : {},
): Promise<T> {
  tell({ kind: 'asked', id, question })
  try {
    const result = await work()
    const { refused, without = [] } = heard(result)
    tell({
      kind: 'answered',
      id,
      without,
      ...(refused !== undefined && { error: { code: refused, digests: undefined } }),
    })
    return result
  } catch (error) {
    const { code, detail } =
      error instanceof RegistryError ? error : { code: String(error), detail: undefined }
    const digests = (detail as { digests?: readonly string[] } | undefined)?.digests
    tell({ kind: 'answered', id, error: { code, digests } })
    throw error
  }
}
