import { getLogger } from "@logtape/logtape";
import type { ClientKind } from "../identity/client_kind.ts";
import type { CanonicalUlid, DeviceId } from "../identity/device_id.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { IdentityManager } from "../identity/identity_manager.ts";
import type { IssuedCertificate } from "../identity/issued_certificate.ts";
import { parseCertificateRequest } from "../identity/certificate_request.ts";
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
import { type Clock, unixMs } from "../identity/unix_ms.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import {
  consumeCode,
  findLiveCode,
  type HeldCode,
  recordFailedTry,
  spendTry,
  sweepCodes,
} from "./pairing_code_book.ts";
import { atTime, decide, deviceOf, type PairingDecision, takesOver } from "./pairing_decision.ts";
import type { CertificateRecord, DeviceRecord } from "./store/device_record.ts";
import type { PairingCodeRecord, PairingRequestRecord, PairingTryRecord } from "./store/pairing_record.ts";
import type { Store, StoreTransaction } from "./store/store.ts";

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

/** A pairing request with the certificate, once the device may have it. */
export interface PairingStatus {
  readonly request: PairingRequestRecord;
  readonly certificate: CertificateRecord | undefined;
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
  readonly #watchers = new Map<CanonicalUlid, Set<() => void>>();

  constructor(options: PairingDeskOptions) {
    this.#options = options;
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
    const replacedCodeId = await store.transaction(async (tx) => {
      const live = await sweepCodes(tx, now);
      if (live.length >= MAX_LIVE_CODES) {
        throw new PalyraError("rate_limited", `${live.length} pairing codes are live. Wait until some expire.`);
      }
      const earlierPin = order.method === "pin" ? live.find((each) => each.method === "pin") : undefined;
      if (earlierPin !== undefined) await tx.pairing.endCode(earlierPin.codeId, "replaced");
      await tx.pairing.insertCode(code);
      return earlierPin?.codeId;
    });
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
    return await store.transaction(async (tx) => ({
      liveCodes: (await sweepCodes(tx, clock())).length,
      pendingRequests: await tx.pairing.countPendingRequests(),
    }));
  }

  /** The newest pairing requests. */
  async listRequests(limit: number): Promise<PairingRequestRecord[]> {
    const { store, clock } = this.#options;
    const now = clock();
    const requests = await store.transaction((tx) => tx.pairing.listRequests(limit));
    return requests.map((request) => atTime(request, now));
  }

  /** Opens a pairing session for a code that is live; throws why not. */
  async begin(held: HeldCode, clientKind: ClientKind, remoteAddress: string): Promise<PairingChallenge> {
    const { store, identity, clock, serverCertificateFingerprint } = this.#options;
    const code = await store.transaction((tx) => findLiveCode(tx, held, clientKind, clock()));
    const session = identity.beginPairing({
      code,
      clientKind,
      serverCertificateFingerprint: serverCertificateFingerprint(),
      source: hostOf(remoteAddress),
    });
    return session.challenge();
  }

  /**
   * Checks the device's proof. A wrong one costs the code a try, which is taken before anything is verified; a right
   * one uses the code up in the transaction that stores the pairing.
   */
  async complete(completion: PairingCompletion, remoteAddress: string): Promise<PairingOutcome> {
    const { store, identity, clock } = this.#options;
    const session = identity.takeSession(completion.sessionId);
    await store.transaction((tx) => spendTry(tx, session.codeId, clock()));
    let verified: VerifiedPairing;
    try {
      verified = await session.verify(completion);
    } catch (thrown) {
      const error = PalyraError.from(thrown);
      await this.#failTry(session.codeId, completion, remoteAddress, error);
      throw error;
    }
    const stored = await this.#store(verified, remoteAddress);
    log.info("Device proved a pairing code.", {
      requestId: stored.requestId,
      deviceId: stored.deviceId,
      clientKind: stored.clientKind,
      state: stored.state,
      remoteAddress,
    });
    const status = stored.state === "approved"
      ? await this.#handOver(stored)
      : { request: stored, certificate: undefined };
    return { ...status, gatewayConfirmation: verified.gatewayConfirmation };
  }

  /** Approves or rejects a pending request, once and for ever. */
  async decide(requestId: CanonicalUlid, decision: PairingDecision): Promise<PairingRequestRecord> {
    const { store, clock, devices } = this.#options;
    const now = clock();
    const { decided, device, supersedes } = await store.transaction(async (tx) => {
      const request = await tx.pairing.getRequest(requestId);
      if (request === undefined) throw pairingNotFound();
      const existing = await tx.devices.get(request.deviceId);
      const decided = decide(request, decision, existing, now);
      await tx.pairing.updateRequest(decided);
      if (!decision.approve) return { decided, device: undefined, supersedes: false };
      const supersedes = takesOver(request, existing);
      return { decided, device: await this.#admit(tx, decided, supersedes), supersedes };
    });
    if (device !== undefined) devices.putDevice(device);
    if (supersedes) devices.revokeCertificates(decided.deviceId, now, SUPERSEDED);
    log.info("Pairing request decided.", { requestId, state: decided.state, operator: decision.operator });
    this.#notify(requestId);
    return decided;
  }

  /** How a request stands, for the device that made it; an approved device gets its certificate here. */
  async status(requestId: CanonicalUlid): Promise<PairingStatus> {
    const { store, clock } = this.#options;
    const request = await store.transaction((tx) => tx.pairing.getRequest(requestId));
    if (request === undefined) throw pairingNotFound();
    const standing = atTime(request, clock());
    if (standing.state === "approved" || standing.state === "completed") return await this.#handOver(standing);
    return { request: standing, certificate: undefined };
  }

  /** The stored request, for checking who asks about it. */
  async find(requestId: CanonicalUlid, deviceId: DeviceId): Promise<PairingRequestRecord> {
    const request = await this.#options.store.transaction((tx) => tx.pairing.getRequest(requestId));
    // The same answer for both, so that nobody learns which requests exist.
    if (request === undefined || request.deviceId !== deviceId) throw pairingNotFound();
    return request;
  }

  /** Calls `onChange` after each decision on the request; the returned function ends that. */
  watch(requestId: CanonicalUlid, onChange: () => void): () => void {
    let watchers = this.#watchers.get(requestId);
    if (watchers === undefined) this.#watchers.set(requestId, watchers = new Set());
    watchers.add(onChange);
    return () => {
      watchers.delete(onChange);
      if (watchers.size === 0 && this.#watchers.get(requestId) === watchers) this.#watchers.delete(requestId);
    };
  }

  #notify(requestId: CanonicalUlid): void {
    for (const onChange of [...this.#watchers.get(requestId) ?? []]) onChange();
  }

  async #failTry(
    codeId: CanonicalUlid,
    completion: PairingCompletion,
    remoteAddress: string,
    error: PalyraError,
  ): Promise<void> {
    const { store, clock, identity } = this.#options;
    const { deviceId } = completion;
    log.warn("A pairing code was tried and failed.", { codeId, deviceId, remoteAddress, error });
    const dead = await store.transaction((tx) =>
      recordFailedTry(tx, { codeId, at: clock(), remoteAddress, deviceId, reason: error.code })
    );
    if (dead) identity.endSessionsOfCode(codeId);
  }

  async #store(verified: VerifiedPairing, remoteAddress: string): Promise<PairingRequestRecord> {
    const { store, clock, devices, identity } = this.#options;
    const now = clock();
    const { request, device } = await store.transaction(async (tx) => {
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
      const approved = code.approve && !takesOver(pending, existing);
      const request = approved
        ? decide(
          pending,
          { approve: true, reason: "approved in advance", operator: code.issuedBy, replace: false },
          existing,
          now,
        )
        : pending;
      await tx.pairing.insertRequest(request);
      return { request, device: approved ? await this.#admit(tx, request, false) : undefined };
    });
    identity.endSessionsOfCode(verified.codeId);
    if (device !== undefined) devices.putDevice(device);
    return request;
  }

  async #admit(tx: StoreTransaction, request: PairingRequestRecord, supersedes: boolean): Promise<DeviceRecord> {
    const now = this.#options.clock();
    const device = deviceOf(request, now);
    await tx.devices.put(device);
    if (supersedes) await tx.devices.revokeCertificates(device.deviceId, now, SUPERSEDED);
    return device;
  }

  /** Issues the certificate of an approved request, once: asking again returns the same one. */
  async #handOver(approved: PairingRequestRecord): Promise<PairingStatus> {
    const { store, clock, devices } = this.#options;
    const issued = approved.state === "approved" ? await this.#issue(approved) : undefined;
    const now = clock();
    const { request, certificate, fresh } = await store.transaction(async (tx) => {
      const request = await tx.pairing.getRequest(approved.requestId);
      if (request === undefined) throw pairingNotFound();
      if (request.state === "completed") {
        const { certificateFingerprint } = request;
        const certificate = certificateFingerprint && await tx.devices.getCertificate(certificateFingerprint);
        return { request, certificate: certificate || undefined, fresh: false };
      }
      if (issued === undefined) throw pairingNotFound();
      const { deviceId } = request;
      const certificate: CertificateRecord = {
        fingerprint: issued.fingerprint,
        deviceId,
        issuedAt: issued.issuedAt,
        expiresAt: issued.expiresAt,
        pem: issued.certificatePem,
      };
      await tx.devices.revokeCertificates(deviceId, now, SUPERSEDED);
      await tx.devices.insertCertificate(certificate);
      const completed: PairingRequestRecord = {
        ...request,
        state: "completed",
        certificateFingerprint: issued.fingerprint,
      };
      await tx.pairing.updateRequest(completed);
      return { request: completed, certificate, fresh: true };
    });
    if (fresh && certificate !== undefined) {
      devices.revokeCertificates(request.deviceId, now, SUPERSEDED);
      devices.putCertificate(certificate);
      log.info("Device paired.", { deviceId: request.deviceId, certificate: certificate.fingerprint });
    }
    return { request, certificate };
  }

  async #issue(request: PairingRequestRecord): Promise<IssuedCertificate> {
    const { identity, certificateValidityMs } = this.#options;
    const { publicKey } = parseCertificateRequest(request.csrDer, request.deviceId);
    return await identity.issueClientCertificate({
      deviceId: request.deviceId,
      clientKind: request.clientKind,
      publicKey,
      validityMs: certificateValidityMs,
    });
  }
}

const SUPERSEDED = "superseded by a newer pairing";

/** The address without its port, which is another one for each connection. */
function hostOf(remoteAddress: string): string {
  return remoteAddress.replace(/:\d+$/, "");
}

function pairingNotFound(): PalyraError {
  return new PalyraError("pairing_not_found", "There is no such pairing request. `palyrad pairing list` shows them.");
}
