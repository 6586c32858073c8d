/** `berth push` where something between it and the registry fails: it goes on from where the registry is. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import test, { type TestContext } from 'node:test'
import { blobPath, createLayout, fileLayer, randomLayer } from '../clients/layout.ts'
import { assertGone, assertServesLayout, createWorkplace, type Workplace } from '../clients/workplace.ts'
import {
  type AwkwardProxy,
  type Fate,
  MAIN,
  type Push,
  pushEnvironment,
  pushIn,
  startAwkwardProxy,
} from './push-place.ts'

const LARGE = 12_000_000

type Place = Workplace & { push: Push; proxy: AwkwardProxy; layout: string; digest: string; size: number }

async function begin(
  context: TestContext,
  fateOf: (request: IncomingMessage, seen: readonly string[]) => Fate,
): Promise<Place> {
  const workplace = await createWorkplace(context, 'push-faults')
  const proxy = await startAwkwardProxy(context, workplace.server.url, fateOf)
  const layout = createLayout(workplace.place('layout'))
  const image = layout.addImage({
    layers: [fileLayer('a', 'a'), randomLayer('faults', LARGE)],
    uncompressed: true,
  })
  layout.tag(image, '1')
  const manifest = JSON.parse(readFileSync(blobPath(layout.folder, image.digest), 'utf8')) as {
    layers: { size: number }[]
  }
  const size = manifest.layers[1]?.size ?? 0
  return { ...workplace, push: pushIn(workplace), proxy, layout: layout.folder, digest: image.digest, size }
}

const isLarge = ({ method, headers }: IncomingMessage): boolean =>
  method === 'PATCH' && Number(headers['content-length'] ?? 0) > 5_000_000

const patches = ({ seen }: AwkwardProxy): string[] => seen.filter((line) => line.startsWith('PATCH'))

test(
  'a connection that breaks in the middle: the same run goes on from there',
  { timeout: 60_000 },
  async (context) => {
    let cuts = 0
    const place = await begin(context, (request) =>
      isLarge(request) && cuts === 0 ? { how: 'cut', after: (cuts += 4_000_000) } : 'pass',
    )
    const { push, proxy, client, layout, digest, size } = place
    const pushed = await push([layout, `${proxy.host}/o/cut:1`])
    assert.equal(pushed.code, 0, pushed.stderr)
    await assertServesLayout(client, 'o/cut', '1', layout, digest)
    const last = patches(proxy).at(-1) ?? ''
    assert.equal(cuts, 4_000_000)
    assert.equal(last, `PATCH uploads 4000000-${size - 1} ${size - 4_000_000}`)
  },
)

for (const [signal, kind] of [
  ['SIGKILL', 'swallow'],
  ['SIGINT', 'swallow'],
  ['SIGKILL', 'hold'],
] as const)
  test(
    `a run that is ended by ${signal} (${kind}): the next one goes on`,
    { timeout: 60_000 },
    async (context) => {
      const reached = Promise.withResolvers<void>()
      let isStuck = true
      const place = await begin(context, (request) => {
        if (!isLarge(request) || !isStuck) return 'pass'
        const onReached = (): void => reached.resolve()
        return { how: kind, after: 5_000_000, onReached }
      })
      const { push, proxy, client, layout, digest, size } = place
      const to = `${proxy.host}/o/ended:1`
      const home = place.place('home')
      const first = spawn(process.execPath, [MAIN, 'push', layout, to], {
        cwd: place.folder,
        env: { ...process.env, ...pushEnvironment(place), HOME: home, DOCKER_CONFIG: home },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const said: string[] = []
      first.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text))
      await reached.promise
      first.kill(signal)
      const [code] = (await once(first, 'close')) as [number | null]
      if (signal === 'SIGINT') {
        assert.equal(code, 1)
        assert.match(
          said.join(''),
          /berth push: ended before it was done; run it again: it goes on where it ended\.\n$/,
        )
        assert.doesNotMatch(said.join(''), / {4}at /)
      }
      isStuck = false
      await assertGone(client, 'o/ended', '1')
      const second = await push([layout, to])
      assert.equal(second.code, 0, second.stderr)
      await assertServesLayout(client, 'o/ended', '1', layout, digest)
      // Where the first request is still there, the registry does not say how far it is.
      if (kind === 'hold') return
      assert.match(second.stderr, /sha256:\w{12} \(11\.4 MiB\): goes on at 4\.8 MiB/)
      assert.equal(patches(proxy).at(-1), `PATCH uploads 5000000-${size - 1} ${size - 5_000_000}`)
    },
  )

test(
  'a proxy that takes 2 MB at most: smaller requests, and a line that says so',
  { timeout: 60_000 },
  async (context) => {
    const most = 2_000_000
    const place = await begin(context, ({ headers }) =>
      Number(headers['content-length'] ?? 0) > most
        ? {
            status: 413,
            headers: { 'content-type': 'text/html' },
            text: '<html>413 Request Entity Too Large</html>',
          }
        : 'pass',
    )
    const { push, proxy, client, layout, digest } = place
    const pushed = await push([layout, `${proxy.host}/o/limited:1`])
    assert.equal(pushed.code, 0, pushed.stderr)
    assert.match(
      pushed.stderr,
      /or a proxy before it, does not take requests that large: going on in pieces of 1\.0 MiB/,
    )
    await assertServesLayout(client, 'o/limited', '1', layout, digest)
    const passed = patches(proxy).map((line) => Number(line.split(' ').at(-1)))
    assert.ok(passed.filter((length) => length === 1024 * 1024).length >= 11, passed.join(' '))
    const chosen = await push([layout, `${proxy.host}/o/chosen:1`, '--chunk-size', '1500k', '-q'])
    assert.deepEqual([chosen.code, chosen.stderr], [0, ''])
  },
)

test('a proxy that takes next to nothing: told what to do', { timeout: 60_000 }, async (context) => {
  const place = await begin(context, ({ headers }) =>
    Number(headers['content-length'] ?? 0) > 100_000 ? { status: 413 } : 'pass',
  )
  const pushed = await place.push([place.layout, `${place.proxy.host}/o/tight:1`])
  assert.equal(pushed.code, 1)
  assert.match(
    pushed.stderr,
    /or a proxy before it, takes no body of this size, to take sha256:\w+ \(413\): raise its limit\.\n/,
  )
})

test(
  'a registry that asks to come again: waited for, and no byte is lost',
  { timeout: 60_000 },
  async (context) => {
    const busy = new Map<string, number>()
    const place = await begin(context, ({ method = '' }) => {
      const times = (busy.get(method) ?? 0) + 1
      busy.set(method, times)
      if (times > 1) return 'pass'
      return { status: method === 'PUT' ? 503 : 429, headers: { 'retry-after': '1' } }
    })
    const { push, proxy, client, layout, digest } = place
    const began = performance.now()
    const pushed = await push([layout, `${proxy.host}/o/busy:1`, '-j', '1'])
    assert.equal(pushed.code, 0, pushed.stderr)
    assert.match(pushed.stderr, /answers 429; trying again in 1 s/)
    assert.ok(performance.now() - began > 3000)
    await assertServesLayout(client, 'o/busy', '1', layout, digest)
  },
)

test(
  'a registry that stays busy, refuses, or is none: told, and not for ever',
  { timeout: 90_000 },
  async (context) => {
    let fate: Fate = 'pass'
    const place = await begin(context, (request) =>
      request.url === '/v2/' && typeof fate === 'object' && !('status' in fate && fate.status === 404)
        ? 'pass'
        : fate,
    )
    const { push, proxy, layout } = place
    const body = '{"errors":[{"code":"DENIED","message":"the quota is used up\\u001b[2J"}]}'
    const rows: [fate: Fate, said: RegExp][] = [
      [
        { status: 403, text: body },
        /does not allow it to push to o\/no \(403: DENIED the quota is used up \[2J\)\.\n/,
      ],
      [
        { status: 404, text: 'nothing here' },
        /answers, and is no registry: there is nothing at http:\/\/127\.0\.0\.1:\d+\/v2\//,
      ],
      [
        { status: 429, headers: { 'retry-after': '0' }, text: body },
        /cannot tell whether it has sha256:\w+ now \(429\): try again later\.\n/,
      ],
    ]
    for (const [next, said] of rows) {
      fate = next
      const pushed = await push([layout, `${proxy.host}/o/no:1`, '-j', '1'])
      assert.equal(pushed.code, 1)
      assert.match(pushed.stderr, said)
      // oxlint-disable-next-line no-control-regex -- that is what must not be there
      assert.doesNotMatch(pushed.stderr, /\u001b/)
    }
    const nobody = await push([layout, '127.0.0.1:1/o/no:1'])
    assert.match(nobody.stderr, /127\.0\.0\.1:1 cannot be reached: nothing listens there/)
    const unknown = await push([layout, 'registry.invalid/o/no:1'])
    assert.match(unknown.stderr, /registry\.invalid cannot be reached: /)
  },
)
