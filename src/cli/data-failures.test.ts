import assert from 'node:assert/strict'
import test from 'node:test'
import {
  DatabaseBusyError,
  DatabaseFullError,
  DatabaseLostError,
  ForeignKeyError,
} from '../metadata/database.ts'
import { whyDataFailed } from './data-failures.ts'

const coded = (code: string, errcode?: number): Error =>
  Object.assign(new Error('as the system says'), { code, errcode })

const CASES: [error: Error, says: RegExp | undefined][] = [
  [new DatabaseFullError(), /^there is no room left .*"berth trash empty"/],
  [coded('ENOSPC'), /^there is no room left/],
  [coded('EDQUOT'), /^there is no room left/],
  [coded('EROFS'), /mounted read-only/],
  [new DatabaseBusyError(), /try again in a moment$/],
  [new DatabaseLostError(), /not known/],
  [coded('ERR_SQLITE_ERROR', 11), /damaged \(as the system says\): .*"berth rebuild"/],
  [coded('ERR_SQLITE_ERROR', 267), /damaged/],
  [coded('ERR_SQLITE_ERROR', 1), undefined],
  [new ForeignKeyError(), undefined],
  [new TypeError('x is undefined'), undefined],
]

test('what the data do not let a command do is told; a defect of the program is not hidden', () => {
  for (const [error, says] of CASES) {
    const why = whyDataFailed(error)
    if (says === undefined) assert.equal(why, undefined, String(error))
    else assert.match(why ?? '', says)
  }
})
