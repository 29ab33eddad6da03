import { join } from "node:path";
import { readDaemonConfig } from "../../daemon/daemon_config.ts";
import { DaemonState } from "../../daemon/daemon_state.ts";
import { createCertificateRequest } from "../../identity/certificate_request.ts";
import { TlsKey } from "../../identity/tls_key.ts";
import { NodeHostState } from "../../node_host/node_host_state.ts";
import type { Fleet } from "./fleet.ts";

/**
 * Enters nodes of these names, with these capabilities granted, into the state of the fleet's daemon, which must not have
 * been started yet: pairing very many one by one is what a daemon refuses. Their own states are below `folder`, each in a
 * folder of its name, and are locked by this process until they are disposed of.
 *
 * @param settings environment variables of palyrad, such as the life of the certificates.
 */
export async function enrolNodes(
  fleet: Pick<Fleet, "daemonRoot">,
  folder: string,
  names: readonly string[],
  capabilities: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): Promise<Map<string, NodeHostState>> {
  const environment = {
    get: (name: string) => name === "PALYRA_STATE_ROOT" ? fleet.daemonRoot : settings[name],
  };
  const daemon = await DaemonState.open(await readDaemonConfig({ environment }));
  try {
    const enrolled = names.map(async (name) => [name, await enrol(daemon, folder, name, capabilities)] as const);
    return new Map(await Promise.all(enrolled));
  } finally {
    await daemon.close();
  }
}

async function enrol(
  daemon: DaemonState,
  folder: string,
  name: string,
  capabilities: readonly string[],
): Promise<NodeHostState> {
  const state = await NodeHostState.open(join(folder, name));
  const { deviceId, publicKey, fingerprint } = await state.ensureIdentity();
  const tlsKey = await TlsKey.generate();
  const pairedAt = daemon.clock();
  const device = {
    deviceId,
    clientKind: "node",
    status: "paired",
    deviceName: name,
    platform: "test",
    publicKey,
    identityFingerprint: fingerprint,
    grantedCapabilities: [...capabilities],
    deniedCapabilities: [],
    recoveryAllowed: true,
    recoveryCount: 0,
    pairedAt,
    approvedBy: "the test",
  } as const;
  await daemon.store.transaction((tx) => tx.devices.put(device));
  const { pem } = await daemon.issuer.issue(device, await createCertificateRequest({ deviceId, tlsKey }));
  const { ca } = daemon.identity;
  await state.completePairing({
    record: {
      deviceId,
      deviceName: name,
      nodeEndpoints: ["127.0.0.1:7444"],
      enrolmentEndpoints: ["127.0.0.1:7445"],
      caFingerprint: ca.fingerprint,
      pairedAt,
      installedAt: pairedAt,
    },
    tlsKey,
    certificatePem: pem,
    trustedCaPem: ca.certificatePem,
  });
  return state;
}
