import type { Fingerprint } from "../../identity/fingerprint.ts";
import type { ClientTlsMaterial } from "../client_tls_material.ts";
import type { ServerTlsMaterial } from "../server_tls_material.ts";
import { type TestIdentity, TestPki } from "./test_pki.ts";

/** A CA, a daemon and a node, for tests that are not about certificates. */
export interface TestMaterial {
  readonly ca: TestIdentity;
  readonly server: ServerTlsMaterial;
  readonly serverFingerprint: Fingerprint;
  readonly client: ClientTlsMaterial;
  readonly clientIdentity: TestIdentity;
}

let shared: Promise<TestMaterial> | undefined;

/** The material of this process, made at the first call. */
export function testMaterial(): Promise<TestMaterial> {
  shared ??= makeMaterial();
  return shared;
}

async function makeMaterial(): Promise<TestMaterial> {
  await using pki = await TestPki.create();
  const server = await pki.issue("daemon", { usage: "serverAuth" });
  const node = await pki.issue("node", { usage: "clientAuth" });
  return {
    ca: pki.ca,
    server: materialOf(pki, server),
    serverFingerprint: server.fingerprint,
    client: clientMaterialOf(pki, node),
    clientIdentity: node,
  };
}

/** What a node with this identity connects with. */
export function clientMaterialOf({ ca }: TestPki, { certificatePem, keyPem }: TestIdentity): ClientTlsMaterial {
  return { caPem: [ca.certificatePem], certificatePem, keyPem };
}

/** The material of a server that accepts the clients of `pki`. */
export function materialOf(pki: TestPki, server: TestIdentity): ServerTlsMaterial {
  return {
    certificatePem: server.certificatePem + pki.ca.certificatePem,
    keyPem: server.keyPem,
    clientCaPem: [pki.ca.certificatePem],
  };
}
