/** What one program measured in one go. Latencies in milliseconds. */
export type Figures = {
  /** Answers, blobs or images. */
  units: number
  /** Bytes of bodies. */
  bytes: number
  seconds: number
  p50: number
  p99: number
  max: number
  /** Seconds of processor time that the client itself took. */
  clientCpu: number
  /** Digest of the last blob that was pushed, or empty. */
  last: string
}

export type Asked = {
  method: 'GET' | 'HEAD' | 'DELETE'
  path: string
  status: number
  /** Bytes of the body (of a HEAD: its Content-Length); undefined: any. */
  length?: number | undefined
  /** A whole header line. */
  header?: string | undefined
}

/** `authorization`: the value of that header, which all requests then send. */
export type Server = { port: number; isTls: boolean; authorization?: string }
