/**
 * Who is to blame when a connection has been silent for too long? The peer, if it owes bytes of a body that is
 * being read or does not take the bytes of an answer; otherwise this server is still at work (syncing to disk,
 * waiting for a lock) and the silence is no reason to give up. There is no limit on how long a body may take.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

type Stall = 'reading' | 'writing' | undefined

/**
 * To be asked after a time in which nothing was read from and nothing was written to the socket.
 * @param newest the request whose body the connection is in, or was in last.
 * @param oldest the response being written.
 */
export function stallOf(
  socket: Socket,
  newest: IncomingMessage | undefined,
  oldest: ServerResponse | undefined,
): Stall {
  if (socket.writableLength > 0) return 'writing'
  if (oldest !== undefined && oldest.headersSent && oldest.writableLength > 0) return 'writing'
  return newest !== undefined && awaitsBody(newest) ? 'reading' : undefined
}

/** Whether somebody has begun to read the body, it is not all here, and there is room for more of it. */
function awaitsBody(req: IncomingMessage): boolean {
  if (req.complete || req.destroyed) return false
  const begun = req.readableDidRead || req.readableFlowing === true || req.listenerCount('readable') > 0
  return begun && req.readableLength < req.readableHighWaterMark
}
