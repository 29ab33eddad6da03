import { existsSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { CanonicalUlid, DeviceId } from "../../identity/device_id.ts";
import { newDeviceId } from "../../identity/device_id.ts";
import { unixMs } from "../../identity/unix_ms.ts";
import type { AttemptName, AttemptResult } from "../../daemon/capability_dispatch_record.ts";
import type { CapabilityQueue } from "../../daemon/capability_queue.ts";
import { isInFlight } from "../../daemon/request_state.ts";
import {
  failure,
  type JournalFate,
  type KnownAttempt,
  type LinkWatcher,
  ModelledLink,
  ModelledNode,
  numberOf,
} from "./modelled_node.ts";
import { ModelledRequest, type Terms } from "./modelled_request.ts";
import { QueueDaemon } from "./queue_daemon.ts";
import { takeUpStored } from "./taken_up_store.ts";
import { judgeAcknowledgement, judgeDispatch, judgeStart } from "./world_judge.ts";

const utf8 = new TextEncoder();

/** When the model's wall clock begins, in milliseconds since 1970. */
const BEGINNING: number = Date.UTC(2030, 0, 1);

/** After so many rounds nothing is left to be written. */
const SETTLE_ROUNDS = 4;

/** By this code a node says that it did not take a request. */
const NODE_IS_FULL = "queue_full";

/**
 * The real queue on the real store, a modelled node, and a model of each request beside them. What the queue does is judged
 * at once, by the model and by what is on disk at that moment; what is wrong with it is in {@linkcode QueueWorld.faults}.
 */
export class QueueWorld implements AsyncDisposable {
  readonly device: DeviceId = newDeviceId();
  readonly faults: string[] = [];
  /** By number; those that were deleted, or that no daemon has accepted, are gone. */
  readonly requests = new Map<number, ModelledRequest>();
  /** What was unfinished when the daemon started, and what came since. */
  readonly sinceStart = new Set<ModelledRequest>();
  readonly node: ModelledNode;
  /** The session that the daemon believes in. */
  standing: ModelledLink | undefined;
  draining = false;
  /** The node has said that it is full: the daemon leaves it in peace for a moment. */
  resting = false;
  /** Attempts that the daemon has sent since its start. */
  dispatches = 0;
  #elapsed = 1_000;
  #wallSkewMs = 0;
  readonly #folder: string;
  #daemon: QueueDaemon;
  #daemons = 1;
  #epoch = 0;
  #lastNumber = 0;
  #answers: Promise<void>[] = [];

  private constructor(folder: string, journalled: boolean) {
    this.#folder = folder;
    this.#daemon = this.#openDaemon();
    this.node = new ModelledNode(journalled, numberOf, (attempt) => judgeStart(this, attempt));
  }

  static async start(journalled: boolean): Promise<QueueWorld> {
    // Where there is memory to be had as a file system, a commit costs next to nothing.
    const memory = "/dev/shm";
    const folder = await Deno.makeTempDir({ prefix: "palyra-model-", ...(existsSync(memory) && { dir: memory }) });
    const world = new QueueWorld(folder, journalled);
    await world.#daemon.load();
    return world;
  }

  get queue(): CapabilityQueue {
    return this.#daemon.queue;
  }

  get daemon(): QueueDaemon {
    return this.#daemon;
  }

  get now(): { readonly elapsed: number; readonly wall: number } {
    return { elapsed: this.#elapsed, wall: BEGINNING + this.#elapsed + this.#wallSkewMs };
  }

  /** How many requests were made. */
  get requestCount(): number {
    return this.#lastNumber;
  }

  /** Those that have not ended. */
  get open(): ModelledRequest[] {
    return [...this.requests.values()].filter(({ ended }) => !ended);
  }

  fault({ number }: ModelledRequest, what: string): void {
    this.faults.push(`request ${number}: ${what}`);
  }

  /** Looks which attempts were begun, and put back, that nobody has been sent: that they are on disk was waited for. */
  observe(): void {
    for (const record of this.queue.unfinished({ limit: Infinity })) {
      const { requestId, state, attempt, instanceId = "", journalId = "" } = record;
      const request = this.requests.get(numberOf(record));
      // Whoever asks again with the same key is there for a moment too.
      if (request?.requestId !== undefined && request.requestId !== requestId) continue;
      if (request?.stage === "queued" && isInFlight(state) && attempt > request.attempt) {
        request.begun(attempt, { instanceId, journalId });
      } else if (request?.stage === "in_flight" && !request.sent && state === "queued") {
        request.stage = "queued";
      }
    }
  }

  /** Somebody asks for something; nobody waits for the answer yet. */
  submit(terms: Terms): void {
    const request = new ModelledRequest(++this.#lastNumber, terms, this.now);
    this.requests.set(request.number, request);
    this.sinceStart.add(request);
    this.#order(request);
  }

  /** Somebody asks once more for the same, with the same key. */
  submitAgain(request: ModelledRequest): void {
    this.#order(request);
  }

  /** Somebody wants no more of it. */
  cancel(request: ModelledRequest): void {
    if (request.requestId === undefined) return;
    const { ended, number } = request;
    request.end("cancelled");
    const daemon = this.#daemon;
    this.#answers.push(
      this.queue.cancel(request.requestId, "not wanted").then((cancelled) => {
        if (this.#daemon === daemon && cancelled === ended) {
          this.faults.push(`request ${number}: cancel said ${cancelled}`);
        }
      }, () => {}),
    );
  }

  /** The node opens a session, which takes the place of any other. */
  connect(): void {
    this.observe();
    const { node, queue } = this;
    if (node.link !== undefined) node.link.whole = false;
    const link = new ModelledLink(node, ++this.#epoch, this.#watcherOf(this.#daemon));
    const { work } = node;
    if (this.standing !== undefined) { for (const request of this.open) request.disconnected(); }
    const abandoned = new Set(work.inFlight.map(nameOf));
    const cutOff = new Map(work.interrupted.map(({ requestId, attempt }) => [requestId, attempt]));
    const known = new Map([...work.inFlight, ...work.finished].map(({ requestId, attempt }) => [requestId, attempt]));
    for (const request of this.open) {
      const { requestId } = request;
      const attempt = requestId && known.get(requestId);
      if (requestId === undefined || attempt === undefined) {
        request.absentFrom(link, requestId && cutOff.get(requestId));
      } else {
        request.goesOn(attempt, link);
        abandoned.delete(nameOf({ requestId, attempt }));
      }
    }
    node.link = this.standing = link;
    this.draining = this.resting = false;
    queue.attach(this.device, link, work, (abandon) => {
      const said = abandon.map(nameOf);
      if (said.length !== abandoned.size || !said.every((each) => abandoned.has(each))) {
        this.faults.push(`the daemon has given up ${said}, and should have given up ${[...abandoned]}`);
      }
      for (const attempt of abandon) node.cancel(attempt);
    });
    for (const attempt of node.attempts("asking", "running", "finished")) this.say(attempt);
    // What came back to the queue after its time to live has ended, or does so now.
    this.endOverdue();
  }

  /** The session ends, and both sides see it. */
  disconnect(): void {
    const { standing, node } = this;
    if (standing === undefined) return;
    this.observe();
    this.loseLink();
    this.standing = undefined;
    for (const request of this.open) request.disconnected();
    if (node.link === standing) node.link = undefined;
    this.queue.detach(this.device, standing);
  }

  /** The network between them is gone; the node sees it, the daemon does not. */
  loseLink(): void {
    if (this.node.link !== undefined) this.node.link.whole = false;
    this.node.link = undefined;
    this.node.outbox.length = 0;
  }

  /** The node's process is killed and another starts; the daemon does not see it. */
  restartNode(journal: JournalFate): void {
    this.loseLink();
    this.node.restart(journal);
  }

  /** The node takes nothing new. */
  drain(): void {
    if (this.standing === undefined || this.node.link !== this.standing) return;
    this.draining = true;
    this.queue.drain(this.device, this.standing);
  }

  /** The node reports how an attempt stands, if it is connected. */
  say(attempt: KnownAttempt): void {
    const { standing, device, queue } = this;
    if (standing === undefined || this.node.link !== standing) return;
    if (attempt.phase === "running") queue.accepted(device, attempt);
    else if (attempt.phase === "asking") this.#ask(attempt);
    else if (attempt.result !== undefined) this.#report(standing, attempt, attempt.result);
  }

  /** The node refuses an attempt that it has not begun: it has no room. */
  refuse(attempt: KnownAttempt): void {
    const { standing } = this;
    if (standing === undefined || this.node.link !== standing) return;
    this.node.drop(attempt);
    this.resting = true;
    this.#report(standing, attempt, failure(NODE_IS_FULL));
    this.endOverdue();
  }

  /** The node reports progress of a running attempt. */
  progress(attempt: KnownAttempt, sequence: number): void {
    if (this.standing === undefined || this.node.link !== this.standing) return;
    this.requests.get(attempt.number)?.progressed({ attempt: attempt.attempt, sequence });
    this.queue.progress(this.device, attempt, { sequence, payloadJson: utf8.encode("{}") });
  }

  /** Time passes. */
  advance(ms: number): void {
    this.#elapsed += ms;
    this.endOverdue();
  }

  /** The machine sleeps, and the node is back before any timer has fired. */
  sleepAndConnect(ms: number): void {
    this.#elapsed += ms;
    this.connect();
  }

  /** Somebody sets the wall clock. */
  setWallClock(byMs: number): void {
    this.#wallSkewMs += byMs;
  }

  /** What has ended and is older than now is deleted. */
  async retain(): Promise<void> {
    await this.settle();
    await this.#daemon.store.transaction((tx) => tx.requests.deleteEndedBefore(unixMs(this.now.wall), 1_000));
    const left = new Set(this.#daemon.committed.all().map(({ number }) => number));
    for (const request of [...this.requests.values()]) {
      if (left.has(request.number)) continue;
      if (!request.ended) this.fault(request, "it was deleted and has not ended");
      this.requests.delete(request.number);
    }
  }

  /** The daemon is killed or stopped, and another one starts on what is on disk. */
  async restartDaemon(how: "killed" | "stopped"): Promise<void> {
    const old = this.#daemon;
    if (how === "stopped") await old.stop();
    else old.copyTo(join(this.#folder, `daemon-${this.#daemons + 1}`));
    if (how === "killed") this.#daemons++;
    this.loseLink();
    this.standing = undefined;
    this.draining = this.resting = false;
    this.#daemon = this.#openDaemon();
    this.#answers = [];
    if (how === "killed") await old.remove();
    this.sinceStart.clear();
    takeUpStored(this);
    await this.#daemon.load();
  }

  /** Lets everything that was begun be written and answered, with all that follows from it. */
  async settle(): Promise<void> {
    this.endOverdue();
    for (let round = 0; round < SETTLE_ROUNDS; round++) {
      this.speak();
      const answers = this.#answers;
      this.#answers = [];
      // deno-lint-ignore no-await-in-loop -- what the one has brought about is the next one's
      await Promise.all(answers);
      // deno-lint-ignore no-await-in-loop -- it takes along all that waits for a commit
      await this.#daemon.store.transaction(() => Promise.resolve());
      // deno-lint-ignore no-await-in-loop -- those who waited for it go on
      await setImmediate();
    }
  }

  /** The node says what it has to say. */
  speak(): void {
    for (let name = this.node.outbox.shift(); name !== undefined; name = this.node.outbox.shift()) {
      const attempt = this.node.find(name.requestId);
      if (attempt?.attempt === name.attempt) this.say(attempt);
    }
  }

  /** What is past its time ends. */
  endOverdue(): void {
    this.observe();
    for (const request of this.open) request.timeOut(this.#elapsed);
    this.queue.endOverdue();
  }

  /** Somebody was told the id of a request. */
  knowId(request: ModelledRequest, requestId: CanonicalUlid): void {
    request.requestId ??= requestId;
    if (request.requestId !== requestId) this.fault(request, "it has two ids");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon.stop();
    await Deno.remove(this.#folder, { recursive: true });
  }

  #openDaemon(): QueueDaemon {
    this.dispatches = 0;
    return QueueDaemon.open(join(this.#folder, `daemon-${this.#daemons}`), {
      clock: () => unixMs(this.now.wall),
      elapsed: () => this.#elapsed,
    });
  }

  #order(request: ModelledRequest): void {
    const { number, terms } = request;
    const daemon = this.#daemon;
    const answer = this.queue.submit({
      deviceId: this.device,
      capability: terms.idempotent ? "safe.work" : "once.work",
      inputJson: utf8.encode(String(number)),
      maxPayloadBytes: 1_024,
      timeoutMs: terms.timeoutMs,
      requestedBy: "operator",
      priority: terms.priority,
      ...(terms.onDisconnect !== undefined && { onDisconnect: terms.onDisconnect }),
      ...(terms.ttlMs !== undefined && { ttlMs: terms.ttlMs }),
      ...(terms.keyed && { idempotencyKey: `key-${number}` }),
    });
    this.#answers.push(answer.then(({ record }) => {
      // Whoever asked a daemon that was killed since has no answer.
      if (this.#daemon !== daemon) return;
      this.knowId(request, record.requestId);
      request.accepted = true;
      if (daemon.committed.find(record.requestId) === undefined) {
        this.fault(request, "it was accepted before it was on disk");
      }
    }, (error) => {
      if (this.#daemon === daemon) this.fault(request, `it was not accepted: ${error}`);
    }));
  }

  #ask(attempt: KnownAttempt): void {
    const request = this.requests.get(attempt.number);
    if (request?.attempt === attempt.attempt) request.asked = true;
    this.queue.awaitingLocalMediation(this.device, attempt);
  }

  #watcherOf(daemon: QueueDaemon): LinkWatcher {
    // What a daemon does after it was killed did not happen.
    return {
      dispatched: (link, dispatch) => {
        if (this.#daemon !== daemon) return;
        this.dispatches++;
        judgeDispatch(this, link, dispatch);
      },
      acknowledged: (attempt) => {
        if (this.#daemon === daemon) judgeAcknowledgement(this, attempt);
      },
    };
  }

  #report(link: ModelledLink, attempt: KnownAttempt, result: AttemptResult): void {
    const request = this.requests.get(attempt.number);
    if (request?.stage === "in_flight" && request.attempt === attempt.attempt) {
      if (result.success) request.succeeds(new TextDecoder().decode(result.outputJson));
      else if (result.errorCode === NODE_IS_FULL) request.handedBack(this.draining);
      else request.end("failed");
    }
    this.queue.result(this.device, link, attempt, result);
  }
}

function nameOf({ requestId, attempt }: AttemptName): string {
  return `${requestId}/${attempt}`;
}
