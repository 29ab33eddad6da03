import type { QuicConnection } from "../quic_connection.ts";
import type { QuicRuntimeOptions } from "../quic_runtime.ts";
import { clientIdentity } from "./identities.ts";
import { RawQuicClient } from "./raw_quic_client.ts";
import { assertHealthy, assertServes, type RuntimeFixture, startRuntime } from "./runtime_fixture.ts";

/** Registers a test on a connection that was let in. After it the same connection and a new one must be served. */
export function servedTest(
  name: string,
  options: Partial<QuicRuntimeOptions>,
  body: (connection: QuicConnection, fixture: RuntimeFixture) => Promise<void>,
): void {
  Deno.test(name, async () => {
    await using fixture = await startRuntime(options);
    await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
    await body(client.connection, fixture);
    await assertHealthy(client);
    await assertServes(fixture.address);
  });
}
