import { verifyIssuedBy } from "../identity/certificate_facts.ts";
import { formatEndpoint, parseEndpoint } from "../identity/endpoint.ts";
import { type Fingerprint, fingerprintOf, sameFingerprint } from "../identity/fingerprint.ts";
import type { ObservedCertificates } from "../identity/pairing_transcript.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { Clock } from "../identity/unix_ms.ts";
import {
  type BeginDeviceRecoveryRequest,
  type BeginDeviceRecoveryResponse,
  type BeginPairingSessionRequest,
  type BeginPairingSessionResponse,
  type CompleteDeviceRecoveryRequest,
  type CompleteDeviceRecoveryResponse,
  type CompletePairingSessionRequest,
  type CompletePairingSessionResponse,
  type GetPairingRequestStatusRequest,
  type GetPairingRequestStatusResponse,
  NodeServiceClient,
} from "../proto/gen/node.ts";
import { channelOptions, channelTarget } from "../transport/grpc/grpc_channel.ts";
import { probedServerCredentials, probeServerChain, type ServerChain } from "../transport/grpc/server_probe.ts";
import { callServerStream } from "../transport/grpc/server_stream_call.ts";
import { callUnary } from "../transport/grpc/unary_call.ts";

/** How an {@linkcode EnrolmentConnection} is opened. */
export interface EnrolmentConnectionOptions {
  /** Only a daemon with this CA is spoken to; undefined where the PAKE decides (a PIN), or the succession of CAs. */
  readonly caFingerprint: Fingerprint | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * A connection to a daemon's enrolment listener, bound to the one server certificate that was seen when it was opened:
 * what the handshake covers is what the calls go to.
 */
export class EnrolmentConnection implements Disposable {
  /** `host:port`. */
  readonly endpoint: string;
  /** What this side has seen of the server at TLS level. */
  readonly observed: ObservedCertificates;
  /** The CA that issued the server's certificate, DER. Whether it is to be trusted, `open` has judged by its options alone. */
  readonly caDer: Uint8Array;
  readonly #client: NodeServiceClient;
  readonly #signal: AbortSignal;

  private constructor(
    endpoint: string,
    observed: ObservedCertificates,
    caDer: Uint8Array,
    client: NodeServiceClient,
    signal: AbortSignal,
  ) {
    this.endpoint = endpoint;
    this.observed = observed;
    this.caDer = caDer;
    this.#client = client;
    this.#signal = signal;
  }

  /**
   * Looks at the server's certificates and judges them before anything is said. Rejects with `daemon_unreachable`,
   * `daemon_untrusted` (another CA than the expected one, or a certificate that is not a daemon's), or `cancelled`.
   */
  static async open(endpoint: string, options: EnrolmentConnectionOptions): Promise<EnrolmentConnection> {
    const parsed = parseEndpoint(endpoint);
    const chain = await probeServerChain(parsed, { signal: options.signal });
    await requireTrusted(chain, endpoint, options);
    const client = new NodeServiceClient(channelTarget(parsed), probedServerCredentials(chain), channelOptions());
    const observed = {
      caFingerprint: fingerprintOf(chain.caDer),
      serverCertificateFingerprint: fingerprintOf(chain.leafDer),
    };
    return new EnrolmentConnection(formatEndpoint(parsed), observed, chain.caDer, client, options.signal);
  }

  /** Opens a pairing session. */
  async begin(request: BeginPairingSessionRequest): Promise<BeginPairingSessionResponse> {
    return await this.#explaining(
      callUnary(this.#client, this.#client.beginPairingSession, request, this.#callOptions),
    );
  }

  /** Proves the code. */
  async complete(request: CompletePairingSessionRequest): Promise<CompletePairingSessionResponse> {
    return await this.#explaining(
      callUnary(this.#client, this.#client.completePairingSession, request, this.#callOptions),
    );
  }

  /** Asks for the challenge of a recovery. */
  async beginRecovery(request: BeginDeviceRecoveryRequest): Promise<BeginDeviceRecoveryResponse> {
    return await this.#explaining(
      callUnary(this.#client, this.#client.beginDeviceRecovery, request, this.#callOptions),
    );
  }

  /** Proves the device key. */
  async completeRecovery(request: CompleteDeviceRecoveryRequest): Promise<CompleteDeviceRecoveryResponse> {
    return await this.#explaining(
      callUnary(this.#client, this.#client.completeDeviceRecovery, request, this.#callOptions),
    );
  }

  /** The request as it stands now, and after each decision. */
  async *watch(request: GetPairingRequestStatusRequest): AsyncGenerator<GetPairingRequestStatusResponse, void> {
    try {
      yield* callServerStream(this.#client, this.#client.watchPairingRequest, request, this.#callOptions);
    } catch (error) {
      throw explained(this.endpoint, error);
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  get #callOptions(): { readonly signal: AbortSignal } {
    return { signal: this.#signal };
  }

  async #explaining<Response>(call: Promise<Response>): Promise<Response> {
    try {
      return await call;
    } catch (error) {
      throw explained(this.endpoint, error);
    }
  }
}

/**
 * Opens a connection to the first of `endpoints` that answers as it should. When none does, rejects with what matters
 * most: that somebody else answered, else why the last one could not be reached.
 */
export async function openFirstEnrolment(
  endpoints: readonly string[],
  options: EnrolmentConnectionOptions,
): Promise<EnrolmentConnection> {
  let failure: PalyraError | undefined;
  for (const endpoint of endpoints) {
    try {
      // deno-lint-ignore no-await-in-loop -- the next endpoint is tried only when this one fails
      return await EnrolmentConnection.open(endpoint, options);
    } catch (thrown) {
      const error = PalyraError.from(thrown);
      if (error.code !== "daemon_unreachable" && error.code !== "daemon_untrusted") throw error;
      if (failure?.code !== "daemon_untrusted") failure = error;
    }
  }
  throw failure ?? new PalyraError("invalid_argument", "There is no address at which to pair.");
}

async function requireTrusted(
  chain: ServerChain,
  endpoint: string,
  { caFingerprint, clock }: EnrolmentConnectionOptions,
): Promise<void> {
  if (caFingerprint !== undefined && !sameFingerprint(fingerprintOf(chain.caDer), caFingerprint)) {
    throw new PalyraError(
      "daemon_untrusted",
      `What answers at ${endpoint} is not the daemon that made this pairing: its CA is another one. Nothing was said to ` +
        "it. Check the address, and that nobody is between; if the daemon was set up anew, take a new token.",
    );
  }
  const refusal = await verifyIssuedBy(chain.leafDer, chain.caDer, clock(), "server");
  if (refusal === undefined) return;
  throw new PalyraError(
    "daemon_untrusted",
    refusal.code === "certificate_untrusted"
      ? `What answers at ${endpoint} shows a certificate that is not from its own CA, so it is no palyrad. Check the ` +
        "host and the port of the enrolment listener (by default 7445)."
      : `The certificate of the daemon at ${endpoint} is not valid at this machine's time. Check the clocks of both ` +
        "machines.",
    { cause: refusal },
  );
}

/** This side shows no certificate, so a refusal of certificates means the wrong port. */
function explained(endpoint: string, thrown: unknown): PalyraError {
  const error = PalyraError.from(thrown);
  if (error.code !== "certificate_missing" && error.code !== "certificate_untrusted") return error;
  return new PalyraError(
    "daemon_unreachable",
    `The daemon closed the connection to ${endpoint}. Check that this is the port of its enrolment listener (by default ` +
      "7445) and not the one for paired nodes.",
    { cause: error },
  );
}
