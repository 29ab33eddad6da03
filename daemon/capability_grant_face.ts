import type { DeviceView, SetCapabilityGrantRequest } from "../proto/gen/admin.ts";
import { deviceView } from "./admin_views.ts";
import type { CapabilityGranting } from "./capability_granting.ts";
import type { DeviceRegistry, KnownPeer } from "./device_registry.ts";
import { findNode } from "./node_lookup.ts";
import type { NodeRuntimeState } from "./node_runtime_state.ts";
import { operatorName } from "./operator_name.ts";

/** What {@linkcode CapabilityGrantFace} needs. */
export interface CapabilityGrantFaceOptions {
  readonly granting: CapabilityGranting;
  readonly devices: DeviceRegistry;
  readonly runtime: NodeRuntimeState;
}

/** The call of AdminService that decides what a node may run. */
export class CapabilityGrantFace {
  readonly #options: CapabilityGrantFaceOptions;

  constructor(options: CapabilityGrantFaceOptions) {
    this.#options = options;
  }

  /** Grants and denies capabilities to a node, by its id or name. */
  async setCapabilityGrant(request: SetCapabilityGrantRequest, operator: KnownPeer): Promise<DeviceView> {
    const { granting, devices, runtime } = this.#options;
    const { grant, deny } = request;
    const deviceId = findNode(request.deviceId, devices);
    const device = await granting.change(deviceId, { grant, deny }, operatorName(operator.device));
    return deviceView(device, devices, runtime);
  }
}
