import assert from 'node:assert/strict'
import { test } from 'node:test'
import { programArguments, servedConfiguration } from './arguments.ts'

test('words behind the name of the image', () => {
  const cases: [string, string][] = [
    ['', ''],
    ['serve', 'serve'],
    ['serve /etc/distribution/config.yml', 'serve /etc/distribution/config.yml'],
    ['/etc/docker/registry/config.yml', 'serve /etc/docker/registry/config.yml'],
    ['mine.yaml', 'serve mine.yaml'],
    ['registry serve mine.yml', 'serve mine.yml'],
    ['/bin/registry mine.yml', 'serve mine.yml'],
    ['/entrypoint.sh /etc/docker/registry/config.yml', 'serve /etc/docker/registry/config.yml'],
    ['berth gc', 'gc'],
    ['registry garbage-collect -m mine.yml', 'garbage-collect -m mine.yml'],
    ['--version', '--version'],
    ['registry --version', '--version'],
    // Only the first word is the program's name.
    ['backup registry', 'backup registry'],
    ['registry registry', 'registry'],
    ['sh -c registry', 'sh -c registry'],
  ]
  for (const [typed, meant] of cases) assert.equal(programArguments(split(typed)).join(' '), meant, typed)
})

test('the file that the first process serves by', () => {
  const node = '/usr/bin/node --min-semi-space-size=4 '
  const cases: [string, string | undefined][] = [
    [`${node}/usr/bin/registry serve /a.yml`, '/a.yml'],
    [`${node}/usr/bin/registry /a.yml`, '/a.yml'],
    [`${node}/usr/bin/berth registry serve /a.yml`, '/a.yml'],
    ['/sbin/docker-init -- registry serve /a.yml', '/a.yml'],
    [`${node}/usr/bin/registry serve`, undefined],
    [`${node}/usr/bin/registry serve --help`, undefined],
    [`${node}/usr/bin/registry gc /a.yml`, undefined],
    ['/pause', undefined],
    ['', undefined],
  ]
  for (const [words, file] of cases) {
    const commandLine = split(words)
      .map((word) => `${word}\0`)
      .join('')
    assert.equal(servedConfiguration(commandLine), file, words)
  }
})

const split = (text: string): string[] => text.split(' ').filter((word) => word !== '')
