import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { newConnectionId } from "./connection_id.ts";
import type { QuicConnection } from "./quic_connection.ts";
import { ConnectedPair } from "./testing/connected_pair.ts";

function issue({ native }: QuicConnection): void {
  native.newSourceCid(newConnectionId(), 1n, true);
}

Deno.test("QuicConnection tells its peer that it is over when the native library can make no packet any more", async () => {
  using pair = await ConnectedPair.make();
  const { connection, client, host } = pair;
  const { native } = connection;
  const ping = () => {
    native.sendAckEliciting();
    connection.flush();
  };
  issue(connection);
  issue(connection);
  connection.flush();
  const overtaken = host.take();
  // Until the daemon takes the word of the new ids for lost.
  while (native.stats().lost === 0) {
    ping();
    pair.toClient();
    pair.toDaemon();
    // deno-lint-ignore no-await-in-loop -- packets that were sent at the same time are not lost one after the other
    if (native.stats().lost === 0) await delay(5);
  }
  // It has said it again, and that is lost indeed.
  host.take();
  for (const datagram of overtaken) client.consume(datagram);
  pair.toDaemon();
  // Another id, for which the client gives one back whose word the daemon then takes for lost a second time.
  issue(connection);
  for (let flights = 0; connection.closed === undefined && flights < 10; flights++) {
    ping();
    pair.toClient();
    pair.toDaemon();
    // deno-lint-ignore no-await-in-loop -- as above
    await delay(5);
  }
  const reason = "a packet could not be made";
  assert.deepEqual(await connection.whenClosed, { by: "local", application: true, code: 1, reason });
  pair.toClient();
  assert.deepEqual(client.peerError, { application: true, code: 1, reason });
});
