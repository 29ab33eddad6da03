/**
 * The server process of the QUIC benchmark. Argument: the implementation. Reads the material as one line of JSON,
 * prints its port, and serves until it is ended.
 *
 * @module
 */
import { serveStream } from "./echo_service.ts";
import { inputLines, printLine } from "./process_lines.ts";
import { loadQuicPeer } from "./quic_implementation.ts";

const peer = await loadQuicPeer(Deno.args[0]);
for await (const line of inputLines()) {
  const port = await peer.listen(JSON.parse(line), (stream) => void serveStream(stream).catch(() => {}));
  printLine(String(port));
}
