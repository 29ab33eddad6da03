import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../../identity/palyra_error.ts";
import { EventGapError } from "../event_gap_error.ts";
import { isPrivateReason, publicMessage } from "../public_message.ts";
import type { Authorize, PeerCertificate } from "../session.ts";
import type { ReadDeviceEvents } from "./device_events.ts";
import { FrameStream, type FrameStreamEnd } from "./frame_stream.ts";
import { encodeFrame } from "./frame_writer.ts";
import { APPLICATION_CODE } from "./quic_code.ts";
import type { QuicStream } from "./quic_stream.ts";
import { parseRequest, type QuicRequest } from "./request_envelope.ts";
import {
  encodeResponse,
  errorResponse,
  eventResponse,
  healthResponse,
  type QuicErrorCode,
  type ResponseEnvelope,
  sessionResponse,
} from "./response_envelope.ts";

const logger = getLogger(["palyra", "transport", "quic"]);

/** Bytes of events that may wait for a slow reader before no more are fetched. */
const MAX_UNSENT_EVENT_BYTES: number = 256 * 1024;

/** What is served on the streams of the daemon's QUIC listener. */
export interface RequestServices {
  /** Asked for each request, since things may have changed after the handshake. */
  readonly authorize: Authorize;
  readonly health: () => { readonly nodeRpcMtlsRequired: boolean };
  readonly events: ReadDeviceEvents;
  /** Why no session can be opened on this connection; undefined when one can. */
  readonly refuseSession: () => PalyraError | undefined;
  /** Takes over the stream of a `node.open_session`, whose answer is on its way. */
  readonly openSession: (frames: FrameStream) => void;
  /** A request was refused, with its reason; to be counted. */
  readonly onRefused: (refusal: PalyraError) => void;
}

/** The bounds of one request. */
export interface RequestLimits {
  readonly maxFrameBytes: number;
  /** How long the request may take to arrive whole, in milliseconds. */
  readonly requestTimeoutMs: number;
}

/** One stream that a peer has opened, from its request to its answer. Streams know nothing of each other. */
export class RequestStream {
  readonly #frames: FrameStream;
  readonly #peer: PeerCertificate;
  readonly #services: RequestServices;
  readonly #timer: ReturnType<typeof setTimeout>;
  /** Ends the reading of events. */
  #reading: AbortController | undefined;
  #onDrained: (() => void) | undefined;

  private constructor(stream: QuicStream, peer: PeerCertificate, limits: RequestLimits, services: RequestServices) {
    this.#frames = new FrameStream(stream, limits.maxFrameBytes);
    this.#peer = peer;
    this.#services = services;
    this.#timer = setTimeout(() => {
      this.#giveUp(APPLICATION_CODE.requestTimeout);
      services.onRefused(new PalyraError("deadline_exceeded", "A request did not arrive whole in time."));
    }, limits.requestTimeoutMs);
  }

  /** Serves `stream`. */
  static serve(stream: QuicStream, peer: PeerCertificate, limits: RequestLimits, services: RequestServices): void {
    const request = new RequestStream(stream, peer, limits, services);
    request.#frames.read({
      onFrame: (payload) => request.#answer(payload),
      onEnd: (end) => request.#ended(end),
    });
  }

  #answer(payload: Uint8Array): void {
    clearTimeout(this.#timer);
    const parsed = parseRequest(payload);
    if (!parsed.ok) return this.#refuse(parsed.error, parsed.message);
    try {
      const refusal = this.#services.authorize(this.#peer);
      if (refusal !== undefined) return this.#fail(refusal);
      this.#serve(parsed.request);
    } catch (error) {
      this.#fail(error);
    }
  }

  #serve({ method, resumeFrom }: QuicRequest): void {
    switch (method) {
      case "node.health":
        return this.#last(healthResponse(this.#services.health().nodeRpcMtlsRequired));
      case "node.open_session": {
        const refusal = this.#services.refuseSession();
        if (refusal !== undefined) return this.#fail(refusal);
        // What the peer has sent along already belongs to the session.
        this.#frames.pause();
        this.#write(sessionResponse());
        return this.#services.openSession(this.#frames);
      }
      case "node.stream_events": {
        const reading = this.#reading = new AbortController();
        this.#frames.read({
          onFrame: () => this.#refuse("invalid_request", "A stream carries one request. Open another for the next."),
          onEnd: (end) => {
            // A peer that has said all it wants goes on listening.
            if (end.kind !== "finished") this.#ended(end);
          },
          onDrained: () => this.#onDrained?.(),
        });
        void this.#streamEvents(resumeFrom, reading.signal);
      }
    }
  }

  async #streamEvents(resumeFrom: number | undefined, signal: AbortSignal): Promise<void> {
    try {
      for await (const event of this.#services.events(this.#peer, resumeFrom, signal)) {
        // Revocation cuts the connection; this is for what changes without that.
        const refusal = this.#services.authorize(this.#peer);
        if (refusal !== undefined) throw refusal;
        this.#write(eventResponse(event));
        if (this.#frames.unsentBytes > MAX_UNSENT_EVENT_BYTES) await this.#drained();
        if (signal.aborted) return;
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
  }

  /** All that was written is on its way, or nobody wants it any more. */
  #drained(): Promise<void> {
    return new Promise((resolve) => this.#onDrained = resolve);
  }

  #ended(end: FrameStreamEnd): void {
    switch (end.kind) {
      case "broken":
        return this.#refuse("stream_failure", end.error.message);
      case "finished":
        return this.#refuse("stream_failure", "The stream ended before its request was whole.");
      case "connection":
      case "reset":
      case "stopped":
        this.#giveUp(APPLICATION_CODE.done);
    }
  }

  #fail(thrown: unknown): void {
    const error = PalyraError.from(thrown);
    if (isPrivateReason(error.code)) logger.error("A request over QUIC failed: {error}", { error });
    const oldest = error instanceof EventGapError ? error.oldestSequence : undefined;
    this.#refuse(error.code, publicMessage(error), oldest);
  }

  #refuse(error: QuicErrorCode, message: string, oldestSequence?: number): void {
    this.#services.onRefused(new PalyraError(countedAs(error), message));
    this.#last(errorResponse(error, message, oldestSequence));
  }

  #write(response: ResponseEnvelope): void {
    this.#frames.write(encodeFrame(encodeResponse(response)));
  }

  #last(response: ResponseEnvelope): void {
    this.#end();
    this.#frames.finish(encodeFrame(encodeResponse(response)));
  }

  #giveUp(code: number): void {
    this.#end();
    this.#frames.abandon(code);
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#reading?.abort();
    this.#onDrained?.();
  }
}

function countedAs(error: QuicErrorCode): PalyraError["code"] {
  switch (error) {
    case "invalid_request":
    case "stream_failure":
      return "invalid_argument";
    case "unsupported_method":
      return "unsupported";
    default:
      return error;
  }
}
