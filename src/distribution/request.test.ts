import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistryError } from '../oci/error.ts'
import { parseRequest } from './request.ts'
import type { Route } from './route.ts'

const HEX = '0123456789abcdef'.repeat(4)
const D = `sha256:${HEX}`
const D512 = `sha512:${HEX}${HEX}`
const N255 = 'n'.repeat(255)
const N256 = 'n'.repeat(256)
const T128 = 't'.repeat(128)
const T129 = 't'.repeat(129)
const TAGS = (count: number): string => Array.from({ length: count }, (_, i) => `tag=t${i}`).join('&')

/** Method and URL → kind and what it carries, or `!CODE status`. `<D>` and its like stand for what is above. */
const TABLE: readonly (readonly [request: string, outcome: string])[] = [
  // Outside the API.
  ['GET /', 'root'],
  ['HEAD /', 'root'],
  ['POST /', 'root'],
  ['GET /?x=1', 'root'],
  ['GET /index.html', '!UNSUPPORTED 404'],
  ['GET /v3/', '!UNSUPPORTED 404'],
  ['GET /v22/', '!UNSUPPORTED 404'],
  ['GET //v2/', '!UNSUPPORTED 404'],
  ['OPTIONS *', '!UNSUPPORTED 404'],
  ['OPTIONS /nothing', '!UNSUPPORTED 404'],
  ['GET /V2/', '!UNSUPPORTED 404'],
  // end-1
  ['GET /v2/', 'ping'],
  ['HEAD /v2/', 'ping'],
  ['GET /v2/?ns=docker.io', 'ping'],
  ['GET http://registry.example/v2/', 'ping'],
  ['GET http://registry.example', 'root'],
  ['GET /v2', 'redirect'],
  ['POST /v2', 'redirect'],
  ['POST /v2/', 'otherMethod GET, HEAD'],
  ['DELETE /v2/', 'otherMethod GET, HEAD'],
  ['OPTIONS /v2/', 'options GET, HEAD'],
  ['GET /v2//', '!UNSUPPORTED 404'],
  ['GET /v2/a', '!UNSUPPORTED 404'],
  ['GET /v2/a/b/c', '!UNSUPPORTED 404'],
  ['GET /v2/manifests/latest', '!UNSUPPORTED 404'],
  ['GET /v2/tags/list', '!UNSUPPORTED 404'],
  ['GET /v2/a/tags', '!UNSUPPORTED 404'],
  ['GET /v2/a/tags/lists', '!UNSUPPORTED 404'],
  ['GET /v2/a/manifests', '!UNSUPPORTED 404'],
  ['GET /v2/a/manifests/', '!UNSUPPORTED 404'],
  ['GET /v2/a/blobs', '!UNSUPPORTED 404'],
  ['GET /v2/a/manifests//', '!TAG_INVALID 400'],
  // Names.
  ['GET /v2/a/manifests/latest', 'getManifest a latest'],
  ['GET /v2/a/b/c/d/manifests/latest', 'getManifest a/b/c/d latest'],
  ['GET /v2/a/manifests/latest/', 'getManifest a latest'],
  ['GET /v2/a.b_c__d-e--f/manifests/latest', 'getManifest a.b_c__d-e--f latest'],
  ['GET /v2/manifests/manifests/manifests', 'getManifest manifests manifests'],
  ['GET /v2/blobs/uploads/manifests/x', 'getManifest blobs/uploads x'],
  ['GET /v2/a/tags/list/manifests/x', 'getManifest a/tags/list x'],
  ['GET /v2/tags/list/tags/list', 'listTags tags/list n=- last=-'],
  ['GET /v2/<N255>/tags/list', 'listTags <N255> n=- last=-'],
  ['GET /v2/<N256>/tags/list', '!NAME_INVALID 400'],
  ['GET /v2//tags/list', '!NAME_INVALID 400'],
  ['GET /v2/A/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a/B/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a//b/tags/list', '!NAME_INVALID 400'],
  ['GET /v2//a/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a//tags/list', '!NAME_INVALID 400'],
  ['GET /v2/../tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a/../b/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/./tags/list', '!NAME_INVALID 400'],
  ['GET /v2/%2e%2e/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a%2Fb/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a%2fb/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a%5Cb/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a\\b/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a%00/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a%zz/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a%/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a%c3%28/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/%C3%A9/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/é/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/_uploads/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/-a/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a-/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a..b/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a___b/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a b/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/a+b/tags/list', '!NAME_INVALID 400'],
  ['GET /v2/%61/tags/list', 'listTags a n=- last=-'],
  // end-3, end-7, end-9
  ['HEAD /v2/a/manifests/latest', 'statManifest a latest'],
  ['PUT /v2/a/manifests/v1', 'putManifest a v1 tags=v1'],
  ['DELETE /v2/a/manifests/v1', 'deleteManifest a v1'],
  ['DELETE /v2/a/manifests/<D>', 'deleteManifest a <D>'],
  ['GET /v2/a/manifests/<D>', 'getManifest a <D>'],
  ['GET /v2/a/manifests/<D512>', 'getManifest a <D512>'],
  ['GET /v2/a/manifests/sha256%3A<HEX>', 'getManifest a <D>'],
  ['GET /v2/a/manifests/<D>?ns=docker.io', 'getManifest a <D>'],
  ['GET /v2/a/manifests/sha256:short', '!DIGEST_INVALID 400'],
  ['PUT /v2/a/manifests/sha256:baddigeststring', '!DIGEST_INVALID 400'],
  ['GET /v2/a/manifests/SHA256:<HEX>', '!DIGEST_INVALID 400'],
  ['GET /v2/a/manifests/md5:<HEX>', '!DIGEST_INVALID 400'],
  ['GET /v2/a/manifests/sha256:', '!DIGEST_INVALID 400'],
  ['GET /v2/a/manifests/:', '!DIGEST_INVALID 400'],
  ['GET /v2/a/manifests/<T128>', 'getManifest a <T128>'],
  ['GET /v2/a/manifests/<T129>', '!TAG_INVALID 400'],
  ['GET /v2/a/manifests/.dot', '!TAG_INVALID 400'],
  ['GET /v2/a/manifests/-dash', '!TAG_INVALID 400'],
  ['GET /v2/a/manifests/_under', 'getManifest a _under'],
  ['GET /v2/a/manifests/V1.0-RC_1', 'getManifest a V1.0-RC_1'],
  ['GET /v2/a/manifests/..', '!TAG_INVALID 400'],
  ['GET /v2/a/manifests/%2e%2e', '!TAG_INVALID 400'],
  ['GET /v2/a/manifests/a%2Fb', '!TAG_INVALID 400'],
  ['GET /v2/a/manifests/a%zz', '!TAG_INVALID 400'],
  ['GET /v2/a/manifests/a%00', '!TAG_INVALID 400'],
  ['GET /v2/a/manifests/a@<D>', '!DIGEST_INVALID 400'],
  ['POST /v2/a/manifests/latest', 'otherMethod GET, HEAD, PUT, DELETE'],
  ['PATCH /v2/a/manifests/latest', 'otherMethod GET, HEAD, PUT, DELETE'],
  ['OPTIONS /v2/a/manifests/latest', 'options GET, HEAD, PUT, DELETE'],
  ['OPTIONS /v2/A/manifests/latest', 'options GET, HEAD, PUT, DELETE'],
  ['PUT /v2/a/manifests/<D>', 'putManifest a <D> tags='],
  ['PUT /v2/a/manifests/<D>?tag=x', 'putManifest a <D> tags=x'],
  ['PUT /v2/a/manifests/<D>?tag=x&tag=y', 'putManifest a <D> tags=x,y'],
  ['PUT /v2/a/manifests/<D>?b=1&tag=x&c&tag=x&tag=z', 'putManifest a <D> tags=x,z'],
  ['PUT /v2/a/manifests/<D>?tag=', 'putManifest a <D> tags='],
  ['PUT /v2/a/manifests/<D>?tag=.x', '!TAG_INVALID 400'],
  ['PUT /v2/a/manifests/<D>?tag=%zz', '!TAG_INVALID 400'],
  ['PUT /v2/a/manifests/<D>?<TAGS100>', 'putManifest a <D> tags=<100>'],
  ['PUT /v2/a/manifests/<D>?<TAGS101>', '!TAG_INVALID 414'],
  ['PUT /v2/a/manifests/v1?tag=x', 'putManifest a v1 tags=v1'],
  // end-2, end-10
  ['GET /v2/a/blobs/<D>', 'getBlob a <D>'],
  ['GET /v2/a/b/blobs/<D512>', 'getBlob a/b <D512>'],
  ['HEAD /v2/a/blobs/<D>', 'statBlob a <D>'],
  ['DELETE /v2/a/blobs/<D>', 'deleteBlob a <D>'],
  ['GET /v2/a/blobs/<D>/', 'getBlob a <D>'],
  ['GET /v2/a/blobs/sha256%3a<HEX>', 'getBlob a <D>'],
  ['GET /v2/a/blobs/latest', '!DIGEST_INVALID 400'],
  ['GET /v2/a/blobs/sha256:short', '!DIGEST_INVALID 400'],
  ['GET /v2/a/blobs/sha256:%zz', '!DIGEST_INVALID 400'],
  ['GET /v2/a/blobs/sha256:..%2F..%2Fx', '!DIGEST_INVALID 400'],
  ['GET /v2/a/blobs/sha256:../../x', '!UNSUPPORTED 404'],
  ['PUT /v2/a/blobs/<D>', 'otherMethod GET, HEAD, DELETE'],
  ['POST /v2/a/blobs/<D>', 'otherMethod GET, HEAD, DELETE'],
  // end-4, end-11
  ['POST /v2/a/blobs/uploads/', 'startUpload a algorithm=-'],
  ['POST /v2/a/blobs/uploads', 'startUpload a algorithm=-'],
  ['POST /v2/a/b/blobs/uploads/?', 'startUpload a/b algorithm=-'],
  ['POST /v2/a/blobs/uploads/?digest-algorithm=sha512', 'startUpload a algorithm=sha512'],
  ['POST /v2/a/blobs/uploads/?digest-algorithm=sha256', 'startUpload a algorithm=sha256'],
  ['POST /v2/a/blobs/uploads/?digest-algorithm=md5', '!DIGEST_INVALID 400'],
  ['POST /v2/a/blobs/uploads/?digest-algorithm=', 'startUpload a algorithm=-'],
  ['POST /v2/a/blobs/uploads/?digest=<D>', 'putBlob a <D>'],
  ['POST /v2/a/blobs/uploads/?etag=x&digest=sha256%3A<HEX>&ns=y', 'putBlob a <D>'],
  ['POST /v2/a/blobs/uploads/?digest=<D512>', 'putBlob a <D512>'],
  ['POST /v2/a/blobs/uploads/?digest=sha256:x', '!DIGEST_INVALID 400'],
  ['POST /v2/a/blobs/uploads/?digest=', 'startUpload a algorithm=-'],
  ['POST /v2/a/blobs/uploads/?mount=<D>&from=b/c', 'mountBlob a <D> from=b/c'],
  ['POST /v2/a/blobs/uploads/?from=b%2Fc&mount=<D>', 'mountBlob a <D> from=b/c'],
  ['POST /v2/a/blobs/uploads/?mount=<D>', 'mountBlob a <D> from=-'],
  ['POST /v2/a/blobs/uploads/?mount=<D>&from=', 'mountBlob a <D> from=-'],
  ['POST /v2/a/blobs/uploads/?mount=<D>&from=B', 'startUpload a algorithm=-'],
  ['POST /v2/a/blobs/uploads/?mount=<D>&from=../b', 'startUpload a algorithm=-'],
  ['POST /v2/a/blobs/uploads/?mount=sha256:x&from=b', 'startUpload a algorithm=-'],
  ['POST /v2/a/blobs/uploads/?from=b', 'startUpload a algorithm=-'],
  ['POST /v2//blobs/uploads/', '!NAME_INVALID 400'],
  ['POST /v2/A/blobs/uploads/', '!NAME_INVALID 400'],
  ['POST /v2/blobs/uploads/', '!UNSUPPORTED 404'],
  ['GET /v2/a/blobs/uploads/', 'otherMethod POST'],
  ['PUT /v2/a/blobs/uploads/', 'otherMethod POST'],
  ['OPTIONS /v2/a/blobs/uploads/', 'options POST'],
  // end-5, end-6, end-13, end-14
  ['GET /v2/a/blobs/uploads/id-1', 'getUpload a id-1'],
  ['HEAD /v2/a/blobs/uploads/id-1', 'getUpload a id-1'],
  ['PATCH /v2/a/blobs/uploads/id-1', 'appendUpload a id-1'],
  ['PATCH /v2/a/blobs/uploads/id-1?_state=abc', 'appendUpload a id-1'],
  ['DELETE /v2/a/blobs/uploads/id-1', 'cancelUpload a id-1'],
  ['PUT /v2/a/blobs/uploads/id-1?digest=<D>', 'finishUpload a id-1 <D>'],
  ['PUT /v2/a/blobs/uploads/id-1?_state=x&digest=sha256%3A<HEX>&etag=y', 'finishUpload a id-1 <D>'],
  ['PUT /v2/a/blobs/uploads/id-1?digest=<D>&digest=sha256:x', 'finishUpload a id-1 <D>'],
  ['PUT /v2/a/blobs/uploads/id-1', '!DIGEST_INVALID 400'],
  ['PUT /v2/a/blobs/uploads/id-1?digest=', '!DIGEST_INVALID 400'],
  ['PUT /v2/a/blobs/uploads/id-1?Digest=<D>', '!DIGEST_INVALID 400'],
  ['PUT /v2/a/blobs/uploads/id-1?digest=sha256:zz', '!DIGEST_INVALID 400'],
  ['PUT /v2/a/blobs/uploads/id-1?digest=%', '!DIGEST_INVALID 400'],
  ['PUT /v2/a/blobs/uploads/id-1?digest=<D>%00', '!DIGEST_INVALID 400'],
  ['GET /v2/a/blobs/uploads/..', '!BLOB_UPLOAD_UNKNOWN 404'],
  ['GET /v2/a/blobs/uploads/a%2Fb', '!BLOB_UPLOAD_UNKNOWN 404'],
  ['PATCH /v2/a/blobs/uploads/<N255>', '!BLOB_UPLOAD_UNKNOWN 404'],
  ['POST /v2/a/blobs/uploads/id-1', 'otherMethod GET, HEAD, PATCH, PUT, DELETE'],
  // end-8
  ['GET /v2/a/tags/list?n=10', 'listTags a n=10 last=-'],
  ['GET /v2/a/tags/list?n=10&last=v1', 'listTags a n=10 last=v1'],
  ['GET /v2/a/tags/list?last=v1&x=y&n=10', 'listTags a n=10 last=v1'],
  ['GET /v2/a/tags/list?last=v1', 'listTags a n=- last=v1'],
  ['GET /v2/a/tags/list?last=not%20a%20tag', 'listTags a n=- last=not a tag'],
  ['GET /v2/a/tags/list?n=0', 'listTags a n=0 last=-'],
  ['GET /v2/a/tags/list?n=007', 'listTags a n=7 last=-'],
  ['GET /v2/a/tags/list?n=1&n=2', 'listTags a n=1 last=-'],
  ['GET /v2/a/tags/list?n=', 'listTags a n=- last=-'],
  ['GET /v2/a/tags/list?n', 'listTags a n=- last=-'],
  ['GET /v2/a/tags/list?nn=5&xn=6', 'listTags a n=- last=-'],
  ['GET /v2/a/tags/list?&&&n=5&', 'listTags a n=5 last=-'],
  ['GET /v2/a/tags/list?n=99999999999999999999', 'listTags a n=9007199254740991 last=-'],
  ['GET /v2/a/tags/list?n=-1', '!PAGINATION_NUMBER_INVALID 400'],
  ['GET /v2/a/tags/list?n=abc', '!PAGINATION_NUMBER_INVALID 400'],
  ['GET /v2/a/tags/list?n=1e9', '!PAGINATION_NUMBER_INVALID 400'],
  ['GET /v2/a/tags/list?n=+1', '!PAGINATION_NUMBER_INVALID 400'],
  ['GET /v2/a/tags/list?n=0x10', '!PAGINATION_NUMBER_INVALID 400'],
  ['GET /v2/a/tags/list?n=%EF%BC%91', '!PAGINATION_NUMBER_INVALID 400'],
  ['GET /v2/a/tags/list?n=1.0', '!PAGINATION_NUMBER_INVALID 400'],
  ['GET /v2/a/tags/list?last=%00', '!TAG_INVALID 400'],
  ['GET /v2/a/tags/list?last=%ff', '!TAG_INVALID 400'],
  ['GET /v2/a/tags/list?last=é', '!TAG_INVALID 400'],
  ['GET /v2/a/tags/list?junk=%ff%zz&n=1', 'listTags a n=1 last=-'],
  ['GET /v2/a/tags/list/', 'listTags a n=- last=-'],
  ['PUT /v2/a/tags/list', 'otherMethod GET'],
  ['HEAD /v2/a/tags/list', 'otherMethod GET'],
  // The catalog and discovery.
  ['GET /v2/_catalog', 'listRepositories n=- last=-'],
  ['GET /v2/_catalog/', 'listRepositories n=- last=-'],
  ['GET /v2/_catalog?n=2147483648', 'listRepositories n=2147483648 last=-'],
  ['GET /v2/_catalog?n=5&last=a%2Fb', 'listRepositories n=5 last=a/b'],
  ['GET /v2/_catalog?n=x', '!PAGINATION_NUMBER_INVALID 400'],
  ['GET /v2/_catalog?last=%00', '!NAME_INVALID 400'],
  ['POST /v2/_catalog', 'otherMethod GET'],
  ['GET /v1/search?q=ng&n=25', 'searchRepositories text=ng n=25'],
  ['GET /v1/search/?n=3&q=a%2Fb%25', 'searchRepositories text=a/b% n=3'],
  ['GET /v1/search', 'searchRepositories text= n=-'],
  ['GET /v1/search?q=%0a', '!NAME_INVALID 400'],
  ['GET /v1/search?q=a&n=-1', '!PAGINATION_NUMBER_INVALID 400'],
  ['POST /v1/search', 'otherMethod GET'],
  ['OPTIONS /v1/search', 'options GET'],
  ['GET /v1/_ping', 'searchPing'],
  ['GET /v1/search/x', '!UNSUPPORTED 404'],
  ['GET /v1/repositories/a/tags', '!UNSUPPORTED 404'],
  ['GET /v2/_oci/ext/discover', 'discover'],
  ['POST /v2/_oci/ext/discover', 'otherMethod GET'],
  ['GET /v2/a/_oci/ext/discover', '!UNSUPPORTED 404'],
  // end-12
  ['GET /v2/a/referrers/<D>', 'listReferrers a <D> type=- n=- last=-'],
  ['GET /v2/a/referrers/<D512>', 'listReferrers a <D512> type=- n=- last=-'],
  ['GET /v2/a/referrers/<D>?artifactType=a/b', 'listReferrers a <D> type=a/b n=- last=-'],
  ['GET /v2/a/referrers/<D>?artifactType=a%2Fb%2Bjson', 'listReferrers a <D> type=a/b+json n=- last=-'],
  ['GET /v2/a/referrers/<D>?artifactType=a/b+json', 'listReferrers a <D> type=a/b+json n=- last=-'],
  ['GET /v2/a/referrers/<D>?artifactType=', 'listReferrers a <D> type=- n=- last=-'],
  ['GET /v2/a/referrers/<D>?n=1&last=<D>', 'listReferrers a <D> type=- n=1 last=<D>'],
  ['GET /v2/a/referrers/<D>?last=x', '!DIGEST_INVALID 400'],
  ['GET /v2/a/referrers/sha256:x', '!DIGEST_INVALID 400'],
  ['GET /v2/a/referrers/latest', '!DIGEST_INVALID 400'],
  ['GET /v2/A/referrers/<D>', '!NAME_INVALID 400'],
  ['PUT /v2/a/referrers/<D>', 'otherMethod GET'],
]

const PLACEHOLDERS: readonly (readonly [string, string])[] = [
  ['<D512>', D512],
  ['<D>', D],
  ['<HEX>', HEX],
  ['<N255>', N255],
  ['<N256>', N256],
  ['<T128>', T128],
  ['<T129>', T129],
  ['<TAGS100>', TAGS(100)],
  ['<TAGS101>', TAGS(101)],
  ['<100>', TAGS(100).replaceAll('tag=', '').replaceAll('&', ',')],
]

function filled(text: string): string {
  return PLACEHOLDERS.reduce((result, [name, value]) => result.replaceAll(name, value), text)
}

function shown(route: Route): string {
  const words: (string | number)[] = [route.kind]
  if ('allow' in route) words.push(route.allow)
  if ('repository' in route) words.push(route.repository)
  if ('id' in route) words.push(route.id)
  if ('digest' in route) words.push(route.digest)
  if ('reference' in route) words.push(route.reference.tag ?? route.reference.digest)
  if ('subject' in route) words.push(route.subject)
  if ('tags' in route) words.push(`tags=${route.tags.join(',')}`)
  if ('algorithm' in route) words.push(`algorithm=${route.algorithm ?? '-'}`)
  if ('from' in route) words.push(`from=${route.from ?? '-'}`)
  if ('artifactType' in route) words.push(`type=${route.artifactType ?? '-'}`)
  if ('text' in route) words.push(`text=${route.text}`)
  if ('n' in route) words.push(`n=${route.n ?? '-'}`)
  if ('last' in route) words.push(`last=${route.last ?? '-'}`)
  return words.join(' ')
}

function outcomeOf(method: string, url: string, prefix?: string): string {
  try {
    return shown(parseRequest(method, url, prefix))
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error
    return `!${error.code} ${error.status}`
  }
}

test('every method and URL is one route or one error', () => {
  assert.ok(TABLE.length >= 150)
  for (const [request, outcome] of TABLE) {
    const space = request.indexOf(' ')
    const [method, url] = [request.slice(0, space), filled(request.slice(space + 1))]
    assert.equal(outcomeOf(method, url), filled(outcome), request)
  }
})

test('with a prefix the API is below it and nowhere else; / stays', () => {
  for (const [url, outcome] of [
    ['/', 'root'],
    ['/reg/v2/', 'ping'],
    ['/reg/v2', 'redirect'],
    ['/reg/v2/a/tags/list', 'listTags a n=- last=-'],
    ['/v1/search?q=a', 'searchRepositories text=a n=-'],
    ['/reg/v1/search?q=a', 'searchRepositories text=a n=-'],
    ['/v2/', '!UNSUPPORTED 404'],
    ['/reg/', '!UNSUPPORTED 404'],
    ['/reg', '!UNSUPPORTED 404'],
    ['/regv2/', '!UNSUPPORTED 404'],
    ['/other/v2/', '!UNSUPPORTED 404'],
  ] as const) {
    assert.equal(outcomeOf('GET', url, '/reg'), outcome, url)
  }
})

test('a name is kept as it was asked, beside the name it is stored under', () => {
  const route = parseRequest(
    'GET',
    '/v2/a/b/manifests/latest?ns=docker.io',
    '',
    'mirror.example',
    'docker.io',
  )
  assert.deepEqual(route, {
    kind: 'getManifest',
    repository: 'a/b',
    asked: 'a/b',
    reference: { kind: 'tag', tag: 'latest' },
  })
})

test('no URL of random bytes does anything but parse or be refused', () => {
  const parts = [
    '/v2',
    '/',
    'a',
    '%',
    '%00',
    '..',
    'blobs',
    'uploads',
    'manifests',
    'tags/list',
    '?',
    '&',
    '=',
  ]
  const more = ['n', 'last', 'digest', D, 'é', ' ', '%2F', '_catalog', 'referrers', 'mount', '://', '#']
  let seed = 7
  for (let i = 0; i < 20_000; i += 1) {
    let url = ''
    for (let length = (seed % 9) + 1; length > 0; length -= 1) {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
      url += [...parts, ...more][seed % (parts.length + more.length)]!
    }
    const method = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'][i % 7]!
    assert.ok(outcomeOf(method, `/v2/${url}`).length > 0)
  }
})
