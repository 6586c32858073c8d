/** Threads that start quickly and small. */
import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * Where every thread begins. Compiled code is kept for threads too, if it is for the program; that has to be said
 * before anything is loaded, in plain JavaScript: to strip one file of its types costs a thread 20 MiB.
 */
const BEGIN = `
  const [module, compileCache] = process.argv.slice(2)
  if (compileCache !== '') require('node:module').enableCompileCache(compileCache)
  import(module)
`

/** @param module the thread's code: a URL without its ending, which is that of this file (sources, or compiled) */
export function startThread(
  module: URL,
  options: Pick<WorkerOptions, 'workerData' | 'name' | 'resourceLimits'>,
): Worker {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const folder = getCompileCacheDir()
  // The folder of the cache has one below it for each version of Node, which is the one that is told.
  const compileCache = folder === undefined ? '' : dirname(folder)
  return new Worker(BEGIN, {
    ...options,
    eval: true,
    argv: [`${module.href}${ending}`, compileCache],
    // Flags of the program are not the thread's: `--input-type` of an embedding program would break it.
    execArgv: [],
  })
}
