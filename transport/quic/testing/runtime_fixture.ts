import assert from "node:assert/strict";
import type { PalyraError } from "../../../identity/palyra_error.ts";
import type { ClientTlsMaterial } from "../../client_tls_material.ts";
import type { DaemonSession } from "../../session.ts";
import { testMaterial } from "../../testing/test_material.ts";
import { QuicClient } from "../quic_client.ts";
import { QuicRuntime, type QuicRuntimeOptions } from "../quic_runtime.ts";
import type { Host } from "../quiche_addon.ts";
import { AskedStream } from "./asked_stream.ts";
import { keptEvents } from "./kept_events.ts";
import { Recorder } from "./recorder.ts";

/** A daemon's QUIC listener with the shared test certificates. */
export interface RuntimeFixture extends AsyncDisposable {
  readonly runtime: QuicRuntime;
  readonly address: Host;
  /** Connections that were not let in. */
  readonly refusals: Recorder<PalyraError>;
  /** Sessions that were opened; a test that wants to read from one sets its handler. */
  readonly sessions: Recorder<DaemonSession>;
}

/** Starts one on a free port of 127.0.0.1; it lets every certificate of the test CA in, unless told otherwise. */
export async function startRuntime(options: Partial<QuicRuntimeOptions> = {}): Promise<RuntimeFixture> {
  const { server } = await testMaterial();
  const refusals = new Recorder<PalyraError>();
  const sessions = new Recorder<DaemonSession>();
  const runtime = QuicRuntime.start({
    hostname: "127.0.0.1",
    port: 0,
    tls: server,
    authorize: () => undefined,
    onSession: (session) => sessions.add(session),
    health: () => ({ nodeRpcMtlsRequired: true }),
    events: keptEvents().read,
    onRefused: (_remoteAddress, refusal) => refusals.add(refusal),
    ...options,
  });
  return {
    runtime,
    address: { host: "127.0.0.1", port: runtime.address.port },
    refusals,
    sessions,
    [Symbol.asyncDispose]: () => runtime.close({ graceMs: 0 }),
  };
}

/** Asserts that a lawful client is let in and answered, with the shared test certificate or another. */
export async function assertServes(address: Host, material?: ClientTlsMaterial): Promise<void> {
  const client = await QuicClient.connect(
    { address, material: material ?? (await testMaterial()).client },
    new AbortController().signal,
  );
  try {
    await assertHealthy(client);
  } finally {
    await client.close();
  }
}

/** Asserts that `node.health` is answered on a connection, whoever made it. */
export async function assertHealthy({ connection }: Pick<QuicClient, "connection">): Promise<void> {
  const stream = AskedStream.ask(connection, "node.health");
  assert.deepEqual(await stream.answers.at(0), { kind: "health", nodeRpcMtlsRequired: true });
  assert.deepEqual(await stream.ended, { kind: "finished" });
}
