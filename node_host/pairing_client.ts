import { createCertificateRequest } from "../identity/certificate_request.ts";
import { parseClientKind } from "../identity/client_kind.ts";
import { isCanonicalUlid } from "../identity/device_id.ts";
import type { DeviceIdentity } from "../identity/device_identity.ts";
import { formatEndpoint, parseEndpoint } from "../identity/endpoint.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { PairingAttempt, type PairingSecret } from "../identity/pairing_attempt.ts";
import type { PairingChallenge, PairingCompletion } from "../identity/pairing_message.ts";
import { parsePin } from "../identity/pairing_code.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { QrToken } from "../identity/qr_token.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { type Clock, systemClock, unixMs } from "../identity/unix_ms.ts";
import type { BeginPairingSessionResponse, CompletePairingSessionRequest, PairingMethod } from "../proto/gen/node.ts";
import type { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import { type EnrolmentConnection, openFirstEnrolment } from "./enrolment_connection.ts";
import { checkIssuedCertificate } from "./issued_certificate_check.ts";
import type { NodeHostRecord } from "./node_host_record.ts";
import type { NodeHostState, StoredPendingPairing } from "./node_host_state.ts";
import { type IssuedByDecision, PairingWait } from "./pairing_wait.ts";
import type { PendingPairing } from "./pending_pairing.ts";
import { MAX_ENDPOINTS } from "./state_fields.ts";

const PROTOCOL_VERSION = 1;
const CLIENT_KIND = "node";

/** What happens while a host pairs. */
export type PairingProgress =
  | {
    /** The operator has to decide, and compares this fingerprint. */
    readonly kind: "pending_approval";
    readonly pending: PendingPairing;
    /** SHA-256 of the device's public key. */
    readonly identityFingerprint: Fingerprint;
  }
  | {
    /** The daemon cannot be asked now; asking goes on. */
    readonly kind: "unreachable";
    readonly failure: PalyraError;
  };

/** What {@linkcode PairingClient} needs. */
export interface PairingClientOptions {
  readonly state: NodeHostState;
  /** For example `linux-x86_64`. */
  readonly platform: string;
  /** What people know the machine by. */
  readonly deviceName: string;
  /** The capabilities that the device asks to be granted. */
  readonly requestedCapabilities: readonly string[];
  /** Pair although this host is paired already; what there is stays until the new pairing is complete. */
  readonly force?: boolean;
  readonly onProgress?: (progress: PairingProgress) => void;
  readonly clock?: Clock;
  /** Between tries to ask how the request stands. Default: full jitter, 0.5 s to 30 s. */
  readonly backoff?: ReconnectBackoff;
}

/** The device's side of pairing, from the code to the stored certificate (design section 3). */
export class PairingClient {
  readonly #options: PairingClientOptions;
  readonly #clock: Clock;

  constructor(options: PairingClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Pairs with a QR token. The server is checked against the token's CA before anything is said. Resolves with the
   * record of the completed pairing, however long the operator takes.
   *
   * Rejects with `device_already_paired`, `daemon_untrusted`, `daemon_unreachable`, `pairing_rejected`,
   * `pairing_expired`, `cancelled`, or what the daemon refused with.
   */
  async pairByToken(token: QrToken, signal: AbortSignal): Promise<NodeHostRecord> {
    await this.requireUnpaired();
    if (token.clientKind !== CLIENT_KIND) {
      throw new PalyraError(
        "invalid_pairing_token",
        `This token makes a device of kind \`${token.clientKind}\`, and palyra-node is a node; take one that was made for ` +
          "a node.",
      );
    }
    const method: PairingSecret = { kind: "qr", secret: token.secret, codeId: token.codeId };
    return await this.#pair(token.endpoints, token.caFingerprint, method, signal);
  }

  /**
   * Pairs with a PIN at the enrolment listener `endpoint` (`host:port`). Nothing is known of the server beforehand: the
   * PAKE proves that both sides know the PIN and saw the same certificates. Rejects like {@linkcode pairByToken}.
   */
  async pairByPin(endpoint: string, pin: string, signal: AbortSignal): Promise<NodeHostRecord> {
    await this.requireUnpaired();
    const method: PairingSecret = { kind: "pin", pin: parsePin(pin) };
    return await this.#pair([formatEndpoint(parseEndpoint(endpoint))], undefined, method, signal);
  }

  /** Goes on with the pairing that waits for its approval. Rejects with `pairing_not_found` when there is none. */
  async resume(signal: AbortSignal): Promise<NodeHostRecord> {
    const stored = await this.#options.state.pending();
    if (stored === undefined) {
      await this.requireUnpaired();
      throw new PalyraError(
        "pairing_not_found",
        "No pairing waits for its approval here. Run `palyra-node pair` with the token that `palyrad pairing code` shows, " +
          "or with --daemon and a PIN.",
      );
    }
    const identity = await this.#options.state.ensureIdentity();
    if (stored.pending.deviceId !== identity.deviceId) {
      throw new PalyraError(
        "state_damaged",
        "The pairing that waits is not this device's; run `palyra-node unpair --local` and pair anew.",
      );
    }
    return await this.#await(stored, identity, signal);
  }

  /** Rejects with `device_already_paired` when this host is paired and `force` was not given. */
  async requireUnpaired(): Promise<void> {
    const record = await this.#options.state.record();
    if (record?.pairedAt === undefined || this.#options.force === true) return;
    throw new PalyraError(
      "device_already_paired",
      "This machine is paired already. Run `palyra-node unpair` first, or add --force to replace the pairing once the " +
        "new one is complete.",
    );
  }

  async #pair(
    endpoints: readonly string[],
    caFingerprint: Fingerprint | undefined,
    method: PairingSecret,
    signal: AbortSignal,
  ): Promise<NodeHostRecord> {
    const { state } = this.#options;
    const identity = await state.ensureIdentity();
    const tlsKey = await TlsKey.generate();
    const proven = await this.#prove({ endpoints, caFingerprint, method, identity, tlsKey, signal });
    // Also when it is complete already: a crash before all is stored then goes on instead of losing the pairing.
    await state.savePending(proven.pending, tlsKey);
    if (await state.record() === undefined) await state.writeRecord(recordOf(proven.pending, identity));
    const stored = { pending: proven.pending, tlsKey };
    return proven.issued === undefined
      ? await this.#await(stored, identity, signal)
      : await this.#finish(stored, identity, proven.issued);
  }

  /** The handshake; what it returns was confirmed by the daemon. */
  async #prove(proof: {
    readonly endpoints: readonly string[];
    readonly caFingerprint: Fingerprint | undefined;
    readonly method: PairingSecret;
    readonly identity: DeviceIdentity;
    readonly tlsKey: TlsKey;
    readonly signal: AbortSignal;
  }): Promise<{ readonly pending: PendingPairing; readonly issued: IssuedByDecision | undefined }> {
    const { platform, deviceName, requestedCapabilities } = this.#options;
    const { method, identity, tlsKey, signal } = proof;
    const csrDer = await createCertificateRequest({ deviceId: identity.deviceId, tlsKey });
    using connection = await openFirstEnrolment(proof.endpoints, {
      caFingerprint: proof.caFingerprint,
      clock: this.#clock,
      signal,
    });
    const challenge = await begin(connection, method);
    const attempt = await PairingAttempt.answer({
      device: identity,
      csrDer,
      method,
      clientKind: CLIENT_KIND,
      platform,
      deviceName,
      requestedCapabilities,
      ...connection.observed,
    }, challenge);
    const response = await connection.complete(completionRequest(attempt.completion));
    attempt.verifyConfirmation(response.gatewayConfirmation);
    const pending: PendingPairing = {
      sessionId: challenge.sessionId,
      deviceId: identity.deviceId,
      deviceName,
      caFingerprint: connection.observed.caFingerprint,
      enrolmentEndpoints: proof.endpoints,
      nodeEndpoints: parseNodeEndpoints(response.nodeEndpoints),
      requestedAt: this.#clock(),
    };
    const issued = response.paired
      ? {
        certificatePem: response.mtlsClientCertificatePem,
        caPem: response.gatewayCaCertificatePem,
        nodeEndpoints: pending.nodeEndpoints,
      }
      : undefined;
    return { pending, issued };
  }

  async #await(stored: StoredPendingPairing, identity: DeviceIdentity, signal: AbortSignal): Promise<NodeHostRecord> {
    const { state, onProgress, backoff } = this.#options;
    const { pending } = stored;
    onProgress?.({ kind: "pending_approval", pending, identityFingerprint: identity.fingerprint });
    const wait = new PairingWait({
      pending,
      identity,
      clock: this.#clock,
      onUnreachable: (failure) => onProgress?.({ kind: "unreachable", failure }),
      ...(backoff !== undefined && { backoff }),
    });
    const outcome = await wait.untilDecided(signal);
    if (!(outcome instanceof PalyraError)) return await this.#finish(stored, identity, outcome);
    await state.removePending();
    throw outcome;
  }

  async #finish(
    { pending, tlsKey }: StoredPendingPairing,
    identity: DeviceIdentity,
    issued: IssuedByDecision,
  ): Promise<NodeHostRecord> {
    const { state } = this.#options;
    const now = this.#clock();
    await checkIssuedCertificate({
      certificatePem: issued.certificatePem,
      caPem: issued.caPem,
      caFingerprint: pending.caFingerprint,
      deviceId: identity.deviceId,
      tlsKey,
      now,
      occasion: "pairing",
    });
    const record: NodeHostRecord = {
      ...recordOf({ ...pending, nodeEndpoints: parseNodeEndpoints(issued.nodeEndpoints) }, identity),
      pairedAt: now,
      installedAt: (await state.record())?.installedAt ?? now,
    };
    await state.completePairing({
      record,
      tlsKey,
      certificatePem: issued.certificatePem,
      trustedCaPem: issued.caPem,
    });
    return record;
  }
}

function recordOf(pending: PendingPairing, identity: DeviceIdentity): NodeHostRecord {
  return {
    deviceId: identity.deviceId,
    deviceName: pending.deviceName,
    nodeEndpoints: pending.nodeEndpoints,
    enrolmentEndpoints: pending.enrolmentEndpoints,
    caFingerprint: pending.caFingerprint,
    pairedAt: undefined,
    installedAt: pending.requestedAt,
  };
}

async function begin(connection: EnrolmentConnection, secret: PairingSecret): Promise<PairingChallenge> {
  const method: PairingMethod = {
    value: secret.kind === "qr"
      ? { $case: "qr", value: { codeId: { ulid: secret.codeId } } }
      : { $case: "pin", value: {} },
  };
  const begun = await connection.begin({ v: PROTOCOL_VERSION, clientKind: CLIENT_KIND, method, replay: undefined });
  return challengeOf(begun);
}

/** The rest of its form is checked by the attempt that answers it. */
function challengeOf(begun: BeginPairingSessionResponse): PairingChallenge {
  const { sessionId } = begun;
  if (!isCanonicalUlid(sessionId)) throw malformed("session_id");
  return {
    sessionId,
    clientKind: parseClientKind(begun.clientKind),
    gatewayEphemeralPublic: begun.gatewayEphemeralPublic,
    challenge: begun.challenge,
    cpaceShare: begun.cpaceShare,
    expiresAt: unixMs(begun.expiresAtUnixMs),
  };
}

function completionRequest(completion: PairingCompletion): CompletePairingSessionRequest {
  return {
    v: PROTOCOL_VERSION,
    sessionId: completion.sessionId,
    deviceId: { ulid: completion.deviceId },
    clientKind: completion.clientKind,
    proof: completion.proof.toBase64({ alphabet: "base64url", omitPadding: true }),
    deviceSigningPublic: completion.deviceSigningPublic,
    deviceX25519Public: completion.deviceX25519Public,
    challengeSignature: completion.challengeSignature,
    transcriptMac: completion.transcriptMac,
    csrDer: completion.csrDer,
    cpaceShare: completion.cpaceShare,
    platform: completion.platform,
    deviceName: completion.deviceName,
    requestedCapabilities: [...completion.requestedCapabilities],
  };
}

function parseNodeEndpoints(endpoints: readonly string[]): string[] {
  if (endpoints.length === 0 || endpoints.length > MAX_ENDPOINTS) throw malformed("node_endpoints");
  try {
    return endpoints.map((endpoint) => formatEndpoint(parseEndpoint(endpoint)));
  } catch {
    throw malformed("node_endpoints");
  }
}

function malformed(field: string): PalyraError {
  return new PalyraError(
    "invalid_pairing_message",
    `The daemon's answer has a malformed field ${field}; make sure that palyrad and palyra-node are of matching versions.`,
  );
}
