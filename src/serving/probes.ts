/** `/livez` and `/readyz`: what Kubernetes asks, on the registry's port and on the debug port alike. */
import { errorBody } from './refusal.ts'
import type { Health } from './health.ts'

type ProbeAnswer = { status: number; contentType: 'application/json'; body: string }
export type Probes = (path: string) => ProbeAnswer | undefined

/**
 * Live: the process answers. Ready: every health check passes and nothing else stands in the way.
 * @param notReady says why no requests should come now (starting, draining), undefined where they may.
 */
export function createProbes({
  health,
  notReady = () => undefined,
}: {
  health: Health
  notReady?: () => string | undefined
}): Probes {
  return (path) => {
    if (path === '/livez') return answer(200, '{}')
    if (path !== '/readyz') return undefined
    const because = notReady()
    const failing = because === undefined ? health.failing() : { ...health.failing(), server: because }
    const names = Object.keys(failing)
    if (names.length === 0) return answer(200, '{}')
    // Names only: this port is open to the world, and what is wrong may name hosts and folders.
    const body = errorBody('UNAVAILABLE', because ?? 'health check failed: please see /debug/health', {
      failing: names.length,
    })
    return answer(503, body)
  }
}

function answer(status: number, body: string): ProbeAnswer {
  return { status, contentType: 'application/json', body }
}
