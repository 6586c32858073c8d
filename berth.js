#!/usr/bin/env node
/**
 * Where a start from the sources begins. Plain JavaScript: Node.js keeps what is left of a file without its types from
 * start to start, but only of files that are loaded after it was told to. If the first one had types, each start would
 * load the compiler that strips them: 15 MiB, and a fifth of the time.
 */
import nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'

// src/main.ts says the same, where an older Node.js gets that far: it cannot read types.
if (Number(process.versions.node.split('.')[0]) < 24) {
  process.stderr.write(
    `berth needs Node.js 24 or newer; this is ${process.versions.node}. In the repository, "npm start" brings its own.\n`,
  )
  process.exitCode = 1
} else {
  // The same folder that src/main.ts names, and for the same reason.
  nodeModule.enableCompileCache(fileURLToPath(new URL('./node_modules/.cache/berth/', import.meta.url)))
  await import('./src/main.ts')
}
