/** The variables that the kubelet puts into a container for each Service of its namespace (`enableServiceLinks`). */

export type LinkedService = {
  name: string
  address: string
  ports: readonly { name?: string; port: number; protocol?: string }[]
}

/** As the kubelet makes them: those of today, and those in the form of Docker's links. */
export function serviceLinks({ name, address, ports }: LinkedService): Record<string, string> {
  const prefix = variableOf(name)
  const [first] = ports
  if (first === undefined) return {}
  const links: Record<string, string> = {
    [`${prefix}_SERVICE_HOST`]: address,
    [`${prefix}_SERVICE_PORT`]: String(first.port),
    [`${prefix}_PORT`]: urlOf(address, first),
  }
  for (const one of ports) {
    const { port, protocol = 'TCP' } = one
    if (one.name !== undefined) links[`${prefix}_SERVICE_PORT_${variableOf(one.name)}`] = String(port)
    const link = `${prefix}_PORT_${port}_${protocol}`
    links[link] = urlOf(address, one)
    links[`${link}_PROTO`] = protocol.toLowerCase()
    links[`${link}_PORT`] = String(port)
    links[`${link}_ADDR`] = address
  }
  return links
}

const variableOf = (name: string): string => name.toUpperCase().replaceAll('-', '_')

function urlOf(address: string, { port, protocol = 'TCP' }: { port: number; protocol?: string }): string {
  const host = address.includes(':') ? `[${address}]` : address
  return `${protocol.toLowerCase()}://${host}:${port}`
}
