import { testMaterial } from "../../../transport/testing/test_material.ts";
import { tableLines } from "../../../transport/program/terminal_table.ts";
import type { QuicImplementation } from "./quic_implementation.ts";
import type { QuicMaterial } from "./quic_peer.ts";
import { median, medianRatio, type QuicResult } from "./quic_result.ts";
import { QuicRounds } from "./quic_rounds.ts";
import type { QuicWorkload } from "./quic_workload.ts";

const ROUNDS = { rounds: 3, roundMs: 2_000, warmUpMs: 1_000 } as const;

/** One line of the table. */
interface Row {
  readonly name: string;
  readonly workload: QuicWorkload;
  /** The least that is wanted of the endpoint, as a ratio. */
  readonly wanted?: { readonly toBuiltIn?: number; readonly toPackage?: number };
}

const REQUESTS = { toBuiltIn: 0.7 } as const;
const REQUESTS_AT_32 = { ...REQUESTS, toPackage: 20 } as const;

const ROWS: readonly Row[] = [
  { name: "handshakes, 8 at once", workload: { kind: "handshake", inFlight: 8 } },
  { name: "new streams, 1 in flight", workload: { kind: "new_stream", inFlight: 1 }, wanted: REQUESTS },
  { name: "new streams, 32 in flight", workload: { kind: "new_stream", inFlight: 32 }, wanted: REQUESTS_AT_32 },
  { name: "new streams, 256 in flight", workload: { kind: "new_stream", inFlight: 256 }, wanted: REQUESTS },
  { name: "long stream, 1 in flight", workload: { kind: "long_stream", inFlight: 1 }, wanted: REQUESTS },
  { name: "long stream, 32 in flight", workload: { kind: "long_stream", inFlight: 32 }, wanted: REQUESTS_AT_32 },
  { name: "long stream, 256 in flight", workload: { kind: "long_stream", inFlight: 256 }, wanted: REQUESTS },
  { name: "one stream, MiB", workload: { kind: "upload", inFlight: 1 } },
];

const NOTES = [
  "endpoint: this project's; mutual TLS, retry before any state is kept",
  "built-in: Deno.QuicEndpoint; its server cannot ask for client certificates, so only the server is authenticated",
  "package: the JavaScript of @matrixai/quic over the same native library; mutual TLS, retry",
  "A request is 100 bytes behind their length, a write of its own each way; a handshake is done when one request on it " +
  "is answered.",
];

/** Compares this project's QUIC with Deno's own and with the package's, client and server in two processes. */
export async function benchQuic(print: (line: string) => void): Promise<void> {
  print("");
  print(
    `QUIC: medians of ${ROUNDS.rounds} interleaved rounds of ${ROUNDS.roundMs / 1000} s; ratios of the same rounds`,
  );
  for (const note of NOTES) print(note);
  await using rounds = new QuicRounds(await material());
  const rows: string[][] = [];
  const failures: string[] = [];
  for (const row of ROWS) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    const results = await rounds.run(row.workload, ROUNDS);
    rows.push(cellsOf(row, results));
    for (const [implementation, { failure }] of results) {
      if (failure !== undefined) failures.push(`${row.name}, ${implementation}: ${failure}`);
    }
  }
  print("");
  for (const line of tableLines({ columns: COLUMNS, rows })) print(line);
  for (const failure of failures) print(failure);
}

const COLUMNS = [
  { title: "QUIC" },
  { title: "TO BUILT-IN", align: "right" },
  { title: "WANTED", align: "right" },
  { title: "TO PACKAGE", align: "right" },
  { title: "WANTED", align: "right" },
  { title: "ENDPOINT /S", align: "right" },
  { title: "BUILT-IN /S", align: "right" },
  { title: "PACKAGE /S", align: "right" },
] as const;

const NOTHING: QuicResult = { rates: [] };

function cellsOf({ name, wanted }: Row, results: ReadonlyMap<QuicImplementation, QuicResult>): string[] {
  const [endpoint = NOTHING, builtIn = NOTHING, ofPackage = NOTHING] = [
    results.get("endpoint"),
    results.get("built_in"),
    results.get("package"),
  ];
  return [
    name,
    ...ratioCells(medianRatio(endpoint, builtIn), wanted?.toBuiltIn),
    ...ratioCells(medianRatio(endpoint, ofPackage), wanted?.toPackage),
    rateCell(endpoint),
    rateCell(builtIn),
    rateCell(ofPackage),
  ];
}

function ratioCells(ratio: number | undefined, wanted: number | undefined): [string, string] {
  const shown = ratio === undefined ? "" : `${ratio < 10 ? ratio.toFixed(2) : ratio.toFixed(0)} ×`;
  if (wanted === undefined) return [shown, ""];
  return [shown, ratio !== undefined && ratio >= wanted ? `≥ ${wanted} ok` : `≥ ${wanted} MISSED`];
}

function rateCell({ rates, failure }: QuicResult): string {
  if (failure !== undefined) return failure.startsWith("hung") ? "hung" : "died";
  const rate = median(rates);
  return rate === undefined ? "" : rate.toFixed(rate < 10 ? 1 : 0);
}

async function material(): Promise<QuicMaterial> {
  const { ca, server, client } = await testMaterial();
  return {
    caPem: ca.certificatePem,
    serverChainPem: server.certificatePem,
    serverKeyPem: server.keyPem,
    clientCertificatePem: client.certificatePem,
    clientKeyPem: client.keyPem,
  };
}
