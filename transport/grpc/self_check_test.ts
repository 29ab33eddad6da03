import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import * as tls from "node:tls";
import { PalyraError } from "../../identity/palyra_error.ts";
import { checkClientsAreVerified } from "./self_check.ts";
import { materialOf } from "../testing/test_material.ts";
import { startFront } from "./testing/front_fixture.ts";
import { testMaterial } from "../testing/test_material.ts";
import { TestPki } from "../testing/test_pki.ts";

function failsWith(pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof PalyraError && error.code === "self_check_failed" && pattern.test(error.message);
}

Deno.test("checkClientsAreVerified() passes on a port that asks for certificates", async () => {
  await using pki = await TestPki.create();
  const material = materialOf(pki, await pki.issue("d", { usage: "serverAuth" }));
  await using fixture = await startFront({ kind: "mutual", authorize: () => undefined }, material);
  const missed = fixture.nextRefusal();
  await checkClientsAreVerified("127.0.0.1", fixture.port, { missed });
  assert.equal((await missed).code, "certificate_missing");
});

Deno.test("checkClientsAreVerified() fails on a port that lets nobody in but asks for no certificate", async () => {
  const { server: material } = await testMaterial();
  const server = tls.createServer(
    { cert: material.certificatePem, key: material.keyPem },
    (socket) => socket.destroy(),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  const options = { missed: new Promise(() => {}), timeoutMs: 1_000 };
  await assert.rejects(checkClientsAreVerified("127.0.0.1", port, options), failsWith(/asked its self-check for no/));
  const closed = once(server, "close");
  server.close();
  await closed;
});

Deno.test("checkClientsAreVerified() fails on a port that lets clients without a certificate in", async () => {
  await using pki = await TestPki.create();
  const material = materialOf(pki, await pki.issue("d", { usage: "serverAuth" }));
  await using fixture = await startFront({ kind: "server-only" }, material);
  await assert.rejects(checkClientsAreVerified("127.0.0.1", fixture.port), failsWith(/no certificate/));
});

Deno.test("checkClientsAreVerified() fails on a port that closes without having spoken TLS", async () => {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
    socket.end("no TLS here");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await assert.rejects(checkClientsAreVerified("127.0.0.1", port), failsWith(/over TLS/));
  const closed = once(server, "close");
  server.close();
  await closed;
});

Deno.test("checkClientsAreVerified() fails when the port neither answers nor closes", async () => {
  const { server: material } = await testMaterial();
  const sockets: net.Socket[] = [];
  const server = tls.createServer({ cert: material.certificatePem, key: material.keyPem }, (socket) => socket.resume());
  server.on("connection", (socket: net.Socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await assert.rejects(checkClientsAreVerified("127.0.0.1", port, { timeoutMs: 100 }), failsWith(/in time/));
  const closed = once(server, "close");
  server.close();
  for (const socket of sockets) socket.destroy();
  await closed;
});

Deno.test("checkClientsAreVerified() fails when nothing listens", async () => {
  await assert.rejects(checkClientsAreVerified("127.0.0.1", 1), failsWith(/reached/));
});
