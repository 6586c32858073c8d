import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { explainDataFailure } from './data-folder.ts'
import { openDatabase } from './sqlite/open.ts'

const ROOM = new URL('.', import.meta.url).href
const NOBODY = 65534
const needsRoot = process.getuid?.() !== 0 && 'SKIPPED: needs root, to be somebody else'

/** A folder that everybody may look into. */
function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'berth-writable-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o755)
  return folder
}

/** What an expression throws where it is evaluated by a user that owns nothing. */
function thrownByNobody(expression: string): string {
  const script = `
    import { explainDataFailure, prepareDataFolder } from '${ROOM}data-folder.ts'
    import { openDatabase } from '${ROOM}sqlite/open.ts'
    process.setgid(${NOBODY})
    process.setuid(${NOBODY})
    try { ${expression} } catch (error) { console.log(error.name + ': ' + error.message) }`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  })
  assert.equal(stderr, '')
  return stdout.trim()
}

const REMEDY =
  'Give it to user 65534 (chown -R 65534; for a container on the host, the folder that is mounted there), or run as user 0 (docker run --user 0:0)'

test('a data folder of somebody else says whose it is, and both ways out', { skip: needsRoot }, (context) => {
  const folder = folderOf(context)
  const data = join(folder, 'data')
  mkdirSync(data, { mode: 0o755 })
  const prepared = `prepareDataFolder(${JSON.stringify(data)})`
  assert.equal(
    thrownByNobody(prepared),
    `DatabaseRefusedError: the data folder ${data} cannot be written by user 65534: it belongs to user 0, group 0 (mode 0755). ${REMEDY}`,
  )
  chmodSync(data, 0o777)
  assert.equal(thrownByNobody(prepared), '')
  assert.equal(
    thrownByNobody(`prepareDataFolder(${JSON.stringify(join(folder, 'not', 'there'))})`),
    `DatabaseRefusedError: the data folder ${folder}/not/there cannot be written by user 65534: ${folder} belongs to user 0, group 0 (mode 0755). ${REMEDY}`,
  )
})

test('a database of somebody else in a folder of one’s own is named', { skip: needsRoot }, (context) => {
  const folder = folderOf(context)
  const path = join(folder, 'metadata.db')
  openDatabase(path).close()
  const opened = `openDatabase(${JSON.stringify(path)})`
  const refused = (what: string, mode: string) =>
    `DatabaseRefusedError: the metadata database cannot be opened: ${what} cannot be written by user 65534: it belongs to user 0, group 0 (mode ${mode}). ${REMEDY}`
  assert.equal(thrownByNobody(opened), refused(folder, '0755'))
  chmodSync(folder, 0o777)
  assert.equal(thrownByNobody(opened), refused(path, '0600'))
})

test('what is refused further down is named, and whose it is', { skip: needsRoot }, (context) => {
  const data = join(folderOf(context), 'data')
  mkdirSync(data, { mode: 0o755 })
  const path = JSON.stringify(join(data, 'berth', 'objects'))
  assert.equal(
    thrownByNobody(
      `throw explainDataFailure(${JSON.stringify(data)}, Object.assign(new Error(), { code: 'EACCES', path: ${path} }))`,
    ),
    `DatabaseRefusedError: the data folder ${data} cannot be used: ${data}/berth/objects cannot be written by user 65534: ${data} belongs to user 0, group 0 (mode 0755). ${REMEDY}`,
  )
})

test('a disk without room, or for reading only, is told; what is not of the system is left alone', () => {
  const told = (code: string): string =>
    (explainDataFailure('/data', Object.assign(new Error(), { code })) as Error).message
  assert.match(told('ENOSPC'), /^the data folder \/data has no room left on its disk.*df -h.*df -i/)
  assert.match(
    told('EROFS'),
    /^the data folder \/data lies on a file system that is mounted read-only.*without :ro/,
  )
  const other = new TypeError('a defect')
  assert.equal(explainDataFailure('/data', other), other)
})

test('one’s own folder that may not be written', { skip: needsRoot }, (context) => {
  const folder = folderOf(context)
  const data = join(folder, 'data')
  mkdirSync(data)
  spawnSync('chown', [`${NOBODY}:${NOBODY}`, data])
  chmodSync(data, 0o555)
  assert.match(
    thrownByNobody(`prepareDataFolder(${JSON.stringify(data)})`),
    /user 65534, although it belongs to that user \(mode 0555\): give it the right to write \(chmod u\+rwx\).*SELinux.*:Z/,
  )
})
