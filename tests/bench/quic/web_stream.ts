import type { QuicBenchStream } from "./quic_peer.ts";

/** A pair of web streams as the benchmark's stream. */
export function webStream(
  { readable, writable }: { readable: ReadableStream<Uint8Array>; writable: WritableStream<Uint8Array> },
): QuicBenchStream {
  const reader = readable.getReader();
  const writer = writable.getWriter();
  writer.closed.catch(() => {});
  return {
    read: async () => (await reader.read()).value ?? null,
    write: async (bytes, last) => {
      const written = writer.write(bytes);
      if (!last) return await written;
      await Promise.all([written, writer.close()]);
    },
  };
}
