/** Part of `npm run docs`: writes the page that is made from the contract. */
import { writeFileSync } from 'node:fs'
import { apiPage } from './reference.ts'

writeFileSync(new URL('../../docs/api.md', import.meta.url), apiPage())
