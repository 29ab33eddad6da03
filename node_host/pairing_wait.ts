import type { DeviceIdentity } from "../identity/device_identity.ts";
import { signStatusRequest } from "../identity/pairing_status_proof.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { type ReasonCode, type ReasonKind, reasonKind } from "../identity/reason_code.ts";
import type { Clock } from "../identity/unix_ms.ts";
import type { GetPairingRequestStatusRequest, GetPairingRequestStatusResponse } from "../proto/gen/node.ts";
import { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import { printableText } from "./capabilities/printable_text.ts";
import { openFirstEnrolment } from "./enrolment_connection.ts";
import type { PendingPairing } from "./pending_pairing.ts";

const PROTOCOL_VERSION = 1;
const NONCE_BYTES = 24;
const MAX_REASON_CHARACTERS = 256;

/** Failures after which asking again may help. */
const PASSING_KINDS: ReadonlySet<ReasonKind> = new Set<ReasonKind>([
  "connectivity",
  "exhausted",
  "deadline",
  "internal",
]);

/** What the daemon hands over once the pairing is approved; not checked yet. */
export interface IssuedByDecision {
  readonly certificatePem: string;
  readonly caPem: string;
  readonly nodeEndpoints: readonly string[];
}

/** What {@linkcode PairingWait} needs. */
export interface PairingWaitOptions {
  readonly pending: PendingPairing;
  readonly identity: DeviceIdentity;
  readonly clock: Clock;
  /** Told when the daemon cannot be asked; once for each kind of failure. */
  readonly onUnreachable?: (failure: PalyraError) => void;
  /** Default: full jitter, 0.5 s to 30 s. */
  readonly backoff?: ReconnectBackoff;
}

/** Waits on the daemon's stream for the operator's decision, and connects again for as long as it takes. */
export class PairingWait {
  readonly #options: PairingWaitOptions;
  readonly #backoff: ReconnectBackoff;
  #toldFailure: ReasonCode | undefined;

  constructor(options: PairingWaitOptions) {
    this.#options = options;
    this.#backoff = options.backoff ?? new ReconnectBackoff();
  }

  /**
   * Resolves with what was issued, or with the error that ends this pairing for good: `pairing_rejected`,
   * `pairing_expired`, `pairing_not_found`. Rejects with anything else that asking again cannot mend, such as
   * `daemon_untrusted`, and with `cancelled`; the request stands then.
   */
  async untilDecided(signal: AbortSignal): Promise<IssuedByDecision | PalyraError> {
    for (;;) {
      try {
        // deno-lint-ignore no-await-in-loop -- one stream after the other
        const outcome = await this.#watch(signal);
        if (outcome !== undefined) return outcome;
      } catch (thrown) {
        const error = PalyraError.from(thrown);
        if (signal.aborted) throw stopped(error);
        if (error.code === "pairing_not_found") return forgotten(error);
        if (!PASSING_KINDS.has(reasonKind(error.code))) throw error;
        this.#tell(error);
      }
      // deno-lint-ignore no-await-in-loop -- one stream after the other
      await this.#backoff.wait(signal).catch((reason) => {
        throw stopped(reason);
      });
    }
  }

  /** Undefined: the stream ended without a decision. */
  async #watch(signal: AbortSignal): Promise<IssuedByDecision | PalyraError | undefined> {
    const { pending, clock } = this.#options;
    using connection = await openFirstEnrolment(pending.enrolmentEndpoints, {
      caFingerprint: pending.caFingerprint,
      clock,
      signal,
    });
    for await (const status of connection.watch(this.#request())) {
      this.#backoff.reset();
      this.#toldFailure = undefined;
      const outcome = outcomeOf(status);
      if (outcome !== undefined) return outcome;
    }
    return undefined;
  }

  #request(): GetPairingRequestStatusRequest {
    const { pending: { sessionId }, identity, clock } = this.#options;
    const base64url = { alphabet: "base64url", omitPadding: true } as const;
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES)).toBase64(base64url);
    const timestamp = clock();
    const signature = signStatusRequest(identity, { sessionId, nonce, timestamp }).toBase64(base64url);
    return {
      v: PROTOCOL_VERSION,
      sessionId,
      deviceId: { ulid: identity.deviceId },
      replay: { nonce, timestampUnixMs: timestamp, signature },
    };
  }

  #tell(failure: PalyraError): void {
    if (failure.code === this.#toldFailure) return;
    this.#toldFailure = failure.code;
    this.#options.onUnreachable?.(failure);
  }
}

function outcomeOf(status: GetPairingRequestStatusResponse): IssuedByDecision | PalyraError | undefined {
  switch (status.status) {
    case "completed":
      return {
        certificatePem: status.mtlsClientCertificatePem,
        caPem: status.gatewayCaCertificatePem,
        nodeEndpoints: status.nodeEndpoints,
      };
    case "rejected":
      return new PalyraError("pairing_rejected", `The daemon's operator has rejected this machine${because(status)}.`);
    case "expired":
      return new PalyraError(
        "pairing_expired",
        "Nobody has approved this machine in time. Pair again with a new code, and let the operator approve it.",
      );
    default:
      return undefined;
  }
}

function because({ reason }: GetPairingRequestStatusResponse): string {
  const text = printableText(reason, MAX_REASON_CHARACTERS).replace(/\.$/, "");
  return text === "" ? "; ask them why" : `: ${text}`;
}

function forgotten(cause: PalyraError): PalyraError {
  return new PalyraError(
    "pairing_not_found",
    "The daemon knows nothing of this pairing any more. Pair again with a new code.",
    { cause },
  );
}

function stopped(cause: unknown): PalyraError {
  return new PalyraError(
    "cancelled",
    "The waiting was stopped; the request stands. Run `palyra-node pair` to go on with it.",
    { cause },
  );
}
