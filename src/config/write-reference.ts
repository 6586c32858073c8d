/** `npm run docs`: writes the pages that are made from code. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { referencePage } from './reference.ts'

const docs = new URL('../../docs/', import.meta.url)
mkdirSync(docs, { recursive: true })
writeFileSync(new URL('configuration.md', docs), referencePage())
