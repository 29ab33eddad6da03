import { getLogger } from "@logtape/logtape";
import type { DeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { isReasonCode, type ReasonCode } from "../identity/reason_code.ts";
import type { Clock, UnixMs } from "../identity/unix_ms.ts";
import type { DeviceCapability, NodeEventResponse, Welcome } from "../proto/gen/node.ts";
import type { NodeSession, SessionEnd } from "../transport/session.ts";
import { SilenceWatch } from "../transport/silence_watch.ts";
import { HANDSHAKE_TIMEOUT_MS, HEARTBEAT_INTERVAL_MS } from "../transport/transport_limits.ts";
import { printableText } from "./capabilities/printable_text.ts";
import { attemptRef, parseAttempt, parseDispatch } from "./dispatch.ts";
import { nodeEvent, type NodeMessage } from "./node_message.ts";
import type { TrustHolder } from "./trust_bundle.ts";
import type { WorkDesk, WorkLink } from "./work_desk.ts";

const logger = getLogger(["palyra", "node_host", "session"]);

/** However short a daemon wants its keep-alive, a heartbeat and its answer must fit, with this to spare, in milliseconds. */
const KEEP_ALIVE_SLACK_MS = 500;
const MAX_KEEP_ALIVE_MS = 120_000;

const MAX_GOODBYE_CHARACTERS = 500;
const MAX_EVENT_NAME_CHARACTERS = 128;

/** What a node says of itself in its Hello. */
export interface NodeSelfDescription {
  readonly deviceId: DeviceId;
  /** For example `linux-x86_64`. */
  readonly platform: string;
  readonly deviceName: string;
  readonly softwareVersion: string;
  /** Random for each start of the process. */
  readonly instanceId: string;
  /** How many requests it runs at once. */
  readonly maxConcurrency: number;
  readonly capabilities: readonly DeviceCapability[];
}

/** What the daemon's Welcome said. */
export interface WelcomeFacts {
  /** Grows with each session of the device. */
  readonly epoch: number;
  /** How far this machine's clock is ahead of the daemon's, in milliseconds; negative when it is behind. */
  readonly clockAheadMs: number;
  /** PEM certificates of every CA the daemon wants trusted; empty when it did not say. */
  readonly trustBundlePem: string;
  readonly at: UnixMs;
}

/** How closely the daemon is watched. */
export interface SessionPace {
  /** How long the daemon may take over its Welcome, in milliseconds. Default: 10,000. */
  readonly welcomeTimeoutMs?: number;
  /** Default: 2,000 ms. */
  readonly heartbeatIntervalMs?: number;
  /** Silence longer than this ends the session, where the Welcome allows more, in milliseconds. Default: no limit. */
  readonly silenceLimitMs?: number;
}

/** What {@linkcode SessionWorker} needs. */
export interface SessionWorkerOptions extends SessionPace {
  readonly session: NodeSession;
  readonly desk: WorkDesk;
  readonly self: NodeSelfDescription;
  readonly clock: Clock;
  /** Where what the daemon wants trusted goes; without it, nowhere. */
  readonly trust?: TrustHolder | undefined;
  /** Called once, in the turn in which the Welcome came. From here on the node counts as connected. */
  readonly onWelcome: (welcome: WelcomeFacts) => void;
  /** Told when the daemon asks for a renewal of the certificate, with its reason. */
  readonly onRenewalAsked?: ((reason: string) => void) | undefined;
}

/**
 * The node's side of one session, whatever transport carries it: Hello, Welcome, work, heartbeats, and an end that says
 * why. Made in the turn in which the session was obtained.
 */
export class SessionWorker {
  readonly #options: SessionWorkerOptions;
  readonly #link: WorkLink = { send: (message) => this.#send(message) };
  readonly #daemonSilence: SilenceWatch;
  readonly #welcomeTimer: ReturnType<typeof setTimeout>;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #epoch: number | undefined;
  #isOver = false;
  #goodbye: { readonly code: ReasonCode; readonly message: string } | undefined;
  /** Settles once, when the session is over and its work is detached; never rejects. */
  readonly ended: Promise<SessionEnd>;

  constructor(options: SessionWorkerOptions) {
    this.#options = options;
    const { session, welcomeTimeoutMs = HANDSHAKE_TIMEOUT_MS } = options;
    this.#daemonSilence = new SilenceWatch(
      () => session.abort("keep_alive_missed", "The daemon has gone silent; the node connects again."),
      () => session.receivedAt,
    );
    this.#welcomeTimer = setTimeout(() => {
      session.abort("deadline_exceeded", `The daemon did not welcome this node within ${welcomeTimeoutMs} ms.`);
    }, welcomeTimeoutMs);
    session.onMessage = (message) => this.#receive(message);
    this.ended = session.closed.then((end) => this.#cleanUp(end));
    try {
      this.#sayHello();
    } catch (thrown) {
      // A Hello that no session takes, such as one with too many schemas.
      const error = PalyraError.from(thrown);
      session.abort(error.code, error.message);
    }
  }

  /** Tells the daemon to send nothing new. What runs goes on, and its results are still sent. */
  drain(): void {
    if (this.#epoch !== undefined) this.#send({ $case: "draining", value: {} });
  }

  #sayHello(): void {
    const { self, desk } = this.#options;
    this.#send({
      $case: "hello",
      value: {
        deviceId: { ulid: self.deviceId },
        platform: self.platform,
        capabilities: [...self.capabilities],
        inFlight: desk.inFlight.map(attemptRef),
        finished: desk.finished.map(attemptRef),
        maxConcurrency: self.maxConcurrency,
        softwareVersion: self.softwareVersion,
        deviceName: self.deviceName,
        instanceId: self.instanceId,
        journalId: desk.journalId,
        interrupted: desk.interrupted.map(attemptRef),
        trustedCaFingerprints: [...this.#options.trust?.authorities ?? []],
      },
    });
  }

  #receive(received: NodeEventResponse): void {
    this.#daemonSilence.heard();
    try {
      this.#handle(received);
    } catch (thrown) {
      const error = PalyraError.from(thrown);
      logger.warning("A message of the daemon was refused: {reason}", { reason: error.message, error });
      this.#options.session.close(error.code, error.message);
    }
  }

  #handle({ message }: NodeEventResponse): void {
    if (message?.$case === "goodbye") return this.#noteGoodbye(message.value.reasonCode, message.value.message);
    if (this.#epoch === undefined) {
      if (message?.$case !== "welcome") {
        throw new PalyraError("protocol_mismatch", "The first message of a daemon must be its Welcome.");
      }
      return this.#welcome(message.value);
    }
    const { desk } = this.#options;
    switch (message?.$case) {
      case "dispatch":
        // Meant for an earlier session, whose work the Hello has settled.
        if (message.value.epoch !== this.#epoch) return;
        return desk.dispatch(parseDispatch(message.value));
      case "cancel":
        return desk.cancel(parseAttempt(message.value.attempt), message.value.reason);
      case "resultAck":
        for (const attempt of message.value.attempts) desk.acknowledge(parseAttempt(attempt));
        return;
      case "drain":
        logger.info("The daemon is about to stop; the node reconnects when it is back.");
        return;
      case "welcome":
        throw new PalyraError("protocol_mismatch", "A session has one Welcome.");
      case "event": {
        const { sequence, name } = message.value;
        const event = printableText(name, MAX_EVENT_NAME_CHARACTERS);
        return logger.info("The daemon tells of {event} (number {sequence}).", { event, sequence });
      }
      case "renewCertificate":
        return this.#options.onRenewalAsked?.(printableText(message.value.reason, MAX_GOODBYE_CHARACTERS));
      case "trustBundle":
        return this.#trust(message.value.pem);
      case "heartbeat":
      case undefined:
        return;
    }
  }

  /** Trusts what the daemon wants trusted, and says so; should that fail, the daemon sees that it was not said. */
  #trust(trustBundlePem: string): void {
    this.#options.trust?.adopt(trustBundlePem).then(
      (caFingerprints) => {
        if (!this.#isOver) this.#send({ $case: "trustBundleStored", value: { caFingerprints: [...caFingerprints] } });
      },
      (thrown) => {
        const error = PalyraError.from(thrown);
        logger.warning("The daemon's CAs have changed, and were not taken over: {reason}", {
          reason: error.message,
          error,
        });
      },
    );
  }

  #welcome(welcome: Welcome): void {
    const { clock, desk, onWelcome, heartbeatIntervalMs = HEARTBEAT_INTERVAL_MS } = this.#options;
    const { silenceLimitMs = MAX_KEEP_ALIVE_MS } = this.#options;
    clearTimeout(this.#welcomeTimer);
    const abandoned = welcome.abandoned.map(parseAttempt);
    const now = clock();
    this.#epoch = welcome.epoch;
    const leastMs = heartbeatIntervalMs + KEEP_ALIVE_SLACK_MS;
    this.#daemonSilence.start(Math.max(Math.min(welcome.keepAliveMs, silenceLimitMs, MAX_KEEP_ALIVE_MS), leastMs));
    this.#heartbeat = setInterval(() => this.#send({ $case: "heartbeat", value: {} }), heartbeatIntervalMs);
    onWelcome({
      epoch: welcome.epoch,
      clockAheadMs: now - welcome.serverTimeUnixMs,
      trustBundlePem: welcome.trustBundlePem,
      at: now,
    });
    desk.attach(this.#link, abandoned);
    if (welcome.trustBundlePem !== "") this.#trust(welcome.trustBundlePem);
  }

  #noteGoodbye(code: string, message: string): void {
    this.#goodbye = {
      code: isReasonCode(code) ? code : "connection_lost",
      message: printableText(message, MAX_GOODBYE_CHARACTERS),
    };
  }

  #cleanUp(end: SessionEnd): SessionEnd {
    this.#isOver = true;
    clearTimeout(this.#welcomeTimer);
    clearInterval(this.#heartbeat);
    this.#daemonSilence.stop();
    this.#options.desk.detach(this.#link);
    // The daemon's own word says more than how the connection broke afterwards.
    if (this.#goodbye === undefined || end.by === "local") return end;
    return { ...end, by: "peer", ...this.#goodbye };
  }

  #send(message: NodeMessage): void {
    this.#options.session.send(nodeEvent(this.#options.self.deviceId, message));
  }
}
