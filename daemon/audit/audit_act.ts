import type { ClientKind } from "../../identity/client_kind.ts";
import type { Fingerprint } from "../../identity/fingerprint.ts";
import type { PairingMethod } from "../../identity/pairing_code.ts";
import type { RequestState } from "../request_state.ts";
import type { AuditHash } from "./audit_hash.ts";

/** The daemon itself, where nobody asked it to do what it did. */
export const DAEMON_ACTOR = "palyrad";

/** Who acts when a device does something for itself. */
export function deviceActor(deviceId: string): string {
  return `device ${deviceId}`;
}

/** Who acts when nothing is known but where they are. */
export function strangerActor(remoteAddress: string): string {
  return `stranger at ${remoteAddress}`;
}

/** Who did something, and what it was done to. */
interface Deed {
  /** An operator, {@linkcode DAEMON_ACTOR}, {@linkcode deviceActor} or {@linkcode strangerActor}; 256 characters are kept. */
  readonly actor: string;
  /** The id of a device, pairing code, pairing request or request, or a fingerprint; each kind says which. */
  readonly subject: string;
}

/**
 * Every security act and every request's end: all that the audit tells. The kinds and the members of the details stand in
 * exported files for ever, so they never change meaning. No secret and no input or output of a request is in them.
 */
export type AuditAct =
  & Deed
  & (
    | {
      /** `palyrad run` began to work on its state. The subject is its version. */
      readonly kind: "daemon.started";
      readonly details: { readonly deno_version: string; readonly pid: number };
    }
    | {
      /** It stopped in order; missing after a `daemon.started` that was killed. The subject is its version. */
      readonly kind: "daemon.stopped";
      readonly details: { readonly pid: number };
    }
    | {
      /** The private CA was made. The subject is its fingerprint. */
      readonly kind: "ca.created";
      readonly details: Record<never, never>;
    }
    | {
      /** An operator had another CA made, which devices are to trust. The subject is its fingerprint, in all that follows. */
      readonly kind: "ca.rotation_begun";
      readonly details: { readonly current: Fingerprint };
    }
    | {
      /** That CA issues from then on, and the one before it retires. */
      readonly kind: "ca.rotation_completed";
      readonly details: {
        readonly previous: Fingerprint;
        /** Nodes were connected that did not trust it yet. */
        readonly forced: boolean;
      };
    }
    | {
      /** It was given up before it had issued anything. */
      readonly kind: "ca.rotation_aborted";
      readonly details: Record<never, never>;
    }
    | {
      /** No valid certificate of an earlier CA was left, so it counts no more. */
      readonly kind: "ca.retired";
      readonly details: Record<never, never>;
    }
    | {
      /** The owner of the state folder became an operator. The subject is the device id. */
      readonly kind: "operator.admitted";
      readonly details: { readonly identity_fingerprint: Fingerprint };
    }
    | {
      /** An operator made a pairing code. The subject is the code's id, in all that follows about codes. */
      readonly kind: "pairing_code.minted";
      readonly details: {
        readonly method: PairingMethod;
        readonly client_kind: ClientKind;
        /** Whoever pairs with it is approved at once. */
        readonly approve: boolean;
        readonly expires_at_unix_ms: number;
      };
    }
    | {
      /** A PIN was withdrawn, because a newer one was made. */
      readonly kind: "pairing_code.replaced";
      readonly details: { readonly by_code_id: string };
    }
    | {
      /** A stranger began a try. It is written before anything is verified. */
      readonly kind: "pairing_code.tried";
      readonly details: { readonly claimed_device_id: string; readonly tries_left: number };
    }
    | {
      /** The last try was begun: no further one is possible. A `pairing.requested` behind it says that it was right. */
      readonly kind: "pairing_code.locked";
      readonly details: Record<never, never>;
    }
    | {
      /** A stranger's try led to nothing. The subject is the code's id. */
      readonly kind: "pairing.failed";
      readonly details: { readonly claimed_device_id: string; readonly reason_code: string };
    }
    | {
      /** A device proved a code, which is used up. The subject is the pairing request's id. */
      readonly kind: "pairing.requested";
      readonly details: {
        readonly code_id: string;
        readonly device_id: string;
        readonly client_kind: ClientKind;
        readonly method: PairingMethod;
        readonly device_name: string;
        readonly platform: string;
        readonly identity_fingerprint: Fingerprint;
        readonly remote_address: string;
      };
    }
    | {
      /** An operator let a device in, beforehand or by a decision. The subject is the pairing request's id. */
      readonly kind: "pairing.approved";
      readonly details: {
        readonly device_id: string;
        readonly identity_fingerprint: Fingerprint;
        readonly reason: string;
        /** What it may run from now on, and nothing else. */
        readonly granted_capabilities: readonly string[];
        /** The device id belonged to another key until then. */
        readonly replaced_key: boolean;
      };
    }
    | {
      /** The device is not let in: an operator's decision, or a newer pairing's. The subject is the pairing request's id. */
      readonly kind: "pairing.rejected";
      readonly details: { readonly device_id: string; readonly reason: string };
    }
    | {
      /** The device has its first certificate. The subject is the pairing request's id. */
      readonly kind: "pairing.handed_over";
      readonly details: { readonly device_id: string; readonly certificate_fingerprint: Fingerprint };
    }
    | {
      /** The subject is the certificate's fingerprint, in all that follows about certificates. */
      readonly kind: "certificate.issued" | "certificate.renewed";
      readonly details: { readonly device_id: string; readonly expires_at_unix_ms: number };
    }
    | {
      /** The device proved its device key, and was given a certificate. */
      readonly kind: "certificate.recovered";
      readonly details: {
        readonly device_id: string;
        readonly expires_at_unix_ms: number;
        readonly remote_address: string;
      };
    }
    | {
      /** Somebody else may have a copy of the device's key. The subject is the device id, in all that follows about devices. */
      readonly kind: "device.recovery_alarm";
      readonly details: { readonly reason: string };
    }
    | {
      /** An operator has seen to the alarm. */
      readonly kind: "device.recovery_alarm_acknowledged";
      readonly details: { readonly reason: string };
    }
    | {
      /** An operator said whether the device may recover. */
      readonly kind: "device.recovery_set";
      readonly details: { readonly allowed: boolean };
    }
    | {
      /** An operator wants the device to have a new certificate. */
      readonly kind: "device.rotation_asked";
      readonly details: Record<never, never>;
    }
    | {
      /** A certificate that was still valid was revoked; `superseded` where its device has used a newer one. */
      readonly kind: "certificate.revoked";
      readonly details: { readonly device_id: string; readonly reason: string };
    }
    | {
      /** An operator granted or denied a device capabilities. The subject is the device id. */
      readonly kind: "capabilities.decided";
      readonly details: {
        readonly granted: readonly string[];
        readonly denied: readonly string[];
        /** What holds from then on. */
        readonly granted_capabilities: readonly string[];
        readonly denied_capabilities: readonly string[];
      };
    }
    | {
      /** The device was shut out for good. The subject is the device id. */
      readonly kind: "device.revoked";
      readonly details: { readonly device_name: string; readonly reason: string };
    }
    | {
      /** The device was forgotten, by an operator or at its own wish. The subject is the device id. */
      readonly kind: "device.removed";
      readonly details: { readonly device_name: string; readonly reason: string };
    }
    | {
      /** The secrets were sealed, or written back in plain, since the daemon last ran. The subject is the key's id. */
      readonly kind: "secrets.sealed" | "secrets.unsealed";
      readonly details: Record<never, never>;
    }
    | {
      /** The secrets were sealed with another key since the daemon last ran. The subject is its id. */
      readonly kind: "secrets.rekeyed";
      readonly details: { readonly previous_key_id: string };
    }
    | {
      /** The state was restored from a backup, and an operator had it served. The subject is the id of the state. */
      readonly kind: "state.restored";
      readonly details: {
        /** How many acts had raised it, going by what is kept outside of the state folder. */
        readonly expected_generation: number;
        readonly found_generation: number;
      };
    }
    | {
      /** A capability request came to its end. The subject is its id, the actor whoever asked for it. */
      readonly kind: "request.ended";
      readonly details: {
        readonly device_id: string;
        readonly capability: string;
        readonly state: RequestState;
        readonly attempt: number;
        readonly input_sha256: string;
        /** Absent where there is no output. */
        readonly output_sha256?: string;
        /** Absent where it succeeded. */
        readonly error_code?: string;
      };
    }
    | {
      /** Older records were put into a file and deleted here. The subject is empty. */
      readonly kind: "audit.archived";
      readonly details: {
        readonly first_sequence: number;
        readonly last_sequence: number;
        /** Of the newest of them: the next record goes on from it. */
        readonly last_hash: AuditHash;
      };
    }
    | {
      /** The daemon found that somebody else had been at the audit. The subject is empty. */
      readonly kind: "audit.damaged";
      readonly details: {
        /** What was found, in words for people. */
        readonly finding: string;
        /** What the audit should have ended with. */
        readonly expected_sequence: number;
        readonly expected_hash: AuditHash;
        /** What it did end with. */
        readonly found_sequence: number;
        readonly found_hash: AuditHash;
      };
    }
  );

/** What a record is about. */
export type AuditKind = AuditAct["kind"];

const KINDS: Readonly<Record<AuditKind, true>> = {
  "audit.archived": true,
  "audit.damaged": true,
  "ca.created": true,
  "ca.retired": true,
  "ca.rotation_aborted": true,
  "ca.rotation_begun": true,
  "ca.rotation_completed": true,
  "capabilities.decided": true,
  "certificate.issued": true,
  "certificate.recovered": true,
  "certificate.renewed": true,
  "certificate.revoked": true,
  "daemon.started": true,
  "daemon.stopped": true,
  "device.recovery_alarm": true,
  "device.recovery_alarm_acknowledged": true,
  "device.recovery_set": true,
  "device.removed": true,
  "device.revoked": true,
  "device.rotation_asked": true,
  "operator.admitted": true,
  "pairing.approved": true,
  "pairing.failed": true,
  "pairing.handed_over": true,
  "pairing.rejected": true,
  "pairing.requested": true,
  "pairing_code.locked": true,
  "pairing_code.minted": true,
  "pairing_code.replaced": true,
  "pairing_code.tried": true,
  "request.ended": true,
  "secrets.rekeyed": true,
  "secrets.sealed": true,
  "secrets.unsealed": true,
  "state.restored": true,
};

/** Every kind, in the order of the alphabet. */
export const AUDIT_KINDS = Object.keys(KINDS) as readonly AuditKind[];

/** Narrows text from a caller. */
export function isAuditKind(text: string): text is AuditKind {
  return Object.hasOwn(KINDS, text);
}
