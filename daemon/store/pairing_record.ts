import type { ClientKind } from "../../identity/client_kind.ts";
import type { CanonicalUlid, DeviceId } from "../../identity/device_id.ts";
import type { Fingerprint } from "../../identity/fingerprint.ts";
import type { PairingMethod } from "../../identity/pairing_code.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";

/** `live` until it is spent, replaced by a newer PIN, out of tries, or past its time. */
export type PairingCodeState = "live" | "spent" | "dead" | "replaced" | "expired";

/** A pairing code. What could prove it is erased as soon as it is not live any more. */
export interface PairingCodeRecord {
  readonly codeId: CanonicalUlid;
  readonly method: PairingMethod;
  readonly clientKind: ClientKind;
  /** The derived key (QR) or PAKE password (PIN); absent once the code is not live. */
  readonly key?: Uint8Array;
  /** Whoever pairs with it is approved at once. */
  readonly approve: boolean;
  readonly issuedBy: string;
  readonly createdAt: UnixMs;
  readonly expiresAt: UnixMs;
  readonly triesLeft: number;
  readonly state: PairingCodeState;
}

/** A failed try of a code, for the operator to see. */
export interface PairingTryRecord {
  readonly codeId: CanonicalUlid;
  readonly at: UnixMs;
  readonly remoteAddress: string;
  readonly deviceId: string;
  readonly reason: string;
}

/** `completed` means that the device has been handed its certificate. */
export type PairingRequestState = "pending_approval" | "approved" | "completed" | "rejected" | "expired";

/** Every state, in the order of a request's life. */
export const PAIRING_REQUEST_STATES: readonly PairingRequestState[] = [
  "pending_approval",
  "approved",
  "completed",
  "rejected",
  "expired",
];

/** Narrows text from a caller. */
export function isPairingRequestState(text: string): text is PairingRequestState {
  return PAIRING_REQUEST_STATES.some((state) => state === text);
}

/** A device that proved a code and waits for, or has got, a decision. */
export interface PairingRequestRecord {
  /** The pairing session's id. */
  readonly requestId: CanonicalUlid;
  readonly codeId: CanonicalUlid;
  readonly deviceId: DeviceId;
  readonly clientKind: ClientKind;
  readonly method: PairingMethod;
  readonly state: PairingRequestState;
  readonly devicePublicKey: Uint8Array;
  readonly identityFingerprint: Fingerprint;
  readonly csrDer: Uint8Array;
  readonly transcriptHash: string;
  readonly platform: string;
  readonly deviceName: string;
  readonly requestedCapabilities: readonly string[];
  readonly remoteAddress: string;
  readonly requestedAt: UnixMs;
  /** Until when it may be decided; its own time, not the code's. */
  readonly expiresAt: UnixMs;
  readonly decidedAt?: UnixMs;
  readonly decidedBy?: string;
  readonly decisionReason?: string;
  /** Set with `completed`. */
  readonly certificateFingerprint?: Fingerprint;
}

/** Which pairing requests are wanted, as they stand at a moment: pending past its time counts as expired. */
export interface PairingRequestFilter {
  readonly at: UnixMs;
  readonly limit: number;
  readonly state?: PairingRequestState;
  readonly clientKind?: ClientKind;
  /** How the request's id ends; Crockford base32 in upper case. */
  readonly idEnd?: string;
}

/** Codes, tries and requests of pairing. */
export interface PairingTable {
  getCode(codeId: CanonicalUlid): Promise<PairingCodeRecord | undefined>;
  /** Codes in state `live`; expired ones are among them until somebody ends them. */
  listLiveCodes(): Promise<PairingCodeRecord[]>;
  /** Newest first. */
  listCodes(limit: number): Promise<PairingCodeRecord[]>;
  /** The PIN that was minted last, whatever became of it. */
  newestPin(): Promise<PairingCodeRecord | undefined>;
  insertCode(code: PairingCodeRecord): Promise<void>;
  /** Ends a live code and erases its key. */
  endCode(codeId: CanonicalUlid, state: Exclude<PairingCodeState, "live">): Promise<void>;
  /** Ends a code as used up: a live one, or one that died of the very try that turned out right. */
  spendCode(codeId: CanonicalUlid): Promise<void>;
  setTriesLeft(codeId: CanonicalUlid, triesLeft: number): Promise<void>;
  /** Keeps the newest few tries of a code. */
  insertTry(attempt: PairingTryRecord): Promise<void>;
  listTries(codeId: CanonicalUlid): Promise<PairingTryRecord[]>;
  getRequest(requestId: CanonicalUlid): Promise<PairingRequestRecord | undefined>;
  /** Newest first, in the state that is stored: see {@linkcode PairingRequestFilter}. */
  listRequests(filter: PairingRequestFilter): Promise<PairingRequestRecord[]>;
  /** The device's requests that wait for a decision or for being collected. */
  listOpenRequests(deviceId: DeviceId): Promise<PairingRequestRecord[]>;
  /** How many wait for a decision at that moment. */
  countPendingRequests(at: UnixMs): Promise<number>;
  insertRequest(request: PairingRequestRecord): Promise<void>;
  /** Replaces a request; the caller has checked the transition in the same transaction. */
  updateRequest(request: PairingRequestRecord): Promise<void>;
  /**
   * Deletes up to `limit` codes and up to `limit` requests that were made before a moment and are of no use any more;
   * resolves with the greater of the two numbers. The newest PIN stays, whatever became of it.
   */
  deleteEndedBefore(moment: UnixMs, limit: number): Promise<number>;
}
