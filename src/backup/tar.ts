/** Tar streams, by a library that is loaded only here: files of any size (pax), one after the other, both ways. */
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'

export type TarWriter = {
  /** Begins a file of exactly `size` bytes. */
  file(name: string, size: number): { write(bytes: Uint8Array): Promise<void>; end(): Promise<void> }
  /** The end of the archive; resolves when `output` has all of it. `output` is not ended. */
  finish(): Promise<void>
  /** Gives up: what was written is no archive. */
  abort(error: unknown): void
}

export async function createTarWriter(output: Writable): Promise<TarWriter> {
  const { createTarPacker } = await import('modern-tar')
  const { readable, controller } = createTarPacker()
  const flowing = pipeline(Readable.fromWeb(readable as ReadableStream), output, { end: false })
  // Told by `finish`, or by the write that it fails.
  flowing.catch(() => undefined)
  return {
    file(name, size) {
      const writer = controller.add({ name, size, type: 'file', mode: 0o600 }).getWriter()
      writer.closed.catch(() => undefined)
      return {
        // Copied: the library keeps what it is given until it is written.
        write: (bytes) => orBroken(writer.write(Uint8Array.from(bytes)), flowing),
        end: () => orBroken(writer.close(), flowing),
      }
    },
    async finish() {
      controller.finalize()
      await flowing
    },
    abort: (error) => controller.error(error),
  }
}

/** Where the output is broken, its error says more than the library's. */
async function orBroken(work: Promise<void>, flowing: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    await flowing
    throw error
  }
}

type TarFile = { name: string; size: number; body: AsyncIterable<Uint8Array> }

/**
 * Calls `visit` for each file, in order; what it does not read of a file is passed over.
 * @throws Error: it is no tar archive, or only a part of one
 */
export async function readTar(input: Readable, visit: (file: TarFile) => Promise<void>): Promise<void> {
  const { createTarDecoder } = await import('modern-tar')
  const bytes = Readable.toWeb(input) as ReadableStream<Uint8Array>
  const decoder = createTarDecoder({ strict: true })
  const entries = bytes.pipeThrough(decoder as never) as ReadableStream<{
    header: { name: string; size: number; type?: string }
    body: ReadableStream<Uint8Array>
  }>
  for await (const { header, body } of entries) {
    const reader = body.getReader()
    const read = async function* (): AsyncGenerator<Uint8Array> {
      for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value
    }
    if (header.type === undefined || header.type === 'file') {
      await visit({ name: header.name.replace(/^\.\//, ''), size: header.size, body: read() })
    }
    for (let next = await reader.read(); !next.done; next = await reader.read());
  }
}
