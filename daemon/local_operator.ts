import { type DeviceId, isCanonicalUlid, newDeviceId, parseDeviceId } from "../identity/device_id.ts";
import { fingerprintOf } from "../identity/fingerprint.ts";
import type { SecretStore } from "../identity/secret_store.ts";
import type { TlsKey } from "../identity/tls_key.ts";
import type { Clock } from "../identity/unix_ms.ts";
import { DAEMON_ACTOR } from "./audit/audit_act.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import type { DeviceRecord } from "./store/device_record.ts";
import type { Store } from "./store/store.ts";

/** The name under which the secret store keeps the local operator's device id. */
export const OPERATOR_DEVICE_ID_SECRET = "operator-device-id";

/** What the operator of the daemon's own machine is called. */
export const LOCAL_OPERATOR_NAME = "local operator";

/** What {@linkcode admitLocalOperator} needs. */
export interface LocalOperatorOptions {
  readonly store: Store;
  readonly secrets: SecretStore;
  readonly devices: DeviceRegistry;
  readonly clock: Clock;
}

/**
 * Whether a device is the operator of the daemon's own machine. It is admitted by the owner of the state folder and never
 * pairs, so it alone has no device key; the names it is shown by prove nothing, as anybody can have them.
 */
export function isLocalOperator(device: DeviceRecord): boolean {
  return device.clientKind === "cli" && device.publicKey.length === 0;
}

/**
 * The local operator's device: the one whose id lies among the daemon's secrets. It is made when there is none yet, when
 * it was removed, and under a fresh id when it was revoked or its id was given to another device.
 *
 * @param tlsKey the key of the certificate that a new one is going to have; people compare its fingerprint.
 */
export async function admitLocalOperator(options: LocalOperatorOptions, tlsKey: TlsKey): Promise<DeviceRecord> {
  const { devices, store, secrets, clock } = options;
  const storedId = await storedOperatorId(secrets);
  const known = storedId && devices.get(storedId);
  if (known !== undefined && known.status === "paired" && isLocalOperator(known)) return known;
  const deviceId = storedId === undefined || known !== undefined ? newDeviceId() : storedId;
  // The id first: should the daemon die before the device is stored, the next start makes it under this id.
  if (deviceId !== storedId) await secrets.write(OPERATOR_DEVICE_ID_SECRET, new TextEncoder().encode(deviceId));
  const device: DeviceRecord = {
    deviceId,
    clientKind: "cli",
    status: "paired",
    deviceName: LOCAL_OPERATOR_NAME,
    platform: `${Deno.build.os}-${Deno.build.arch}`,
    publicKey: new Uint8Array(),
    identityFingerprint: fingerprintOf(tlsKey.publicKey),
    grantedCapabilities: [],
    deniedCapabilities: [],
    recoveryAllowed: true,
    recoveryCount: 0,
    pairedAt: clock(),
    approvedBy: DAEMON_ACTOR,
  };
  await store.transaction(async (tx) => {
    await tx.devices.put(device);
    await tx.audit.append({
      kind: "operator.admitted",
      actor: DAEMON_ACTOR,
      subject: deviceId,
      details: { identity_fingerprint: device.identityFingerprint },
    }, device.pairedAt);
  });
  devices.putDevice(device);
  return device;
}

/** The id that was stored; undefined also for a file that holds none, as a new one does no harm. */
async function storedOperatorId(secrets: SecretStore): Promise<DeviceId | undefined> {
  const text = new TextDecoder().decode(await secrets.read(OPERATOR_DEVICE_ID_SECRET)).trim();
  return isCanonicalUlid(text) ? parseDeviceId(text) : undefined;
}
