import { createCertificateRequest } from "../../identity/certificate_request.ts";
import type { ClientKind } from "../../identity/client_kind.ts";
import { type CanonicalUlid, newDeviceId } from "../../identity/device_id.ts";
import { DeviceIdentity } from "../../identity/device_identity.ts";
import { PairingAttempt, type PairingSecret } from "../../identity/pairing_attempt.ts";
import type { PairingChallenge } from "../../identity/pairing_message.ts";
import { signStatusRequest } from "../../identity/pairing_status_proof.ts";
import { parseQrToken } from "../../identity/qr_token.ts";
import { TlsKey } from "../../identity/tls_key.ts";
import { systemClock, unixMs } from "../../identity/unix_ms.ts";
import { EnrolmentConnection } from "../../node_host/enrolment_connection.ts";
import {
  type BeginPairingSessionRequest,
  CompletePairingSessionRequest,
  type CompletePairingSessionResponse,
  type GetPairingRequestStatusRequest,
  type GetPairingRequestStatusResponse,
} from "../../proto/gen/node.ts";
import type { TestIdentity } from "./paired_device.ts";

const base64url = { alphabet: "base64url", omitPadding: true } as const;

/** What a {@linkcode PairingDevice} says of itself. */
export interface DeviceOptions {
  /** Default: a fresh device. */
  readonly identity?: DeviceIdentity;
  /** Default: `node`. */
  readonly clientKind?: ClientKind;
  /** Default: `laptop`. */
  readonly deviceName?: string;
  /** What it asks to be granted. Default: `echo`. */
  readonly wants?: readonly string[];
}

/** An answer that is ready to be sent. */
export interface ReadyAnswer {
  readonly request: CompletePairingSessionRequest;
  readonly attempt: PairingAttempt;
}

/** A device that pairs one message at a time, over real connections, as a test says. */
export class PairingDevice {
  readonly identity: DeviceIdentity;
  readonly tlsKey: TlsKey;
  readonly #clientKind: ClientKind;
  readonly #deviceName: string;
  readonly #wants: readonly string[];

  private constructor(tlsKey: TlsKey, options: DeviceOptions) {
    this.tlsKey = tlsKey;
    this.identity = options.identity ?? DeviceIdentity.generate(newDeviceId());
    this.#clientKind = options.clientKind ?? "node";
    this.#deviceName = options.deviceName ?? "laptop";
    this.#wants = options.wants ?? ["echo"];
  }

  static async create(options: DeviceOptions = {}): Promise<PairingDevice> {
    return new PairingDevice(await TlsKey.generate(), options);
  }

  /** Looks at the daemon, as every handshake begins. */
  async connect(endpoint: string): Promise<EnrolmentConnection> {
    const signal = new AbortController().signal;
    return await EnrolmentConnection.open(endpoint, { caFingerprint: undefined, clock: systemClock, signal });
  }

  /** Opens a session for a code, a QR token or a PIN. */
  async begin(connection: EnrolmentConnection, secretText: string): Promise<PairingChallenge> {
    const begun = await connection.begin(this.beginRequest(secretText));
    return {
      sessionId: begun.sessionId as CanonicalUlid,
      clientKind: this.#clientKind,
      gatewayEphemeralPublic: begun.gatewayEphemeralPublic,
      challenge: begun.challenge,
      cpaceShare: begun.cpaceShare,
      expiresAt: unixMs(begun.expiresAtUnixMs),
    };
  }

  /** The first message of a handshake. */
  beginRequest(secretText: string): BeginPairingSessionRequest {
    const secret = secretOf(secretText);
    const value = secret.kind === "qr"
      ? { $case: "qr" as const, value: { codeId: { ulid: secret.codeId } } }
      : { $case: "pin" as const, value: {} };
    return { v: 1, clientKind: this.#clientKind, method: { value }, replay: undefined };
  }

  /** Makes the answer that proves the code and the device, to be sent by {@linkcode complete}. */
  async answer(connection: EnrolmentConnection, secretText: string): Promise<ReadyAnswer> {
    const challenge = await this.begin(connection, secretText);
    const { identity, tlsKey } = this;
    const attempt = await PairingAttempt.answer({
      device: identity,
      csrDer: await createCertificateRequest({ deviceId: identity.deviceId, tlsKey }),
      method: secretOf(secretText),
      clientKind: this.#clientKind,
      platform: "test",
      deviceName: this.#deviceName,
      requestedCapabilities: this.#wants,
      ...connection.observed,
    }, challenge);
    const { completion } = attempt;
    const request = CompletePairingSessionRequest.create({
      ...completion,
      v: 1,
      deviceId: { ulid: completion.deviceId },
      proof: completion.proof.toBase64(base64url),
      requestedCapabilities: [...completion.requestedCapabilities],
    });
    return { request, attempt };
  }

  /** A whole handshake; resolves with the daemon's answer and the id of the pairing request. */
  async pair(
    endpoint: string,
    secretText: string,
  ): Promise<CompletePairingSessionResponse & { readonly requestId: CanonicalUlid }> {
    using connection = await this.connect(endpoint);
    const { request, attempt } = await this.answer(connection, secretText);
    const response = await connection.complete(request);
    attempt.verifyConfirmation(response.gatewayConfirmation);
    return { ...response, requestId: request.sessionId as CanonicalUlid };
  }

  /** How the request stands; with the certificate once it may be had. */
  async status(endpoint: string, requestId: string): Promise<GetPairingRequestStatusResponse> {
    using connection = await this.connect(endpoint);
    return await this.statusOver(connection, requestId);
  }

  /** The same over a connection that is open. */
  async statusOver(connection: EnrolmentConnection, requestId: string): Promise<GetPairingRequestStatusResponse> {
    for await (const status of connection.watch(this.statusRequest(requestId))) return status;
    throw new Error("the daemon did not answer");
  }

  /** The signed question how a request stands. */
  statusRequest(requestId: string): GetPairingRequestStatusRequest {
    const nonce = crypto.getRandomValues(new Uint8Array(16)).toBase64(base64url);
    const timestamp = systemClock();
    const question = { sessionId: requestId as CanonicalUlid, nonce, timestamp };
    const signature = signStatusRequest(this.identity, question).toBase64(base64url);
    return {
      v: 1,
      sessionId: requestId,
      deviceId: { ulid: this.identity.deviceId },
      replay: { nonce, timestampUnixMs: timestamp, signature },
    };
  }

  /** What it has once it was let in: its certificate with the key, and the CA. */
  async identityBy(answer: {
    readonly mtlsClientCertificatePem: string;
    readonly gatewayCaCertificatePem: string;
  }): Promise<TestIdentity> {
    return {
      deviceId: this.identity.deviceId,
      caPem: answer.gatewayCaCertificatePem,
      certificatePem: answer.mtlsClientCertificatePem,
      keyPem: await this.tlsKey.toPem(),
    };
  }
}

function secretOf(secretText: string): PairingSecret {
  if (/^\d+$/.test(secretText)) return { kind: "pin", pin: secretText };
  const { secret, codeId } = parseQrToken(secretText);
  return { kind: "qr", secret, codeId };
}
