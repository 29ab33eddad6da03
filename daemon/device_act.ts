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
    /** A certificate that was still valid was revoked, and the device was not. */
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
