import assert from "node:assert/strict";
import type { PalyraError } from "../identity/palyra_error.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { type ConnectionStatus, ConnectionStatusFile, readConnectionStatus, statusPath } from "./connection_status.ts";
import { TestFolder } from "./testing/test_folder.ts";

const CONNECTED: ConnectionStatus = {
  state: "connected",
  choice: { transport: "grpc", reason: "quic_slow", explanation: "QUIC did not answer within 0.4 s" },
  daemonEndpoint: "daemon.example:7444",
  since: unixMs(1_790_000_000_000),
  epoch: 3,
  lastFailure: undefined,
  nextTryAt: undefined,
  renewalFailure: undefined,
};

const WAITING: ConnectionStatus = {
  ...CONNECTED,
  state: "waiting",
  epoch: undefined,
  lastFailure: { code: "daemon_unreachable", message: "Nothing listens there." },
  nextTryAt: unixMs(1_790_000_001_000),
  renewalFailure: { code: "clock_off", message: "Set the clock right.", nextTryAt: unixMs(1_790_000_002_000) },
};

Deno.test("ConnectionStatusFile writes what readConnectionStatus() reads", async () => {
  await using folder = await TestFolder.create();
  assert.equal(await readConnectionStatus(folder.path), undefined);
  const file = new ConnectionStatusFile(folder.path);
  for (const status of [CONNECTED, WAITING]) {
    file.put(status);
    // deno-lint-ignore no-await-in-loop -- one status after the other
    await file.flush();
    // deno-lint-ignore no-await-in-loop -- one status after the other
    assert.deepEqual(await readConnectionStatus(folder.path), status);
  }
});

Deno.test("ConnectionStatusFile ends with the newest status however fast they come", async () => {
  await using folder = await TestFolder.create();
  const file = new ConnectionStatusFile(folder.path);
  for (let epoch = 1; epoch <= 100; epoch++) file.put({ ...CONNECTED, epoch });
  await file.flush();
  assert.equal((await readConnectionStatus(folder.path))?.epoch, 100);
});

Deno.test("ConnectionStatusFile goes on when nothing can be written", async () => {
  const folder = await TestFolder.create();
  const file = new ConnectionStatusFile(folder.path);
  await folder[Symbol.asyncDispose]();
  file.put(CONNECTED);
  await file.flush();
});

Deno.test("readConnectionStatus() reads a file from before certificates were renewed", async () => {
  await using folder = await TestFolder.create();
  const file = new ConnectionStatusFile(folder.path);
  file.put(CONNECTED);
  await file.flush();
  const path = statusPath(folder.path);
  const { renewal_error: _, ...before }: Record<string, unknown> = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify(before));
  assert.deepEqual(await readConnectionStatus(folder.path), CONNECTED);
});

Deno.test("readConnectionStatus() reads a file from before there was a choice of transports", async () => {
  await using folder = await TestFolder.create();
  const file = new ConnectionStatusFile(folder.path);
  file.put(CONNECTED);
  await file.flush();
  const path = statusPath(folder.path);
  const { transport_reason: _, transport_explanation: __, ...before }: Record<string, unknown> = JSON.parse(
    await Deno.readTextFile(path),
  );
  await Deno.writeTextFile(path, JSON.stringify(before));
  assert.deepEqual(await readConnectionStatus(folder.path), { ...CONNECTED, choice: undefined });
});

Deno.test("readConnectionStatus() refuses a damaged file", async () => {
  await using folder = await TestFolder.create();
  await Deno.writeTextFile(statusPath(folder.path), '{"schema_version":1,"state":"fine"}');
  await assert.rejects(readConnectionStatus(folder.path), (error: PalyraError) => error.code === "state_damaged");
});
