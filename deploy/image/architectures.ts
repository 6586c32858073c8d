/** The architectures that an image is made for, in the words of all who name them. */
export const ARCHITECTURES = ['amd64', 'arm64'] as const

/** As OCI and Debian say it. */
export type Architecture = (typeof ARCHITECTURES)[number]

/** As Node.js says it, in `process.arch` and in the names of its packages. */
export const NODE_ARCH: Readonly<Record<Architecture, string>> = { amd64: 'x64', arm64: 'arm64' }
