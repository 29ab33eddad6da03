import { createCertificateRequest } from "../identity/certificate_request.ts";
import { newDeviceId } from "../identity/device_id.ts";
import { fingerprintOf } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { SecretStore } from "../identity/secret_store.ts";
import { TlsKey } from "../identity/tls_key.ts";
import type { Clock } from "../identity/unix_ms.ts";
import type { CertificateIssuer } from "./certificate_issuer.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import type { DeviceRecord } from "./store/device_record.ts";
import type { Store } from "./store/store.ts";

const CERTIFICATE = "operator-certificate.pem";
const KEY = "operator-key.pem";
const CA = "ca-certificate.pem";
const LOCAL_OPERATOR = "local operator";
const ADMITTED_BY = "palyrad";

/** What an operator's command needs to speak to the daemon of its own machine. */
export interface OperatorCredentials {
  readonly caPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** What {@linkcode issueOperatorCredentials} needs. */
export interface OperatorCredentialsOptions {
  readonly store: Store;
  readonly secrets: SecretStore;
  readonly devices: DeviceRegistry;
  readonly issuer: CertificateIssuer;
  readonly clock: Clock;
}

/**
 * Writes a fresh operator certificate for this machine among the daemon's secrets, so that `palyrad` commands of its
 * owner work without a token (design section 3). The local operator is a device like any other.
 */
export async function issueOperatorCredentials(options: OperatorCredentialsOptions): Promise<void> {
  const tlsKey = await TlsKey.generate();
  const device = await localOperator(options, tlsKey);
  const csrDer = await createCertificateRequest({ deviceId: device.deviceId, tlsKey });
  const certificate = await options.issuer.issue(device, csrDer);
  // The key first: a certificate without its key would be of no use, a key without its certificate does no harm.
  const encoder = new TextEncoder();
  await options.secrets.write(KEY, encoder.encode(await tlsKey.toPem()));
  await options.secrets.write(CERTIFICATE, encoder.encode(certificate.pem));
}

async function localOperator(options: OperatorCredentialsOptions, tlsKey: TlsKey): Promise<DeviceRecord> {
  const { devices, store, clock } = options;
  const known = devices.list().find((device) =>
    device.status === "paired" && device.approvedBy === ADMITTED_BY && device.deviceName === LOCAL_OPERATOR
  );
  if (known !== undefined) return known;
  const device: DeviceRecord = {
    deviceId: newDeviceId(),
    clientKind: "cli",
    status: "paired",
    deviceName: LOCAL_OPERATOR,
    platform: `${Deno.build.os}-${Deno.build.arch}`,
    // It is admitted by the state folder's owner and never pairs, so it has no device key.
    publicKey: new Uint8Array(),
    identityFingerprint: fingerprintOf(tlsKey.publicKey),
    grantedCapabilities: [],
    pairedAt: clock(),
    approvedBy: ADMITTED_BY,
  };
  await store.transaction((tx) => tx.devices.put(device));
  devices.putDevice(device);
  return device;
}

/** Reads the operator certificate of a state folder; throws `state_not_initialised` when there is none. */
export async function readOperatorCredentials(secrets: SecretStore): Promise<OperatorCredentials> {
  const [ca, certificate, key] = await Promise.all([CA, CERTIFICATE, KEY].map((name) => secrets.read(name)));
  if (ca === undefined || certificate === undefined || key === undefined) {
    throw new PalyraError(
      "state_not_initialised",
      "This state folder has no operator certificate yet. Start the daemon once (`palyrad run`), or name its folder " +
        "with --state-root.",
    );
  }
  const decoder = new TextDecoder();
  return {
    caPem: decoder.decode(ca),
    certificatePem: decoder.decode(certificate),
    keyPem: decoder.decode(key),
  };
}
