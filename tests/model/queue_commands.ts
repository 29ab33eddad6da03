import fc from "fast-check";
import { newDeviceId, newUlid } from "../../identity/device_id.ts";
import { ON_DISCONNECT_CHOICES } from "../../daemon/on_disconnect.ts";
import { REQUEST_PRIORITIES } from "../../daemon/request_priority.ts";
import { failure, type KnownAttempt, success } from "./modelled_node.ts";
import type { Terms } from "./modelled_request.ts";
import type { QueueWorld } from "./queue_world.ts";
import { checkWorld } from "./world_check.ts";

const HOUR_MS = 3_600_000;

/** The model lives in the world, which is the system too. */
export type NoModel = Record<never, never>;

/** Something that happens in the world. Whether everything has settled before the next thing happens is up to chance too. */
class WorldCommand implements fc.AsyncCommand<NoModel, QueueWorld> {
  constructor(
    readonly name: string,
    readonly settles: boolean,
    readonly body: (world: QueueWorld) => void | Promise<void>,
  ) {}

  check(): boolean {
    return true;
  }

  async run(_: NoModel, world: QueueWorld): Promise<void> {
    await this.body(world);
    world.speak();
    if (this.settles) {
      await world.settle();
      await checkWorld(world);
    }
    if (world.faults.length > 0) throw new Error(world.faults.join("\n"));
  }

  toString(): string {
    return `${this.name}${this.settles ? "" : " and at once"}`;
  }
}

/** Mostly everything settles before the next thing. */
const settles = fc.oneof({ arbitrary: fc.constant(true), weight: 3 }, { arbitrary: fc.constant(false), weight: 1 });

const terms: fc.Arbitrary<Terms> = fc.record({
  idempotent: fc.boolean(),
  onDisconnect: fc.option(fc.constantFrom(...ON_DISCONNECT_CHOICES), { nil: undefined, freq: 2 }),
  priority: fc.constantFrom(...REQUEST_PRIORITIES),
  keyed: fc.boolean(),
  timeoutMs: fc.constantFrom(10_000, 60_000, 4 * HOUR_MS),
  ttlMs: fc.option(fc.constantFrom(5_000, 9_000), { nil: undefined, freq: 3 }),
});

function happens(name: string, body: (world: QueueWorld) => void | Promise<void>): fc.Arbitrary<WorldCommand> {
  return settles.map((each) => new WorldCommand(name, each, body));
}

function happensWith<T>(
  name: string,
  argument: fc.Arbitrary<T>,
  body: (world: QueueWorld, argument: T) => void | Promise<void>,
): fc.Arbitrary<WorldCommand> {
  return fc.tuple(settles, argument).map(([each, given]) =>
    new WorldCommand(`${name}(${fc.stringify(given)})`, each, (world) => body(world, given))
  );
}

/** Something about one of the node's attempts in these phases, if there is any. */
function attemptHappens(
  name: string,
  phases: readonly KnownAttempt["phase"][],
  body: (world: QueueWorld, attempt: KnownAttempt) => void,
): fc.Arbitrary<WorldCommand> {
  return happensWith(name, fc.nat({ max: 50 }), (world, index) => {
    const attempts = world.node.attempts(...phases);
    const attempt = attempts[index % attempts.length];
    if (attempt !== undefined) body(world, attempt);
  });
}

/** Everything that may happen, as often as it stands here. */
export const COMMANDS: readonly fc.Arbitrary<WorldCommand>[] = [
  ...Array.from({ length: 5 }, () => happensWith("submit", terms, (world, each) => world.submit(each))),
  happensWith("submit again", fc.nat({ max: 50 }), (world, index) => {
    const keyed = [...world.requests.values()].filter((each) => each.terms.keyed && each.accepted);
    const request = keyed[index % keyed.length];
    if (request !== undefined) world.submitAgain(request);
  }),
  happensWith("cancel", fc.nat({ max: 50 }), (world, index) => {
    const all = [...world.requests.values()];
    const request = all[index % all.length];
    if (request !== undefined) world.cancel(request);
  }),
  ...Array.from({ length: 4 }, () => happens("connect", (world) => world.connect())),
  happens("disconnect", (world) => world.disconnect()),
  happens("lose link", (world) => world.loseLink()),
  happensWith("restart node", fc.constantFrom("kept", "kept", "lost"), (world, journal) => world.restartNode(journal)),
  happens("drain", (world) => world.drain()),
  ...Array.from({ length: 5 }, () =>
    attemptHappens("start", ["held", "asking"], (world, attempt) => {
      world.node.start(attempt);
      world.say(attempt);
    })),
  attemptHappens("ask the owner", ["held"], (world, attempt) => {
    attempt.phase = "asking";
    world.say(attempt);
  }),
  ...Array.from({ length: 4 }, () =>
    attemptHappens("succeed", ["running"], (world, attempt) => {
      world.node.finish(attempt, success(attempt));
      world.say(attempt);
    })),
  attemptHappens("fail", ["running"], (world, attempt) => {
    world.node.finish(attempt, failure("execution_failed"));
    world.say(attempt);
  }),
  attemptHappens("refuse", ["held"], (world, attempt) => world.refuse(attempt)),
  attemptHappens("say again", ["running", "asking", "finished"], (world, attempt) => world.say(attempt)),
  attemptHappens("progress", ["running"], (world, attempt) => world.progress(attempt, ++attempt.sequence)),
  happensWith(
    "progress out of order",
    fc.tuple(fc.nat({ max: 50 }), fc.nat({ max: 5 })),
    (world, [index, sequence]) => {
      const attempts = world.node.attempts("running");
      const attempt = attempts[index % attempts.length];
      if (attempt !== undefined) world.progress(attempt, sequence);
    },
  ),
  happensWith("nonsense", fc.nat({ max: 50 }), talkNonsense),
  ...Array.from(
    { length: 2 },
    () => happensWith("advance", fc.constantFrom(1_000, 6_000, 20_000, 2 * HOUR_MS), (world, ms) => world.advance(ms)),
  ),
  happensWith("sleep and connect", fc.constantFrom(6_000, 2 * HOUR_MS), (world, ms) => world.sleepAndConnect(ms)),
  happensWith("set wall clock", fc.constantFrom(HOUR_MS, -HOUR_MS), (world, byMs) => world.setWallClock(byMs)),
  ...Array.from({ length: 2 }, () => happens("kill the daemon", (world) => world.restartDaemon("killed"))),
  happens("stop the daemon", (world) => world.restartDaemon("stopped")),
  happens("retain", (world) => world.retain()),
];

/** Reports of a stranger about others' requests, of old attempts, and of requests that never were. */
function talkNonsense(world: QueueWorld, index: number): void {
  const { queue, standing, device } = world;
  if (standing === undefined) return;
  const stranger = newDeviceId();
  const ownLink = { ...standing, dispatch: () => {}, cancel: () => {}, acknowledge: () => {} };
  const all = [...world.requests.values()];
  const request = all[index % all.length];
  const result = { success: true, outputJson: new TextEncoder().encode('"nonsense"'), errorCode: "", error: "" };
  const progress = { sequence: 1_000_000, payloadJson: result.outputJson };
  if (request?.requestId !== undefined) {
    const { requestId, attempt } = request;
    queue.accepted(stranger, { requestId, attempt });
    queue.awaitingLocalMediation(stranger, { requestId, attempt });
    queue.progress(stranger, { requestId, attempt }, progress);
    queue.result(stranger, ownLink, { requestId, attempt }, result);
    for (const other of [attempt - 1, attempt + 1]) {
      if (other < 1) continue;
      queue.accepted(device, { requestId, attempt: other });
      queue.progress(device, { requestId, attempt: other }, progress);
      queue.result(device, ownLink, { requestId, attempt: other }, result);
    }
  }
  const unknown = { requestId: newUlid(), attempt: 1 };
  queue.accepted(device, unknown);
  queue.progress(device, unknown, progress);
  queue.result(device, ownLink, unknown, result);
}
