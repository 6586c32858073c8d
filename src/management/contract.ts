/** `/api/v1`, all of it: a route that does not stand here is not answered, and one without a permission does not compile. */
import { auditRoutes, explainRoutes, ruleRoutes } from './contract-access.ts'
import { groupRoutes, userRoutes } from './contract-accounts.ts'
import { meRoutes, sessionRoutes, systemRoutes } from './contract-me.ts'
import type { AnyRoute } from './contract-route.ts'
import { robotRoutes, tokenRoutes } from './contract-secrets.ts'

export const contract = {
  ...systemRoutes,
  ...meRoutes,
  ...sessionRoutes,
  ...userRoutes,
  ...groupRoutes,
  ...robotRoutes,
  ...tokenRoutes,
  ...ruleRoutes,
  ...explainRoutes,
  ...auditRoutes,
} satisfies Record<string, AnyRoute>

export type Contract = typeof contract
export type RouteName = keyof Contract
