import { CertificateAuthority } from "../../identity/certificate_authority.ts";
import { isCanonicalUlid, parseDeviceId } from "../../identity/device_id.ts";
import type { MintedPin, MintedQrCode } from "../../identity/pairing_code.ts";
import { PairingSession, type VerifiedPairing } from "../../identity/pairing_session.ts";
import { verifyStatusRequest } from "../../identity/pairing_status_proof.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { encodeQrToken, parseQrToken, type QrToken } from "../../identity/qr_token.ts";
import { type Clock, systemClock, unixMs } from "../../identity/unix_ms.ts";
import type { IssuedServerCertificate } from "../../identity/issued_certificate.ts";
import {
  type BeginPairingSessionRequest,
  type CompletePairingSessionRequest,
  type CompletePairingSessionResponse,
  type GetPairingRequestStatusRequest,
  type GetPairingRequestStatusResponse,
  NodeServiceService,
} from "../../proto/gen/node.ts";
import { GrpcListener } from "../../transport/grpc/grpc_listener.ts";
import { openServerStreamHandler } from "../../transport/grpc/server_stream_handler.ts";
import { openUnaryHandler } from "../../transport/grpc/unary_handler.ts";

const HOUR_MS = 3_600_000;

/** What a test may have the daemon do wrong, or otherwise than usual. */
export interface EnrolmentBehaviour {
  /** Approves at once. */
  approve?: boolean;
  /** Changes the answer to a proven pairing. */
  answer?: (response: CompletePairingSessionResponse) => CompletePairingSessionResponse;
  /** Ends each watching stream after its first message. */
  endStreams?: boolean;
}

/** For tests: a real enrolment listener with a real CA and real handshakes, for one code and one device. */
export class EnrolmentServer implements AsyncDisposable {
  readonly ca: CertificateAuthority;
  readonly code: MintedQrCode | MintedPin;
  readonly behaviour: EnrolmentBehaviour = {};
  readonly nodeEndpoints = ["127.0.0.1:7444"];
  /** Calls that reached the service. */
  begins = 0;
  watches = 0;
  verified: VerifiedPairing | undefined;
  #certificate: IssuedServerCertificate;
  #listener: GrpcListener | undefined;
  #session: PairingSession | undefined;
  #status = "pending_approval";
  #reason = "";
  #changed = Promise.withResolvers<void>();
  #watched = Promise.withResolvers<void>();

  private constructor(
    ca: CertificateAuthority,
    certificate: IssuedServerCertificate,
    code: MintedQrCode | MintedPin,
  ) {
    this.ca = ca;
    this.#certificate = certificate;
    this.code = code;
  }

  static async start(code: MintedQrCode | MintedPin, clock: Clock = systemClock): Promise<EnrolmentServer> {
    const ca = await CertificateAuthority.create({ clock });
    const certificate = await ca.issueServerCertificate({ names: [], addresses: [], validityMs: HOUR_MS });
    const server = new EnrolmentServer(ca, certificate, code);
    await server.listen(0);
    return server;
  }

  get port(): number {
    return this.#listener?.address.port ?? 0;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** The token of its code. */
  token(changes: Partial<Pick<QrToken, "endpoints" | "clientKind">> = {}): QrToken {
    if (this.code.method !== "qr") throw new TypeError("this server has a PIN");
    return parseQrToken(encodeQrToken({
      endpoints: [this.endpoint],
      caFingerprint: this.ca.fingerprint,
      codeId: this.code.codeId,
      secret: this.code.secret,
      expiresAt: unixMs(Date.now() + HOUR_MS),
      clientKind: "node",
      ...changes,
    }));
  }

  /** Decides the request that waits. */
  decide(status: "approved" | "rejected" | "expired", reason = ""): void {
    this.#status = status === "approved" ? "completed" : status;
    this.#reason = reason;
    this.#changed.resolve();
  }

  /** Forgets every request, as a daemon that was set up anew. */
  forget(): void {
    this.verified = undefined;
  }

  /** Resolves when somebody watches for the decision. */
  async untilWatched(): Promise<void> {
    await this.#watched.promise;
  }

  async stop(): Promise<void> {
    this.#watched = Promise.withResolvers();
    await this.#listener?.close({ graceMs: 0 });
    this.#listener = undefined;
  }

  /** Listens, perhaps again on the port of before, with a fresh server certificate. */
  async listen(port: number): Promise<void> {
    this.#certificate = await this.ca.issueServerCertificate({ names: [], addresses: [], validityMs: HOUR_MS });
    this.#listener = await GrpcListener.start({
      hostname: "127.0.0.1",
      port,
      mode: { kind: "server-only" },
      tls: {
        certificatePem: this.#certificate.certificatePem + this.ca.certificatePem,
        keyPem: this.#certificate.privateKeyPem,
        clientCaPem: [],
      },
      services: (grpc) =>
        grpc.addService(NodeServiceService, {
          beginPairingSession: openUnaryHandler((request: BeginPairingSessionRequest) => this.#begin(request)),
          completePairingSession: openUnaryHandler((request: CompletePairingSessionRequest) => this.#complete(request)),
          watchPairingRequest: openServerStreamHandler((request: GetPairingRequestStatusRequest, { signal }) =>
            this.#watch(request, signal)
          ),
        }),
      onRefused: () => {},
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #begin({ clientKind }: BeginPairingSessionRequest) {
    this.begins += 1;
    this.#session = PairingSession.begin({
      codeId: this.code.codeId,
      method: this.code.method,
      codeKey: this.code.key,
      clientKind: "node",
      caFingerprint: this.ca.fingerprint,
      serverCertificateFingerprint: this.#certificate.fingerprint,
      clock: systemClock,
    });
    const { expiresAt, ...challenge } = this.#session.challenge();
    return { v: 1, ...challenge, clientKind, expiresAtUnixMs: expiresAt };
  }

  async #complete(request: CompletePairingSessionRequest): Promise<CompletePairingSessionResponse> {
    const session = this.#session;
    if (session === undefined) throw new PalyraError("pairing_session_unknown", "Begin first.");
    this.#session = undefined;
    this.verified = await session.verify({
      ...request,
      deviceId: request.deviceId?.ulid ?? "",
      proof: Uint8Array.fromBase64(request.proof, { alphabet: "base64url" }),
    });
    const paired = this.behaviour.approve === true;
    const response: CompletePairingSessionResponse = {
      v: 1,
      paired,
      reason: paired ? "completed" : "pending_approval",
      identityFingerprint: this.verified.identityFingerprint,
      transcriptHash: this.verified.transcriptHash,
      mtlsClientCertificatePem: paired ? await this.#issue(this.verified) : "",
      gatewayCaCertificatePem: this.ca.certificatePem,
      certExpiresAtUnixMs: 0,
      gatewayConfirmation: this.verified.gatewayConfirmation,
      nodeEndpoints: this.nodeEndpoints,
    };
    return this.behaviour.answer?.(response) ?? response;
  }

  async *#watch(
    request: GetPairingRequestStatusRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GetPairingRequestStatusResponse> {
    this.watches += 1;
    const { verified } = this;
    const { nonce = "", timestampUnixMs = 0, signature = "" } = request.replay ?? {};
    if (verified === undefined || !isCanonicalUlid(request.sessionId) || request.sessionId !== verified.sessionId) {
      throw new PalyraError("pairing_not_found", "There is no such pairing request.");
    }
    verifyStatusRequest(
      verified.devicePublicKey,
      parseDeviceId(request.deviceId?.ulid ?? ""),
      { sessionId: request.sessionId, nonce, timestamp: unixMs(timestampUnixMs) },
      Uint8Array.fromBase64(signature, { alphabet: "base64url" }),
      systemClock(),
    );
    yield await this.#view(verified);
    this.#watched.resolve();
    if (this.behaviour.endStreams === true || this.#status !== "pending_approval") return;
    const gone = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    await Promise.race([this.#changed.promise, gone]);
    if (!signal.aborted) yield await this.#view(verified);
  }

  async #view(verified: VerifiedPairing): Promise<GetPairingRequestStatusResponse> {
    const paired = this.#status === "completed";
    return {
      v: 1,
      status: this.#status,
      reason: this.#reason,
      paired,
      approvalId: verified.sessionId,
      identityFingerprint: verified.identityFingerprint,
      transcriptHash: verified.transcriptHash,
      mtlsClientCertificatePem: paired ? await this.#issue(verified) : "",
      gatewayCaCertificatePem: this.ca.certificatePem,
      certExpiresAtUnixMs: 0,
      nodeEndpoints: this.nodeEndpoints,
    };
  }

  async #issue({ deviceId, csr }: VerifiedPairing): Promise<string> {
    const issued = await this.ca.issueClientCertificate({
      deviceId,
      clientKind: "node",
      trustDomain: "palyra.test",
      publicKey: csr.publicKey,
      validityMs: HOUR_MS,
    });
    return issued.certificatePem;
  }
}
