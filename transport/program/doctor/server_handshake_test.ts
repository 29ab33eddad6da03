import assert from "node:assert/strict";
import { CertificateAuthority } from "../../../identity/certificate_authority.ts";
import { newDeviceId } from "../../../identity/device_id.ts";
import { TlsKey } from "../../../identity/tls_key.ts";
import { systemClock } from "../../../identity/unix_ms.ts";
import { GrpcListener } from "../../grpc/grpc_listener.ts";
import { ServerHandshake } from "./server_handshake.ts";

const HOUR_MS = 3_600_000;

Deno.test("ServerHandshake is no refused connection for a daemon that takes the certificate", async () => {
  const ca = await CertificateAuthority.create({ clock: systemClock });
  const server = await ca.issueServerCertificate({ names: ["home.example"], addresses: [], validityMs: HOUR_MS });
  const key = await TlsKey.generate();
  const { certificatePem } = await ca.issueClientCertificate({
    deviceId: newDeviceId(),
    clientKind: "node",
    trustDomain: "palyra",
    publicKey: key.publicKey,
    validityMs: HOUR_MS,
  });
  const refusals: string[] = [];
  const listener = await GrpcListener.start({
    hostname: "127.0.0.1",
    port: 0,
    mode: { kind: "mutual", authorize: () => undefined },
    tls: {
      certificatePem: server.certificatePem + ca.certificatePem,
      keyPem: server.privateKeyPem,
      clientCaPem: [ca.certificatePem],
    },
    services: () => {},
    onRefused: (_, { code }) => refusals.push(code),
  });
  const endpoint = { host: "127.0.0.1", port: listener.address.port };
  const material = { caPem: [ca.certificatePem], certificatePem, keyPem: await key.toPem() };
  try {
    const { signal } = new AbortController();
    const handshakes = Array.from({ length: 20 }, () => new ServerHandshake(endpoint, material, signal));
    const servers = await Promise.all(handshakes.map(({ believed }) => believed));
    assert.ok(
      servers.every(({ isNamed }) => isNamed("home.example") && isNamed("127.0.0.1") && !isNamed("other.example")),
    );
  } finally {
    // Every connection has been judged when this resolves.
    await listener.close({ graceMs: 0 });
  }
  assert.deepEqual(refusals, []);
});
