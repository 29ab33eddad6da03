import type { DeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { type UnixMs, unixMs } from "../identity/unix_ms.ts";
import {
  type DeviceView,
  RecoveryView,
  type RotateDeviceResponse,
  type SetDeviceRecoveryRequest,
} from "../proto/gen/admin.ts";
import { deviceView } from "./admin_views.ts";
import type { DeviceRenewalAdministration } from "./device_renewal_administration.ts";
import { deviceNotFound, type DeviceRegistry, type KnownPeer } from "./device_registry.ts";
import { findNode } from "./node_lookup.ts";
import type { NodeRuntimeState } from "./node_runtime_state.ts";
import { operatorName } from "./operator_name.ts";
import { RECOVERIES_KEPT } from "./store/recovery_record.ts";
import type { Store } from "./store/store.ts";

/** What {@linkcode DeviceRenewalFace} needs. */
export interface DeviceRenewalFaceOptions {
  readonly store: Store;
  readonly devices: DeviceRegistry;
  readonly runtime: NodeRuntimeState;
  readonly renewals: DeviceRenewalAdministration;
}

/** The calls of AdminService about how devices get their further certificates. */
export class DeviceRenewalFace {
  readonly #options: DeviceRenewalFaceOptions;

  constructor(options: DeviceRenewalFaceOptions) {
    this.#options = options;
  }

  /** Asks a node for a new certificate, now or when it connects. */
  async rotateDevice(device: string, operator: KnownPeer): Promise<RotateDeviceResponse> {
    const deviceId = this.#find(device);
    return { deviceId, asked: await this.#options.renewals.rotate(deviceId, operatorName(operator.device)) };
  }

  /** Says whether a device may recover, and ends an alarm. */
  async setDeviceRecovery(request: SetDeviceRecoveryRequest, operator: KnownPeer): Promise<DeviceView> {
    const { allowed, acknowledgeAlarm } = request;
    if (allowed === undefined && !acknowledgeAlarm) {
      throw new PalyraError(
        "invalid_argument",
        "Say what to change: allow or forbid recovery, or acknowledge the alarm.",
      );
    }
    const deviceId = this.#find(request.deviceId);
    await this.#options.renewals.setRecovery(deviceId, { allowed, acknowledgeAlarm }, operatorName(operator.device));
    return await this.#view(deviceId);
  }

  /** One device, with its newest recoveries. */
  async getDevice(device: string): Promise<DeviceView> {
    return await this.#view(this.#find(device));
  }

  async #view(deviceId: DeviceId): Promise<DeviceView> {
    const { store, devices, runtime } = this.#options;
    const device = devices.get(deviceId);
    if (device === undefined) throw deviceNotFound();
    const recoveries = await store.transaction((tx) => tx.recoveries.list(deviceId, NEVER));
    return {
      ...deviceView(device, devices, runtime),
      recoveries: recoveries.slice(-RECOVERIES_KEPT).map(({ at, remoteAddress, fingerprint }) =>
        RecoveryView.create({ atUnixMs: at, remoteAddress, fingerprint })
      ),
    };
  }

  /** A device of any kind by its id, or a node by its name. */
  #find(text: string): DeviceId {
    try {
      return findNode(text, this.#options.devices);
    } catch (error) {
      throw PalyraError.from(error).code === "node_not_found" ? deviceNotFound() : error;
    }
  }
}

/** Later than any recovery, so that only the newest are listed. */
const NEVER: UnixMs = unixMs(Number.MAX_SAFE_INTEGER);
