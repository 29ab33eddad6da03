/**
 * The client process of the QUIC benchmark. Arguments: the implementation and the server's port. Reads the material as
 * one line of JSON, then an order a line, and answers each with a line.
 *
 * @module
 */
import { measure } from "../latency.ts";
import { inputLines, printLine } from "./process_lines.ts";
import { loadQuicPeer } from "./quic_implementation.ts";
import type { QuicBenchConnection, QuicMaterial } from "./quic_peer.ts";
import { type QuicOrder, type QuicReport, UPLOAD_BYTES } from "./quic_workload.ts";
import { LongStream, requestOnNewStream, upload } from "./requests.ts";

const peer = await loadQuicPeer(Deno.args[0]);
const port = Number(Deno.args[1]);

async function handshake(material: QuicMaterial): Promise<void> {
  const connection = await peer.connect(material, port);
  await requestOnNewStream(connection);
  await connection.close();
}

async function run({ workload, durationMs }: QuicOrder, material: QuicMaterial): Promise<QuicReport> {
  let connection: QuicBenchConnection | undefined;
  let once = () => handshake(material);
  if (workload.kind !== "handshake") {
    const opened = connection = await peer.connect(material, port);
    if (workload.kind === "new_stream") once = () => requestOnNewStream(opened);
    else if (workload.kind === "upload") once = () => upload(opened, UPLOAD_BYTES);
    else {
      const stream = new LongStream(await opened.openStream());
      once = () => stream.request();
    }
  }
  const start = performance.now();
  const samples = await measure(once, workload.inFlight, durationMs);
  const elapsedMs = performance.now() - start;
  await connection?.close();
  return { count: samples.length, elapsedMs };
}

let material: QuicMaterial | undefined;
for await (const line of inputLines()) {
  if (material === undefined) material = JSON.parse(line) as QuicMaterial;
  else printLine(JSON.stringify(await run(JSON.parse(line), material)));
}
