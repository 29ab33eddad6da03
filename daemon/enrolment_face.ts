import { parseClientKind } from "../identity/client_kind.ts";
import { isCanonicalUlid, parseDeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { verifyStatusRequest } from "../identity/pairing_status_proof.ts";
import type {
  BeginPairingSessionRequest,
  BeginPairingSessionResponse,
  CompletePairingSessionRequest,
  CompletePairingSessionResponse,
  GetPairingRequestStatusRequest,
  GetPairingRequestStatusResponse,
  PairingMethod,
} from "../proto/gen/node.ts";
import { type Clock, unixMs } from "../identity/unix_ms.ts";
import type { HeldCode } from "./pairing_code_book.ts";
import type { PairingDesk } from "./pairing_desk.ts";
import type { PairingStatus } from "./pairing_hand_over.ts";
import type { PairingRequestRecord } from "./store/pairing_record.ts";

/** What {@linkcode EnrolmentFace} needs. */
export interface EnrolmentFaceOptions {
  readonly desk: PairingDesk;
  readonly caCertificatePem: () => string;
  /** Where sessions are opened, `host:port`, best first. */
  readonly nodeEndpoints: () => readonly string[];
  readonly clock: Clock;
}

const PROTOCOL_VERSION = 1;

/** The pairing calls of NodeService, which the enrolment listener serves to peers without a certificate. */
export class EnrolmentFace {
  readonly #options: EnrolmentFaceOptions;

  constructor(options: EnrolmentFaceOptions) {
    this.#options = options;
  }

  /** Opens a pairing session. */
  async begin(request: BeginPairingSessionRequest, remoteAddress: string): Promise<BeginPairingSessionResponse> {
    checkVersion(request.v);
    const clientKind = parseClientKind(request.clientKind);
    const challenge = await this.#options.desk.begin(heldCode(request.method), clientKind, remoteAddress);
    return {
      v: PROTOCOL_VERSION,
      sessionId: challenge.sessionId,
      clientKind: challenge.clientKind,
      gatewayEphemeralPublic: challenge.gatewayEphemeralPublic,
      challenge: challenge.challenge,
      expiresAtUnixMs: challenge.expiresAt,
      cpaceShare: challenge.cpaceShare,
    };
  }

  /** Takes the device's proof. */
  async complete(
    request: CompletePairingSessionRequest,
    remoteAddress: string,
  ): Promise<CompletePairingSessionResponse> {
    checkVersion(request.v);
    const outcome = await this.#options.desk.complete({
      sessionId: ulid(request.sessionId),
      deviceId: parseDeviceId(request.deviceId?.ulid ?? ""),
      clientKind: parseClientKind(request.clientKind),
      proof: base64url(request.proof),
      deviceSigningPublic: request.deviceSigningPublic,
      deviceX25519Public: request.deviceX25519Public,
      challengeSignature: request.challengeSignature,
      transcriptMac: request.transcriptMac,
      csrDer: request.csrDer,
      cpaceShare: request.cpaceShare,
      platform: request.platform,
      deviceName: request.deviceName,
      requestedCapabilities: request.requestedCapabilities,
    }, remoteAddress);
    const { certificate } = outcome;
    return {
      v: PROTOCOL_VERSION,
      paired: certificate !== undefined,
      reason: outcome.request.state,
      identityFingerprint: outcome.request.identityFingerprint,
      transcriptHash: outcome.request.transcriptHash,
      mtlsClientCertificatePem: certificate?.pem ?? "",
      gatewayCaCertificatePem: this.#options.caCertificatePem(),
      certExpiresAtUnixMs: certificate?.expiresAt ?? 0,
      gatewayConfirmation: outcome.gatewayConfirmation,
      nodeEndpoints: [...this.#options.nodeEndpoints()],
    };
  }

  /** How the caller's request stands. */
  async status(request: GetPairingRequestStatusRequest): Promise<GetPairingRequestStatusResponse> {
    const { requestId } = await this.#checkCaller(request);
    return this.#view(await this.#options.desk.status(requestId));
  }

  /**
   * The state now and after each change, until a final one or until `signal` fires. Throws `pairing_not_found` when the
   * request is gone because its device was removed.
   */
  async *watch(
    request: GetPairingRequestStatusRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GetPairingRequestStatusResponse, void, void> {
    const stored = await this.#checkCaller(request);
    const { desk } = this.#options;
    while (!signal.aborted) {
      const news = Promise.withResolvers<void>();
      const stop = () => news.resolve();
      // Watching begins before reading, so that nothing falls between the two.
      const unwatch = desk.watch(stored, stop);
      signal.addEventListener("abort", stop);
      try {
        // deno-lint-ignore no-await-in-loop -- each round waits for one change
        const status = await desk.status(stored.requestId);
        yield this.#view(status);
        if (status.request.state !== "pending_approval") return;
        // deno-lint-ignore no-await-in-loop -- each round waits for one change
        await news.promise;
      } finally {
        signal.removeEventListener("abort", stop);
        unwatch();
      }
    }
  }

  /** The request that is asked about, once its device has signed the question. */
  async #checkCaller(request: GetPairingRequestStatusRequest): Promise<PairingRequestRecord> {
    const sessionId = ulid(request.sessionId);
    const deviceId = parseDeviceId(request.deviceId?.ulid ?? "");
    const stored = await this.#options.desk.find(sessionId, deviceId);
    const { nonce = "", timestampUnixMs = 0, signature = "" } = request.replay ?? {};
    verifyStatusRequest(
      stored.devicePublicKey,
      deviceId,
      { sessionId, nonce, timestamp: unixMs(Math.max(0, timestampUnixMs)) },
      base64url(signature),
      this.#options.clock(),
    );
    return stored;
  }

  #view({ request, certificate }: PairingStatus): GetPairingRequestStatusResponse {
    return {
      v: PROTOCOL_VERSION,
      status: request.state,
      reason: request.decisionReason ?? "",
      paired: certificate !== undefined,
      approvalId: request.requestId,
      identityFingerprint: request.identityFingerprint,
      transcriptHash: request.transcriptHash,
      mtlsClientCertificatePem: certificate?.pem ?? "",
      gatewayCaCertificatePem: this.#options.caCertificatePem(),
      certExpiresAtUnixMs: certificate?.expiresAt ?? 0,
      nodeEndpoints: [...this.#options.nodeEndpoints()],
    };
  }
}

function checkVersion(version: number): void {
  if (version !== PROTOCOL_VERSION) {
    throw new PalyraError(
      "protocol_mismatch",
      `This daemon speaks pairing protocol ${PROTOCOL_VERSION}, the device ${version}. Bring both to one version.`,
    );
  }
}

function ulid(text: string) {
  if (!isCanonicalUlid(text)) throw new PalyraError("invalid_argument", "The id is not a ULID.");
  return text;
}

function base64url(text: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(text, { alphabet: "base64url" });
  } catch (cause) {
    throw new PalyraError("invalid_pairing_message", "Proofs and signatures travel as base64url.", { cause });
  }
}

function heldCode(method: PairingMethod | undefined): HeldCode {
  switch (method?.value?.$case) {
    case "qr":
      return { method: "qr", codeId: ulid(method.value.value.codeId?.ulid ?? "") };
    case "pin":
      return { method: "pin" };
    case undefined:
      throw new PalyraError("invalid_argument", "The pairing method is missing: `qr` or `pin`.");
  }
}
