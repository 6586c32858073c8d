/**
 * One client connection: which answers are outstanding on it, and what happens when the client breaks HTTP,
 * falls silent, or is refused as a whole. Everything here runs at most once for a connection.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { RegistryError } from '../oci/error.ts'
import { endAndLinger, lingerOnClose, type LingerLimits } from './linger.ts'
import { stallOf } from './progress.ts'
import { refusalBytes, refusalOf, sendRefusal, type Refusal } from './refusal.ts'

/** A body up to this size that nobody read is thrown away to keep the connection; a longer one closes it. */
const KEPT_UNREAD_BODY = 64 * 1024

export type Connection = {
  /** Responses not yet closed, in the order of their requests. */
  readonly open: readonly ServerResponse[]
  /** What every request on this connection is answered with, if set (a client certificate that is missing). */
  refusal: Refusal | undefined
  /** Takes a request in; from now on its response counts as outstanding. `wasContinued`: see {@link continueOnFirstRead}. */
  begin(req: IncomingMessage, res: ServerResponse, wasContinued?: () => boolean): void
  /** The parser gave up, or the headers did not arrive in time. */
  fail(error: NodeJS.ErrnoException): void
  /** Nothing was read or written for the time of `progressMs`. Returns whether waiting on is right. */
  silent(): boolean
  /** Writes a refusal for something that never became a request (CONNECT, a connection too many). */
  refuse(refusal: Refusal): void
}

type Context = {
  socket: Socket
  limits: LingerLimits & { progressMs: number }
  /** Told of each refusal that is sent. */
  refused: (refusal: Refusal) => void
  open: ServerResponse[]
}

export function createConnection(
  socket: Socket,
  { limits, refused }: Pick<Context, 'limits' | 'refused'>,
): Connection {
  const open: ServerResponse[] = []
  const context = { socket, limits, refused, open }
  let newest: IncomingMessage | undefined
  let failed = false
  return {
    open,
    refusal: undefined,
    begin(req, res, wasContinued) {
      newest = req
      open.push(res)
      // It comes once: to take the listener away again would cost as much as the rest.
      res.on('close', () => {
        const index = open.indexOf(res)
        if (index >= 0) open.splice(index, 1)
      })
      if (hasBody(req)) closeIfLeftUnread(req, res, wasContinued, () => lingerOnClose(socket, limits))
    },
    fail(error) {
      if (failed) return
      failed = true
      // Bytes after a request that said `Connection: close`: they are nobody's; what was asked is answered.
      if (error.code === 'HPE_CLOSED_CONNECTION' && open.length > 0) return
      const nothingSaid = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && socket.bytesRead === 0
      if (nothingSaid) socket.destroy()
      else stopWith(context, error, newest !== undefined && !newest.complete)
    },
    silent() {
      if (failed || open.length === 0) return false
      const stall = stallOf(socket, newest, open[0])
      if (stall === undefined) return true
      const last = open.at(-1)
      if (stall === 'writing' || last === undefined) return false
      failed = true
      failBody(context, last, stalledBody(limits.progressMs))
      return true
    },
    refuse: (refusal) => refuse(context, refusal),
  }
}

function stopWith(context: Context, error: NodeJS.ErrnoException, inBody: boolean): void {
  const refusal = refusalOf(error, inBody)
  const last = context.open.at(-1)
  if (refusal !== undefined && !inBody) refuse(context, refusal)
  else if (refusal !== undefined && last !== undefined) failBody(context, last, refusal)
  else context.socket.destroy()
}

/** Raw bytes may go out only when every earlier answer has. */
function refuse(context: Context, refusal: Refusal): void {
  const { socket, limits, refused, open } = context
  if (socket.destroyed || !socket.writable) return void socket.destroy()
  const last = open.at(-1)
  if (last !== undefined) return void last.once('close', () => refuse(context, refusal))
  refused(refusal)
  socket.write(refusalBytes(refusal))
  endAndLinger(socket, limits)
}

/** Answers the request whose body cannot be had whole; where an answer has begun, cuts it off. */
function failBody({ socket, limits, refused }: Context, res: ServerResponse, refusal: Refusal): void {
  if (res.headersSent) {
    if (!res.writableEnded) socket.destroy()
    return
  }
  refused(refusal)
  lingerOnClose(socket, limits)
  sendRefusal(res, refusal)
  mute(res)
  breakOff(res.req, refusal)
}

function stalledBody(progressMs: number): Refusal {
  const seconds = Math.round(progressMs / 1000)
  const message = `no byte of the request body arrived for ${seconds} seconds; ask for the upload's state and go on from there`
  return { status: 408, code: 'UNAVAILABLE', message }
}

function hasBody(req: IncomingMessage): boolean {
  const length = req.headers['content-length']
  return length === undefined ? req.headers['transfer-encoding'] !== undefined : length !== '0'
}

/** An answer given before the body was read ends the connection, unless the rest of the body is short and on its way. */
function closeIfLeftUnread(
  req: IncomingMessage,
  res: ServerResponse,
  wasContinued: (() => boolean) | undefined,
  close: () => void,
): void {
  const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => ServerResponse
  res.writeHead = (...args: unknown[]) => {
    if (!req.complete && !worthKeeping(req, wasContinued)) {
      res.shouldKeepAlive = false
      close()
    }
    return writeHead(...args)
  }
}

function worthKeeping(req: IncomingMessage, wasContinued: (() => boolean) | undefined): boolean {
  if (wasContinued?.() === false) return false
  if (req.destroyed || req.readableDidRead) return false
  return Number(req.headers['content-length']) <= KEPT_UNREAD_BODY
}

/** Makes a response that has been answered for the handler swallow what the handler still says. */
function mute(res: ServerResponse): void {
  const nothing = (...args: unknown[]): ServerResponse => {
    const callback = args.at(-1)
    if (typeof callback === 'function') process.nextTick(callback)
    return res
  }
  const quiet = {
    writeHead: nothing,
    end: nothing,
    setHeader: nothing,
    appendHeader: nothing,
    removeHeader: nothing,
  }
  const write = (...args: unknown[]): boolean => nothing(...args) === res
  Object.assign(res, quiet, { write, setHeaders: nothing, flushHeaders: nothing, destroy: () => res })
}

/** Ends the handler's body stream with an error, and leaves the socket alone, which still carries the answer. */
function breakOff(req: IncomingMessage, refusal: Refusal): void {
  req._destroy = (error, done) => done(error)
  req.on('error', () => undefined)
  req.destroy(new RegistryError(refusal.code, refusal.message, { status: refusal.status }))
}
