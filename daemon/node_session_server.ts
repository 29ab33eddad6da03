import { getLogger } from "@logtape/logtape";
import { CERTIFICATE_BACKDATE_MS } from "../identity/certificate_authority.ts";
import { type DeviceId, newUlid, parseDeviceId } from "../identity/device_id.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import type { Clock } from "../identity/unix_ms.ts";
import type { NodeEventRequest } from "../proto/gen/node.ts";
import type { DaemonSession } from "../transport/session.ts";
import {
  DAEMON_HEARTBEAT_INTERVAL_MS,
  HANDSHAKE_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  MAX_MESSAGE_BYTES,
} from "../transport/transport_limits.ts";
import type { CapabilityQueue } from "./capability_queue.ts";
import type { DeviceEventLog } from "./device_event_log.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import { checkProgress, checkResult } from "./node_report.ts";
import { checkAttempt, checkAuthorities, checkHello, type NodeHello } from "./node_registration.ts";
import type { NodeRuntimeState, OpenedSession } from "./node_runtime_state.ts";
import { attemptRef, daemonMessage, SessionLink } from "./session_link.ts";
import { TrustedAuthorities } from "./trusted_authorities.ts";
import { SilenceWatch } from "../transport/silence_watch.ts";

const log = getLogger(["palyra", "daemon", "session"]);

const utf8 = new TextEncoder();

/** What {@linkcode NodeSessionServer} needs. */
export interface NodeSessionServerOptions {
  readonly devices: DeviceRegistry;
  readonly runtime: NodeRuntimeState;
  readonly queue: CapabilityQueue;
  readonly events: DeviceEventLog;
  /** PEM certificates that the nodes should trust. */
  readonly trustBundlePem: () => string;
  /** The CA that issues: who comes with a certificate of an earlier one is asked to renew it. By default nobody is. */
  readonly issuer?: () => Fingerprint;
  readonly clock: Clock;
}

/** The daemon's side of every node session, whatever transport carries it: Hello, Welcome, work, keep-alive, end. */
export class NodeSessionServer {
  readonly #options: NodeSessionServerOptions;
  readonly #conversations = new Map<NodeConversation, DeviceId>();
  readonly #trusted = new TrustedAuthorities();
  #stopping = false;

  constructor(options: NodeSessionServerOptions) {
    this.#options = options;
  }

  /** Takes over a session that a transport has authenticated. */
  accept(session: DaemonSession): void {
    const known = this.#options.devices.identify(session.peer);
    if (known instanceof PalyraError) return session.close(known.code, known.message);
    if (known.device.clientKind !== "node") {
      return session.close("device_mismatch", "Only a device that was paired as a node can open a session.");
    }
    if (this.#stopping) return session.close("shutting_down", "The daemon is stopping; come back in a moment.");
    const { deviceId } = known.device;
    const conversation = new NodeConversation(this.#options, session, deviceId, this.#trusted);
    this.#conversations.set(conversation, deviceId);
    session.onMessage = (message) => conversation.receive(message);
    void session.closed.then((end) => {
      this.#conversations.delete(conversation);
      conversation.stop(end.code);
      log.info("Node session ended.", { deviceId, by: end.by, code: end.code, reason: end.message, cause: end.cause });
    });
  }

  /** Ends every session of a device. */
  closeDevice(deviceId: DeviceId, code: ReasonCode, message: string): void {
    for (const [conversation, owner] of [...this.#conversations]) {
      if (owner === deviceId) conversation.close(code, message);
    }
  }

  /**
   * Ends every session that came with a certificate, in this turn of the event loop; returns the ends of those that were
   * open, each of which comes when the node has ended its side too or its connection is cut.
   */
  closeCertificate(fingerprint: Fingerprint, code: ReasonCode, message: string): Promise<unknown>[] {
    const conversations = [...this.#conversations.keys()].filter((each) => each.fingerprint === fingerprint);
    for (const conversation of conversations) conversation.close(code, message);
    return conversations.map(({ closed }) => closed);
  }

  /**
   * Ends the sessions whose certificate is over: none outlives for long what let it in. A node opens another one in time by
   * its own clock, which may differ from the daemon's as much as it may for a new certificate.
   */
  closeExpired(): void {
    const { devices, clock } = this.#options;
    for (const [conversation, deviceId] of [...this.#conversations]) {
      const { fingerprint } = conversation;
      const certificate = devices.certificatesOf(deviceId).find((each) => each.fingerprint === fingerprint);
      if (certificate !== undefined && clock() < certificate.expiresAt + CERTIFICATE_BACKDATE_MS) continue;
      conversation.close("certificate_expired", "The certificate with which this session was opened has expired.");
    }
  }

  /** Asks a device to renew its certificate now, for a reason that its log tells; false when it is not connected. */
  askForRenewal(deviceId: DeviceId, reason: string): boolean {
    const asked = [...this.#conversations].filter(([conversation, owner]) =>
      owner === deviceId && conversation.askForRenewal(reason)
    );
    return asked.length > 0;
  }

  /** Sends every node the CAs that it should trust now; each says when it has them on its disk. */
  pushTrustBundle(): void {
    for (const conversation of this.#conversations.keys()) conversation.pushTrustBundle();
  }

  /** The devices that have their Welcome. */
  get connectedDevices(): DeviceId[] {
    return [...new Set([...this.#conversations].flatMap(([{ isWelcomed }, deviceId]) => isWelcomed ? [deviceId] : []))];
  }

  /** Whether a device has said, since the daemon started, that it trusts a CA. */
  trusts(deviceId: DeviceId, authority: Fingerprint): boolean {
    return this.#trusted.has(deviceId, authority);
  }

  /** Forgets what a device that was removed has said. */
  forgetDevice(deviceId: DeviceId): void {
    this.#trusted.forget(deviceId);
  }

  /** Takes no more sessions, tells every node that the daemon stops, and ends theirs. */
  async shutDown(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#conversations.keys()].map((conversation) => conversation.shutDown()));
  }
}

/** One session, from its first message on. */
class NodeConversation {
  readonly #options: NodeSessionServerOptions;
  readonly #session: DaemonSession;
  readonly #deviceId: DeviceId;
  readonly #trusted: TrustedAuthorities;
  readonly #watch: SilenceWatch;
  #link: SessionLink | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #greeted = false;
  #epoch: number | undefined;
  /** Why it is over, once it is. */
  #endCode: ReasonCode | undefined;
  readonly #over = new AbortController();

  constructor(
    options: NodeSessionServerOptions,
    session: DaemonSession,
    deviceId: DeviceId,
    trusted: TrustedAuthorities,
  ) {
    this.#options = options;
    this.#trusted = trusted;
    this.#session = session;
    this.#deviceId = deviceId;
    this.#watch = new SilenceWatch(() => {
      this.stop("keep_alive_missed");
      session.abort("keep_alive_missed", `Nothing came from the node for ${KEEP_ALIVE_MS} ms.`);
    }, () => session.receivedAt);
    this.#watch.start(HANDSHAKE_TIMEOUT_MS);
  }

  /** Of the certificate that it came with. */
  get fingerprint(): Fingerprint {
    return this.#session.peer.fingerprint;
  }

  /** Resolves when nothing can come or go any more. */
  get closed(): Promise<unknown> {
    return this.#session.closed;
  }

  receive(message: NodeEventRequest): void {
    if (this.#endCode !== undefined) {
      // A newer session may speak for the device by now.
      if (isReport(message)) this.#options.queue.ignored.count("ended_session", this.#deviceId);
      return;
    }
    this.#watch.heard();
    this.#options.runtime.heard(this.#deviceId, this.#session);
    try {
      this.#handle(message);
    } catch (thrown) {
      this.#refuse(PalyraError.from(thrown));
    }
  }

  /** Gives the node no more work over this session, from this very moment, and takes it out of the presence. */
  stop(code: ReasonCode): void {
    if (this.#endCode !== undefined) return;
    this.#endCode = code;
    this.#watch.stop();
    clearInterval(this.#heartbeat);
    this.#over.abort();
    const { runtime, queue } = this.#options;
    if (this.#link !== undefined) {
      this.#link.end();
      queue.detach(this.#deviceId, this.#link);
    }
    if (this.#epoch !== undefined) runtime.closeSession(this.#deviceId, this.#session, this.#epoch, code);
  }

  /** Stops, and tells the node why. */
  close(code: ReasonCode, message: string): void {
    this.stop(code);
    this.#session.close(code, message);
  }

  /** Asks the node to renew its certificate now; false when it has no Welcome yet, or no more. */
  askForRenewal(reason: string): boolean {
    if (!this.isWelcomed) return false;
    this.#session.send(daemonMessage({ $case: "renewCertificate", value: { reason } }));
    return true;
  }

  /** Whether it has its Welcome and has not ended. */
  get isWelcomed(): boolean {
    return this.#link !== undefined && this.#endCode === undefined;
  }

  /** Tells the node which CAs to trust; one that has no Welcome yet is told by it. */
  pushTrustBundle(): void {
    if (!this.isWelcomed) return;
    this.#session.send(daemonMessage({ $case: "trustBundle", value: { pem: this.#options.trustBundlePem() } }));
  }

  /** The daemon stops. */
  async shutDown(): Promise<void> {
    this.#session.send(daemonMessage({ $case: "drain", value: {} }));
    this.close("shutting_down", "The daemon is stopping; the node reconnects when it is back.");
    await this.#session.closed;
  }

  #refuse(error: PalyraError): void {
    log.warn("A node's message was refused.", { deviceId: this.#deviceId, error });
    this.close(error.code, error.message);
  }

  #handle(received: NodeEventRequest): void {
    const { queue, runtime } = this.#options;
    if (received.deviceId !== undefined && received.deviceId.ulid !== this.#deviceId) throw speaksForAnother();
    const { message } = received;
    if (!this.#greeted) {
      if (message?.$case !== "hello") {
        throw new PalyraError("protocol_mismatch", "The first message of a session must be a Hello.");
      }
      this.#greeted = true;
      void this.#welcome(checkHello(message.value), message.value.deviceId?.ulid ?? "").catch((thrown) =>
        this.#refuse(PalyraError.from(thrown))
      );
      return;
    }
    const link = this.#link;
    if (link === undefined) {
      if (message?.$case === "heartbeat") return;
      throw new PalyraError("protocol_mismatch", "A node must wait for its Welcome before it reports anything.");
    }
    switch (message?.$case) {
      case undefined:
        return this.#answerEvent(received);
      case "heartbeat":
        return this.#session.send(daemonMessage({ $case: "heartbeat", value: {} }));
      case "accepted":
        return queue.accepted(this.#deviceId, checkAttempt(message.value.attempt));
      case "awaitingLocalMediation":
        return queue.awaitingLocalMediation(this.#deviceId, checkAttempt(message.value.attempt));
      case "progress":
        return queue.progress(this.#deviceId, checkAttempt(message.value.attempt), checkProgress(message.value));
      case "result":
        return queue.result(this.#deviceId, link, checkAttempt(message.value.attempt), checkResult(message.value));
      case "draining":
        runtime.heard(this.#deviceId, this.#session, true);
        return queue.drain(this.#deviceId, link);
      case "trustBundleStored":
        return this.#trusted.put(this.#deviceId, checkAuthorities(message.value.caFingerprints));
      case "hello":
        throw new PalyraError("protocol_mismatch", "A session has one Hello.");
    }
  }

  #answerEvent(event: NodeEventRequest): void {
    log.debug("A node sent an event.", { deviceId: this.#deviceId, event: event.eventName.slice(0, 64) });
    const eventId = { ulid: newUlid() };
    this.#session.send({ v: 1, eventId, accepted: true, reason: "accepted", message: undefined });
  }

  async #welcome(hello: NodeHello, claimedId: string): Promise<void> {
    const { runtime } = this.#options;
    if (parseDeviceId(claimedId) !== this.#deviceId) throw speaksForAnother();
    const opened = await runtime.openSession(this.#deviceId, hello, this.#session);
    try {
      this.#takeOver(opened, hello);
    } finally {
      // Not before: who came with an earlier certificate is told first that this session replaces its own.
      runtime.sessionTookOver(opened);
    }
    this.#askForRotation();
  }

  #takeOver({ epoch, eventSequence }: OpenedSession, hello: NodeHello): void {
    const { runtime, queue, clock, trustBundlePem } = this.#options;
    if (this.#endCode !== undefined) {
      return runtime.closeSession(this.#deviceId, this.#session, epoch, this.#endCode);
    }
    this.#epoch = epoch;
    const earlier = runtime.connection(this.#deviceId);
    if (earlier !== undefined && earlier.epoch > epoch) {
      throw new PalyraError("session_replaced", "A newer session of the same device is open.");
    }
    earlier?.close("session_replaced", "A newer session of the same device took over.");
    this.#trusted.put(this.#deviceId, hello.trustedAuthorities);
    runtime.connect(this.#deviceId, this.#session, epoch, (code, message) => this.close(code, message));
    this.#watch.start(KEEP_ALIVE_MS);
    this.#heartbeat = setInterval(
      () => this.#session.send(daemonMessage({ $case: "heartbeat", value: {} })),
      DAEMON_HEARTBEAT_INTERVAL_MS,
    );
    const link = this.#link = new SessionLink(this.#session, epoch, hello);
    queue.attach(this.#deviceId, link, hello, (abandon) =>
      this.#session.send(daemonMessage({
        $case: "welcome",
        value: {
          epoch,
          serverTimeUnixMs: clock(),
          keepAliveMs: KEEP_ALIVE_MS,
          maxMessageBytes: MAX_MESSAGE_BYTES,
          trustBundlePem: trustBundlePem(),
          abandoned: abandon.map(attemptRef),
        },
      })));
    log.info("Node connected.", {
      deviceId: this.#deviceId,
      name: hello.deviceName,
      transport: this.#session.transport,
      remoteAddress: this.#session.remoteAddress,
      epoch,
    });
    void this.#pushEvents(eventSequence);
  }

  /** The device should have another certificate than the one with which it came: at its operator's wish, or by its age. */
  #askForRotation(): void {
    const { devices, issuer } = this.#options;
    if (devices.get(this.#deviceId)?.rotationAskedAt !== undefined) {
      this.askForRenewal("The daemon's operator asked for a new certificate.");
      return;
    }
    const known = devices.identify(this.#session.peer);
    const authority = issuer?.();
    if (authority === undefined || known instanceof PalyraError || known.certificate.caFingerprint === authority) {
      return;
    }
    this.askForRenewal("The daemon's CA has changed.");
  }

  /** Tells the node what happens to its device after event `after`, for as long as the session lasts; never rejects. */
  async #pushEvents(after: number): Promise<void> {
    try {
      for await (const event of this.#options.events.read(this.#deviceId, after, this.#over.signal)) {
        const { sequence, name } = event;
        const payloadJson = utf8.encode(JSON.stringify(event.payload));
        this.#session.send(daemonMessage({ $case: "event", value: { sequence, name, payloadJson } }));
      }
    } catch (cause) {
      // The events are on disk; the node notices by their numbers that it has not been told of some.
      if (this.#endCode !== undefined) return;
      log.error("The node is told of no more events on this session.", { deviceId: this.#deviceId, cause });
    }
  }
}

/** Whether a message says anything about work. */
function isReport({ message }: NodeEventRequest): boolean {
  const kind = message?.$case;
  return kind === "accepted" || kind === "awaitingLocalMediation" || kind === "progress" || kind === "result";
}

function speaksForAnother(): PalyraError {
  return new PalyraError("device_mismatch", "A node may speak only for the device that its certificate names.");
}
