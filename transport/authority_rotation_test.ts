import assert from "node:assert/strict";
import { AuthoritySet } from "../identity/authority_set.ts";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { newDeviceId } from "../identity/device_id.ts";
import { fingerprintOf } from "../identity/fingerprint.ts";
import { certificateChainToPem } from "../identity/pem.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { systemClock } from "../identity/unix_ms.ts";
import type { ClientTlsMaterial } from "./client_tls_material.ts";
import type { FrontMode } from "./grpc/tls_front.ts";
import { check, healthClient, startFront } from "./grpc/testing/front_fixture.ts";
import { assertServes, startRuntime } from "./quic/testing/runtime_fixture.ts";
import type { ServerTlsMaterial } from "./server_tls_material.ts";

const ANYONE: FrontMode = { kind: "mutual", authorize: () => undefined };
const HOUR_MS = 3_600_000;

/** A daemon's TLS as its CAs are now. */
async function serverOf(authorities: AuthoritySet): Promise<ServerTlsMaterial> {
  const { current, serverChain, trusted } = authorities;
  const leaf = await current.issueServerCertificate({ names: [], addresses: [], validityMs: HOUR_MS });
  return {
    certificatePem: leaf.certificatePem + certificateChainToPem(serverChain),
    keyPem: leaf.privateKeyPem,
    clientCaPem: trusted.map(({ certificatePem }) => certificatePem),
  };
}

/** A node whose certificate `issuer` has issued, and that trusts these, in one PEM text as its file has them. */
async function nodeOf(
  issuer: CertificateAuthority,
  trusted: readonly CertificateAuthority[],
): Promise<ClientTlsMaterial> {
  const tlsKey = await TlsKey.generate();
  const { certificatePem } = await issuer.issueClientCertificate({
    deviceId: newDeviceId(),
    clientKind: "node",
    trustDomain: "palyra",
    publicKey: tlsKey.publicKey,
    validityMs: HOUR_MS,
  });
  const caPem = trusted.map((each) => each.certificatePem).join("");
  return { caPem: [caPem], certificatePem, keyPem: await tlsKey.toPem() };
}

/** Whether a node is let in over gRPC, and over QUIC. */
async function letIn(server: ServerTlsMaterial, node: ClientTlsMaterial) {
  await using front = await startFront(ANYONE, server);
  await using quic = await startRuntime({ tls: server });
  const identity = {
    certificatePem: node.certificatePem,
    keyPem: node.keyPem,
    der: new Uint8Array(),
    fingerprint: fingerprintOf(new Uint8Array()),
  };
  using client = healthClient(front.port, { ...identity, certificatePem: node.caPem.join("") }, identity);
  const grpc = await check(client) === undefined;
  const overQuic = await assertServes(quic.address, node).then(() => true, () => false);
  return { grpc, quic: overQuic };
}

const BOTH = { grpc: true, quic: true };
const NEITHER = { grpc: false, quic: false };

Deno.test("both transports let every node in at every step of a CA's rotation, and none of the CA that was retired", async () => {
  const [old, next] = await Promise.all([create(), create()]);
  const nodes = {
    "has and trusts the old CA": await nodeOf(old, [old]),
    "has the old CA's certificate, trusts both": await nodeOf(old, [old, next]),
    "has the old CA's certificate, trusts both, the new one first": await nodeOf(old, [next, old]),
    "has the new CA's certificate, trusts both": await nodeOf(next, [next, old]),
    "has and trusts the new CA": await nodeOf(next, [next]),
    // It missed the second step: the link from the old CA, behind the server's certificate, leads it there.
    "has the new CA's certificate, trusts the old one": await nodeOf(next, [old]),
  };
  const stable = AuthoritySet.of(old);
  const introducing = stable.introducing(next);
  const retiring = await introducing.completed();
  const retired = retiring.without(retiring.retiring);
  const steps = { stable, introducing, retiring, retired };
  const expected: Readonly<Record<keyof typeof steps, readonly (typeof BOTH)[]>> = {
    stable: [BOTH, BOTH, BOTH, NEITHER, NEITHER, NEITHER],
    introducing: [BOTH, BOTH, BOTH, BOTH, NEITHER, BOTH],
    retiring: [BOTH, BOTH, BOTH, BOTH, BOTH, BOTH],
    retired: [NEITHER, NEITHER, NEITHER, BOTH, BOTH, NEITHER],
  };
  for (const [step, authorities] of Object.entries(steps)) {
    // deno-lint-ignore no-await-in-loop -- a table
    const server = await serverOf(authorities);
    for (const [index, [name, node]] of Object.entries(nodes).entries()) {
      // deno-lint-ignore no-await-in-loop -- a table
      const outcome = await letIn(server, node);
      assert.deepEqual(outcome, expected[step as keyof typeof steps][index], `${step}: a node that ${name}`);
    }
  }
});

Deno.test("no transport follows a link from a CA that has the name of the old one and not its key", async () => {
  const [old, next, namesake] = await Promise.all([create(), create(), create()]);
  const server = await serverOf(await AuthoritySet.of(namesake).introducing(next).completed());
  assert.deepEqual(await letIn(server, await nodeOf(next, [old])), NEITHER);
  assert.deepEqual(await letIn(server, await nodeOf(next, [namesake])), BOTH);
});

function create(): Promise<CertificateAuthority> {
  return CertificateAuthority.create({ clock: systemClock });
}
