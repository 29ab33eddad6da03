import { getLogger } from "@logtape/logtape";
import type { ClientKind } from "../identity/client_kind.ts";
import type { CanonicalUlid, DeviceId } from "../identity/device_id.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { IdentityManager } from "../identity/identity_manager.ts";
import {
  MAX_PAIRING_CODE_TRIES,
  mintPin,
  mintQrCode,
  type PairingMethod,
  parsePairingCodeTtl,
} from "../identity/pairing_code.ts";
import type { PairingChallenge, PairingCompletion } from "../identity/pairing_message.ts";
import type { VerifiedPairing } from "../identity/pairing_session.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { encodeQrToken } from "../identity/qr_token.ts";
import { type Clock, type UnixMs, unixMs } from "../identity/unix_ms.ts";
import { deviceActor, strangerActor } from "./audit/audit_act.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import { type Admission, admit, SUPERSEDED } from "./pairing_admission.ts";
import { consumeCode, enterCode, findLiveCode, type HeldCode, spendTry, sweepCodes } from "./pairing_code_book.ts";
import { atTime, decide, type PairingDecision, pairingNotFound, takesOver } from "./pairing_decision.ts";
import { limitedAddress, PairingDoor } from "./pairing_door.ts";
import { PairingHandOver, type PairingStatus } from "./pairing_hand_over.ts";
import { rejectPairing } from "./pairing_rejection.ts";
import { PairingWatchers } from "./pairing_watchers.ts";
import type {
  PairingCodeRecord,
  PairingRequestFilter,
  PairingRequestRecord,
  PairingTryRecord,
} from "./store/pairing_record.ts";
import type { Store } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "pairing"]);

/** How long a pairing request may wait for its decision, in milliseconds. */
export const PAIRING_DECISION_MS: number = 24 * 3_600_000;

/** QR codes that may be live at once. */
export const MAX_LIVE_CODES = 64;

/** What an operator asks for. */
export interface MintOrder {
  readonly method: PairingMethod;
  readonly clientKind: ClientKind;
  /** Milliseconds; undefined takes 10 minutes. */
  readonly ttlMs: number | undefined;
  /** Approve whoever pairs with it at once. */
  readonly approve: boolean;
  readonly issuedBy: string;
  /** Where the enrolment listener is reached, `host:port`, best first. */
  readonly endpoints: readonly string[];
}

/** A fresh code. `secretText` is the token or the PIN: for the operator's eyes, stored and logged nowhere. */
export interface MintedCode {
  readonly code: PairingCodeRecord;
  readonly secretText: string;
  readonly replacedCodeId: CanonicalUlid | undefined;
}

/** A code with the tries that failed. */
export interface CodeWithTries {
  readonly code: PairingCodeRecord;
  readonly failedTries: readonly PairingTryRecord[];
}

/** What a completed handshake led to. */
export interface PairingOutcome extends PairingStatus {
  readonly gatewayConfirmation: Uint8Array;
}

/** What {@linkcode PairingDesk} needs. */
export interface PairingDeskOptions {
  readonly store: Store;
  readonly identity: IdentityManager;
  readonly devices: DeviceRegistry;
  readonly clock: Clock;
  /** The enrolment listener's certificate of the moment. */
  readonly serverCertificateFingerprint: () => Fingerprint;
  /** Life of a client certificate, in milliseconds. */
  readonly certificateValidityMs: number;
}

/**
 * Where devices are paired: codes are minted, proven and used up, requests are decided, certificates handed over. Every
 * step is one transaction with a guard, so that no race revives a code or flips a decision (design section 3).
 */
export class PairingDesk {
  readonly #options: PairingDeskOptions;
  readonly #handOver: PairingHandOver;
  readonly #watchers: PairingWatchers;
  readonly #door: PairingDoor;

  constructor(options: PairingDeskOptions) {
    this.#options = options;
    this.#handOver = new PairingHandOver(options);
    this.#watchers = new PairingWatchers(options.clock);
    this.#door = new PairingDoor(options);
  }

  /** Makes a code. A new PIN ends the one before it, because a PIN names no code. */
  async mint(order: MintOrder): Promise<MintedCode> {
    const { store, identity, clock } = this.#options;
    const ttlMs = parsePairingCodeTtl(order.ttlMs);
    const now = clock();
    const expiresAt = unixMs(now + ttlMs);
    const minted = order.method === "qr" ? mintQrCode() : mintPin();
    const secretText = minted.method === "pin" ? minted.pin : encodeQrToken({
      endpoints: order.endpoints,
      caFingerprint: identity.ca.fingerprint,
      codeId: minted.codeId,
      secret: minted.secret,
      expiresAt,
      clientKind: order.clientKind,
    });
    const code: PairingCodeRecord = {
      codeId: minted.codeId,
      method: order.method,
      clientKind: order.clientKind,
      key: minted.key,
      approve: order.approve,
      issuedBy: order.issuedBy,
      createdAt: now,
      expiresAt,
      triesLeft: MAX_PAIRING_CODE_TRIES,
      state: "live",
    };
    const { live, replacedCodeId } = await store.transaction(async (tx) => {
      const live = await sweepCodes(tx, now);
      if (live.length >= MAX_LIVE_CODES) {
        throw new PalyraError("rate_limited", `${live.length} pairing codes are live. Wait until some expire.`);
      }
      const earlierPin = order.method === "pin" ? live.find((each) => each.method === "pin") : undefined;
      await enterCode(tx, code, earlierPin);
      return { live: [...live, code], replacedCodeId: earlierPin?.codeId };
    });
    this.#door.setLive(live);
    if (replacedCodeId !== undefined) identity.endSessionsOfCode(replacedCodeId);
    log.info("Pairing code minted.", {
      codeId: code.codeId,
      method: code.method,
      clientKind: code.clientKind,
      approve: code.approve,
      issuedBy: code.issuedBy,
    });
    return { code, secretText, replacedCodeId };
  }

  /** The newest codes with their failed tries. */
  async listCodes(limit: number): Promise<CodeWithTries[]> {
    const { store, clock } = this.#options;
    return await store.transaction(async (tx) => {
      await sweepCodes(tx, clock());
      const codes = await tx.pairing.listCodes(limit);
      return await Promise.all(
        codes.map(async (code) => ({ code, failedTries: await tx.pairing.listTries(code.codeId) })),
      );
    });
  }

  /** Counts for the status page. */
  async counts(): Promise<{ readonly liveCodes: number; readonly pendingRequests: number }> {
    const { store, clock } = this.#options;
    const now = clock();
    return await store.transaction(async (tx) => ({
      liveCodes: (await sweepCodes(tx, now)).length,
      pendingRequests: await tx.pairing.countPendingRequests(now),
    }));
  }

  /** The newest pairing requests that `filter` wants, as they stand now. */
  async listRequests(filter: Omit<PairingRequestFilter, "at">): Promise<PairingRequestRecord[]> {
    const { store, clock } = this.#options;
    const at = clock();
    const requests = await store.transaction((tx) => tx.pairing.listRequests({ ...filter, at }));
    return requests.map((request) => atTime(request, at));
  }

  /**
   * Opens a pairing session for a code that is live; throws why not. A source that begins too often is turned away before
   * anything is looked up.
   */
  async begin(held: HeldCode, clientKind: ClientKind, remoteAddress: string): Promise<PairingChallenge> {
    const { store, identity, clock, serverCertificateFingerprint } = this.#options;
    const address = limitedAddress(remoteAddress);
    this.#door.enter(held, address);
    const code = await store.transaction((tx) => findLiveCode(tx, held, clientKind, clock())).catch((refusal) => {
      if (held.method === "pin") this.#door.pinFailed(address);
      throw refusal;
    });
    const session = identity.beginPairing({
      code,
      clientKind,
      serverCertificateFingerprint: serverCertificateFingerprint(),
      address,
    });
    return session.challenge();
  }

  /**
   * Checks the device's proof. Each costs the code a try, which is taken before anything is verified; the operator sees
   * those that led to nothing. A right one uses the code up in the transaction that stores the pairing.
   */
  async complete(completion: PairingCompletion, remoteAddress: string): Promise<PairingOutcome> {
    const { store, identity, clock } = this.#options;
    const session = identity.takeSession(completion.sessionId);
    const { codeId } = session;
    const trier = { remoteAddress, claimedDeviceId: completion.deviceId };
    const lastTry = await store.transaction((tx) => spendTry(tx, codeId, trier, clock()));
    if (lastTry) this.#endCode(codeId);
    let stored: PairingRequestRecord;
    let verified: VerifiedPairing;
    try {
      verified = await session.verify(completion);
      stored = await this.#store(verified, remoteAddress);
    } catch (thrown) {
      const error = PalyraError.from(thrown);
      const { deviceId } = completion;
      if (session.method === "pin") this.#door.pinFailed(limitedAddress(remoteAddress));
      await this.#recordFailedTry({ codeId, at: clock(), remoteAddress, deviceId, reason: error.code }, error);
      throw error;
    }
    log.info("Device proved a pairing code.", {
      requestId: stored.requestId,
      deviceId: stored.deviceId,
      clientKind: stored.clientKind,
      state: stored.state,
      remoteAddress,
    });
    const status = stored.state === "approved"
      ? await this.#handOver.give(stored)
      : { request: stored, certificate: undefined };
    return { ...status, gatewayConfirmation: verified.gatewayConfirmation };
  }

  /** Approves or rejects a pending request, once and for ever. */
  async decide(requestId: CanonicalUlid, decision: PairingDecision): Promise<PairingRequestRecord> {
    const { store, clock } = this.#options;
    const now = clock();
    const { decided, admission } = await store.transaction(async (tx) => {
      const request = await tx.pairing.getRequest(requestId);
      if (request === undefined) throw pairingNotFound();
      const existing = await tx.devices.get(request.deviceId);
      const decided = decide(request, decision, existing, now);
      if (!decision.approve) {
        await rejectPairing(tx, decided, decision.operator, now);
        return { decided, admission: undefined };
      }
      await tx.pairing.updateRequest(decided);
      return { decided, admission: await admit(tx, decided, decision, existing, now) };
    });
    log.info("Pairing request decided.", { requestId, state: decided.state, operator: decision.operator });
    if (admission !== undefined) this.#admitted(admission, now);
    this.#watchers.notify([requestId]);
    return decided;
  }

  /** How a request stands, for the device that made it; an approved device gets its certificate here. */
  async status(requestId: CanonicalUlid): Promise<PairingStatus> {
    const { store, clock } = this.#options;
    const request = await store.transaction((tx) => tx.pairing.getRequest(requestId));
    if (request === undefined) throw pairingNotFound();
    const standing = atTime(request, clock());
    if (standing.state === "approved" || standing.state === "completed") return await this.#handOver.give(standing);
    return { request: standing, certificate: undefined };
  }

  /** The stored request, for checking who asks about it. */
  async find(requestId: CanonicalUlid, deviceId: DeviceId): Promise<PairingRequestRecord> {
    const request = await this.#options.store.transaction((tx) => tx.pairing.getRequest(requestId));
    // The same answer for both, so that nobody learns which requests exist.
    if (request === undefined || request.deviceId !== deviceId) throw pairingNotFound();
    return request;
  }

  /**
   * Calls `onChange` when the request was decided or superseded, when it expires, and when its device was removed. The
   * returned function ends that and has to be called.
   */
  watch(request: PairingRequestRecord, onChange: () => void): () => void {
    return this.#watchers.watch(request, onChange);
  }

  /** A device was deleted, and its pairing requests with it. */
  deviceRemoved(deviceId: DeviceId): void {
    this.#watchers.notifyDevice(deviceId);
  }

  /** The code is spent or dead: no session of it may go on. */
  #endCode(codeId: CanonicalUlid): void {
    this.#door.ended(codeId);
    this.#options.identity.endSessionsOfCode(codeId);
  }

  #admitted({ device, tookOver, superseded }: Admission, at: UnixMs): void {
    const { devices } = this.#options;
    devices.putDevice(device);
    if (tookOver) devices.revokeCertificates(device.deviceId, at, SUPERSEDED);
    this.#watchers.notify(superseded);
  }

  async #recordFailedTry(failed: PairingTryRecord, error: PalyraError): Promise<void> {
    const { codeId, deviceId, remoteAddress } = failed;
    log.warn("A pairing code was tried and failed.", { codeId, deviceId, remoteAddress, error });
    try {
      await this.#options.store.transaction(async (tx) => {
        await tx.pairing.insertTry(failed);
        await tx.audit.append({
          kind: "pairing.failed",
          actor: strangerActor(remoteAddress),
          subject: codeId,
          details: { claimed_device_id: deviceId, reason_code: failed.reason },
        }, failed.at);
      });
    } catch (cause) {
      // The device is told why its try failed, not that the daemon could not write it down.
      log.error("A failed try of a pairing code could not be recorded.", { codeId, cause });
    }
  }

  async #store(verified: VerifiedPairing, remoteAddress: string): Promise<PairingRequestRecord> {
    const { store, clock } = this.#options;
    const now = clock();
    const { request, admission } = await store.transaction(async (tx) => {
      const existing = await tx.devices.get(verified.deviceId);
      if (existing?.status === "revoked") {
        throw new PalyraError(
          "device_revoked",
          "This device was revoked. The operator has to forget it (`palyrad devices remove`) before it can pair again.",
        );
      }
      const code = await consumeCode(tx, verified.codeId, now);
      const pending: PairingRequestRecord = {
        requestId: verified.sessionId,
        codeId: verified.codeId,
        deviceId: verified.deviceId,
        clientKind: verified.clientKind,
        method: verified.method,
        state: "pending_approval",
        devicePublicKey: verified.devicePublicKey,
        identityFingerprint: verified.identityFingerprint,
        csrDer: verified.csr.der,
        transcriptHash: verified.transcriptHash,
        platform: verified.platform,
        deviceName: verified.deviceName,
        requestedCapabilities: verified.requestedCapabilities,
        remoteAddress,
        requestedAt: now,
        expiresAt: unixMs(now + PAIRING_DECISION_MS),
      };
      // An id that belongs to another key is never taken over without an operator's own word.
      const decision: PairingDecision | undefined = code.approve && !takesOver(pending, existing)
        ? { approve: true, reason: "approved in advance", operator: code.issuedBy, replace: false, inAdvance: true }
        : undefined;
      const request = decision === undefined ? pending : decide(pending, decision, existing, now);
      await tx.pairing.insertRequest(request);
      await tx.audit.append({
        kind: "pairing.requested",
        actor: deviceActor(request.deviceId),
        subject: request.requestId,
        details: {
          code_id: request.codeId,
          device_id: request.deviceId,
          client_kind: request.clientKind,
          method: request.method,
          device_name: request.deviceName,
          platform: request.platform,
          identity_fingerprint: request.identityFingerprint,
          remote_address: remoteAddress,
        },
      }, now);
      return { request, admission: decision && await admit(tx, request, decision, existing, now) };
    });
    this.#endCode(verified.codeId);
    if (admission !== undefined) this.#admitted(admission, now);
    return request;
  }
}
