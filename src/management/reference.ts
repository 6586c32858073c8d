/** The reference page of the API, made from the contract: `docs/api.md`. */
import { contract } from './contract.ts'
import type { AnyRoute, Need } from './contract-route.ts'
import { permissionText } from './openapi.ts'
import { PROBLEMS } from './problem.ts'

const INTRODUCTION = `# The API

<!-- Made from the contract in src/management by \`npm run docs\`; change it there. -->

Everything that [users, robots, tokens and rules](access.md) are can be read and changed below \`/api/v1\` of the registry, as
JSON. \`/api/v1/openapi.json\` is the same as an OpenAPI 3.1 document, for programs that make clients. Below a prefix
(\`http.prefix\`) it is below that prefix.

What there is stays: fields, routes and parameters may be added, none is taken away or means something else.

## Signing in

- **Programs** send the secret of a robot or a personal token: \`Authorization: Bearer berth_pat_…\`. Name and password, or
  name and secret, as Basic are taken as well. Tokens of the token service (\`/token\`) are for pulling and pushing, not for this.
- **Browsers** have sessions: \`POST /sessions\` with name and password sets a cookie. It ends after 12 hours without a request,
  after 7 days in any case, with the password, and with the account. Changes with a cookie are taken from pages of this
  registry only (\`Sec-Fetch-Site: same-origin\`, or \`Origin\` is the registry). Behind a proxy that changes \`Host\`, set \`http.host\`.

\`\`\`sh
curl -u admin:PASSWORD https://registry.example.com/api/v1/users
curl -H "Authorization: Bearer $TOKEN" "https://registry.example.com/api/v1/me?repository=team/app"
\`\`\`

No other site may read or send anything here: there is no CORS. A token with scopes is for its repositories: it manages robots and
rules where its scopes give \`admin\`, and nothing that is about accounts.

## Routes

Who has \`admin\` on a pattern sees and changes the rules and robots below it; all others are not there for them. A robot that
groups, or rules elsewhere, give more than its scopes is in the hands of administrators only, since whoever could make a secret for
it would have all of that. Names with slashes are taken as they are and with \`%2F\`; \`/-/\` ends a name.

`

const CONVENTIONS = `## Lists

\`limit\` (50, at most 200) and \`cursor\`: an answer is \`{"items": […], "next": "…"}\`, and \`next\` is the cursor of the next page;
null: this was the last one. A page can be short although there is a next one. \`q\` keeps what has this in its name.

## Versions

Rules have an \`ETag\`. To change or remove one, send it in \`If-Match\`; to make one, send \`If-None-Match: *\`. Without either the
answer is 428, and where somebody else was faster 412, with nothing changed. \`If-None-Match\` with the ETag of what you have gets
a 304. What the configuration file has (\`"managedBy": "file"\`) is read here and changed there: 409.

## Errors

\`application/problem+json\` (RFC 9457) with \`type\`, \`title\`, \`status\`, \`detail\` (what to do), \`code\`, \`requestId\` (as in the log) and,
where fields are wrong, \`errors\`: each with a \`pointer\` (into the body, \`?name\` of the query, \`{name}\` of the path) and a \`detail\`.
A body has at most 64 KiB; a field that is not in the contract is refused.

`

const NEEDS: Readonly<Record<Need, string>> = {
  nothing: 'Always',
  accounts: 'Where people sign in',
  access: 'With `access`',
}

export function apiPage(): string {
  const parts = Object.entries(NEEDS).map(([need, title]) => {
    const rows = Object.values<AnyRoute>(contract)
      .filter((route) => route.needs === need)
      .map(({ method, path, summary, permission }) => [
        `\`${method} ${path}\``,
        summary,
        permissionText(permission),
      ])
    return `### ${title}\n\n${aligned(['route', 'what', 'who'], rows)}\n\n`
  })
  const problems = Object.entries(PROBLEMS).map(([code, [status, title]]) => [
    `\`${code}\``,
    String(status),
    title,
  ])
  return `${INTRODUCTION}${parts.join('')}${CONVENTIONS}${aligned(['code', 'status', 'what'], problems)}\n`
}

function aligned(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((cell, column) =>
    Math.max(...[header, ...rows].map((row) => (row[column] ?? cell).length)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(header), rule, ...rows.map(line)].join('\n')
}
