import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

const load = new URL('./load.ts', import.meta.url).href

/** Whether a fresh process that loads the configuration has read the YAML parser. */
function loadsYaml(env: Record<string, string>): boolean {
  const script = `
    import { createRequire } from 'node:module'
    const { loadConfig } = await import(${JSON.stringify(load)})
    loadConfig({ env: ${JSON.stringify(env)} })
    const { cache } = createRequire(${JSON.stringify(load)})
    console.log(Object.keys(cache).some((file) => /[\\\\/]yaml[\\\\/]/.test(file)))`
  return (
    execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).trim() ===
    'true'
  )
}

test('the YAML parser is not loaded where nothing needs it', () => {
  assert.equal(
    loadsYaml({ REGISTRY_HTTP_ADDR: ':6000', REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/srv/x' }),
    false,
  )
  assert.equal(loadsYaml({ REGISTRY_LOG_FIELDS: '{a: b}' }), true)
})
