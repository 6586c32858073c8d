import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandsOf, programsOf, readBlocks } from './blocks.ts'
import { difference, missingLines } from './output.ts'

const SAME: [prints: string, output: string][] = [
  ['{}', '{}\n'],
  [
    'INFO[0000] listening on …/data',
    'time="2026-01-01T00:00:00.000Z" level=info msg="listening on /x/data"\n',
  ],
  [
    'WHEN  WHAT\n2026-11-22 05:41:10  sha256:0123abcd',
    'WHEN     WHAT\n2027-01-02 03:04:05  sha256:ffff0000ffff\n',
  ],
  ['HTTP/1.1 202 Accepted\n…', 'HTTP/1.1 202 Accepted\r\na: b\r\n'],
  ['one\n…\nfour', 'one\ntwo\nthree\nfour\n'],
]
const OTHER: [prints: string, output: string][] = [
  ['{}', '{"repositories":[]}\n'],
  ['one', 'one\ntwo\n'],
  ['one\ntwo', 'one\n'],
  ['a.c', 'abc\n'],
  ['one\n…\nfour', 'one\ntwo\n'],
]

test('what a page shows and what was printed', () => {
  for (const [prints, output] of SAME) assert.equal(difference(prints, output), undefined, prints)
  for (const [prints, output] of OTHER) assert.notEqual(difference(prints, output), undefined, prints)
  assert.deepEqual(missingLines('b\nd', 'a\nb\nc\n'), ['d'])
})

const PAGE = `# One

\`\`\`sh
first \\
  --more # said
\`\`\`

It prints:

\`\`\`text
something
\`\`\`

\`\`\`sh
second
\`\`\`

## Two

\`\`\`text
not of the second
\`\`\`

\`\`\`console
$ third
out
$ sudo fourth | fifth
\`\`\`
`

test('blocks of a page, each with its output', () => {
  const blocks = readBlocks('page.md', PAGE)
  assert.deepEqual(
    blocks.map(({ line, steps }) => [line, ...steps.map(({ prints }) => prints)]),
    [
      [3, 'something\n'],
      [14, undefined],
      [24, 'out', undefined],
    ],
  )
  assert.deepEqual(commandsOf(blocks[0]?.steps[0]?.script ?? ''), ['first --more # said'])
  assert.deepEqual([...programsOf(blocks[2]?.steps[1]?.script ?? '')], ['fourth', 'fifth'])
})
