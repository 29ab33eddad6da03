import { join } from "node:path";
import type { ChannelCredentials } from "@grpc/grpc-js";
import { CertificateAuthority } from "../../identity/certificate_authority.ts";
import type { ClientKind } from "../../identity/client_kind.ts";
import { type DeviceId, newDeviceId, parseDeviceId } from "../../identity/device_id.ts";
import { parseCertificateFacts } from "../../identity/certificate_facts.ts";
import { parseEndpoint } from "../../identity/endpoint.ts";
import { TlsKey } from "../../identity/tls_key.ts";
import { type Clock, systemClock } from "../../identity/unix_ms.ts";
import { AdminServiceClient } from "../../proto/gen/admin.ts";
import { NodeServiceClient } from "../../proto/gen/node.ts";
import { channelOptions, channelTarget, mutualCredentials } from "../../transport/grpc/grpc_channel.ts";
import type { Fleet } from "./fleet.ts";

/** A certificate with its key, and the CA its holder trusts. */
export interface TestIdentity {
  readonly deviceId: DeviceId;
  readonly caPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** The identity of a node that the fleet has paired, from its state folder. */
export async function identityOf(fleet: Fleet, name: string): Promise<TestIdentity> {
  const read = (file: string) => Deno.readTextFile(join(fleet.nodeRoot(name), "node-host", "secrets", file));
  const certificatePem = await read("client-certificate.pem");
  const { deviceId } = parseCertificateFacts(certificatePem);
  return {
    deviceId: parseDeviceId(deviceId ?? ""),
    caPem: await read("trusted-ca.pem"),
    certificatePem,
    keyPem: await read("tls-key.pem"),
  };
}

/** The daemon's own CA, as somebody would have it who stole the state folder. */
export async function stolenCa(fleet: Fleet, clock: Clock = systemClock): Promise<CertificateAuthority> {
  const read = (file: string) => Deno.readTextFile(join(fleet.daemonRoot, "palyrad", "secrets", file));
  return await CertificateAuthority.fromPem({
    certificatePem: await read("ca-certificate.pem"),
    privateKeyPem: await read("ca-key.pem"),
    clock,
  });
}

/** A certificate from `ca` for any device and kind. */
export async function forge(
  ca: CertificateAuthority,
  trustedCaPem: string,
  { deviceId = newDeviceId(), clientKind = "node" as ClientKind, validityMs = 3_600_000 } = {},
): Promise<TestIdentity> {
  const key = await TlsKey.generate();
  const { certificatePem } = await ca.issueClientCertificate({
    trustDomain: "palyra",
    clientKind,
    deviceId,
    publicKey: key.publicKey,
    validityMs,
  });
  return { deviceId, caPem: trustedCaPem, certificatePem, keyPem: await key.toPem() };
}

/** Channel credentials of an identity. */
export function credentialsOf({ caPem, certificatePem, keyPem }: TestIdentity): ChannelCredentials {
  return mutualCredentials({ caPem: [caPem], certificatePem, keyPem });
}

/** A NodeService client that closes with its scope. */
export function nodeClient(endpoint: string, identity: TestIdentity): NodeServiceClient & Disposable {
  return disposable(
    new NodeServiceClient(channelTarget(parseEndpoint(endpoint)), credentialsOf(identity), channelOptions()),
  );
}

/** An AdminService client that closes with its scope. */
export function adminClient(endpoint: string, identity: TestIdentity): AdminServiceClient & Disposable {
  return disposable(
    new AdminServiceClient(channelTarget(parseEndpoint(endpoint)), credentialsOf(identity), channelOptions()),
  );
}

function disposable<T extends { close(): void }>(client: T): T & Disposable {
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}
