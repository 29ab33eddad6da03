import type { ClientKind } from "../identity/client_kind.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import type { TransportName } from "../transport/session.ts";
import type { JsonObject } from "./json_object.ts";

/**
 * Everything that a device's event log tells. The names and the members of the payloads travel to nodes and other
 * readers as they are, so they never change meaning.
 */
export type DeviceAct =
  | {
    /** An operator let the device in, beforehand or by a decision. */
    readonly name: "device.paired";
    readonly payload: {
      readonly client_kind: ClientKind;
      readonly device_name: string;
      readonly approved_by: string;
      /** What it may run from now on. */
      readonly granted_capabilities: readonly string[];
      /** The device id belonged to another key until then. */
      readonly replaced_key: boolean;
    };
  }
  | {
    /** An operator granted or denied capabilities after the pairing. */
    readonly name: "capabilities.decided";
    readonly payload: {
      readonly granted: readonly string[];
      readonly denied: readonly string[];
      readonly decided_by: string;
    };
  }
  | {
    /** The node offers what nobody has decided about; each name is told when it first is so. */
    readonly name: "capabilities.pending";
    readonly payload: { readonly capabilities: readonly string[] };
  }
  | {
    /** The device was shut out for good, and all of its certificates with it. */
    readonly name: "device.revoked";
    readonly payload: { readonly reason: string; readonly revoked_by: string };
  }
  | {
    /** The device was given a certificate; `renewed`: at its own wish, while others are valid. */
    readonly name: "certificate.issued" | "certificate.renewed";
    readonly payload: { readonly fingerprint: Fingerprint; readonly expires_at_unix_ms: number };
  }
  | {
    /** The device was given a certificate because it proved its device key. */
    readonly name: "certificate.recovered";
    readonly payload: {
      readonly fingerprint: Fingerprint;
      readonly expires_at_unix_ms: number;
      readonly remote_address: string;
    };
  }
  | {
    /** Somebody else may have a copy of the device's key. */
    readonly name: "device.recovery_alarm";
    readonly payload: { readonly reason: string };
  }
  | {
    /** An operator has seen to the alarm. */
    readonly name: "device.recovery_alarm_acknowledged";
    readonly payload: { readonly acknowledged_by: string };
  }
  | {
    /** An operator said whether the device may recover. */
    readonly name: "device.recovery_set";
    readonly payload: { readonly allowed: boolean; readonly set_by: string };
  }
  | {
    /** An operator wants the device to have a new certificate. */
    readonly name: "device.rotation_asked";
    readonly payload: { readonly asked_by: string };
  }
  | {
    /**
     * A certificate that was still valid was revoked, and the device was not. `superseded` is the reason when the device
     * has used a newer one.
     */
    readonly name: "certificate.revoked";
    readonly payload: { readonly fingerprint: Fingerprint; readonly reason: string };
  }
  | {
    /** A session was let in; its Welcome follows. */
    readonly name: "session.opened";
    readonly payload: {
      readonly epoch: number;
      readonly transport: TransportName;
      readonly remote_address: string;
    };
  }
  | {
    /** A session ended. Missing after its `session.opened` when the daemon was killed meanwhile. */
    readonly name: "session.closed";
    readonly payload: { readonly epoch: number; readonly transport: TransportName; readonly reason_code: ReasonCode };
  }
  | {
    /** Something an operator wants the device to know. */
    readonly name: `notice.${string}`;
    readonly payload: JsonObject;
  };
