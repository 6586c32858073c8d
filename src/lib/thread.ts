/**
 * Where every thread of ours begins: `start-thread.ts` says which module it is to run. Compiled code is kept for
 * threads too, if it is for the program, which has to be said before anything else is loaded.
 */
import { enableCompileCache } from 'node:module'

const [module = '', compileCache = ''] = process.argv.slice(2)
if (compileCache !== '') enableCompileCache(compileCache)
await import(module)
