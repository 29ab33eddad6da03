import { hasEnded } from "../../daemon/request_state.ts";
import type { AttemptName, CapabilityDispatchRecord } from "../../daemon/capability_dispatch_record.ts";
import { type KnownAttempt, type ModelledLink, numberOf } from "./modelled_node.ts";
import type { QueueWorld } from "./queue_world.ts";

/** An attempt goes out: was it allowed to, and is on disk what must be? */
export function judgeDispatch(world: QueueWorld, link: ModelledLink, dispatch: CapabilityDispatchRecord): void {
  const { attempt, epoch, requestId } = dispatch;
  const request = world.requests.get(numberOf(dispatch));
  if (request === undefined) {
    return void world.faults.push(`request ${numberOf(dispatch)} was dispatched and is not known`);
  }
  world.knowId(request, requestId);
  if (link !== world.standing) world.fault(request, "it was dispatched over a session that is over");
  if (world.draining) world.fault(request, "it was dispatched to a node that takes nothing new");
  if (epoch !== link.epoch) world.fault(request, "it was dispatched with another session's epoch");
  const isBegun = request.stage === "in_flight" && !request.sent && request.attempt === attempt;
  if (!isBegun && request.stage !== "queued") world.fault(request, `it was dispatched while it was ${request.stage}`);
  if (!isBegun && attempt <= request.attempt) world.fault(request, `attempt ${attempt} came after ${request.attempt}`);
  if (request.progress.some((report) => report.attempt >= attempt)) {
    world.fault(request, `attempt ${attempt} came after progress of it was told`);
  }
  if (request.endsAt <= world.now.elapsed) world.fault(request, "it was dispatched after its time");
  if (request.starts > 0 && !request.repeats) world.fault(request, "it was dispatched again after it had started");
  const committed = world.daemon.committed.find(requestId);
  if (!request.mayBeForgotten && !(committed?.state === "dispatched" && committed.attempt === attempt)) {
    world.fault(request, `attempt ${attempt} was sent before it was on disk`);
  }
  request.dispatched(attempt, link);
}

/** The node is told to forget: is on disk what it could be asked for? */
export function judgeAcknowledgement(world: QueueWorld, { requestId, attempt }: AttemptName): void {
  const committed = world.daemon.committed.find(requestId);
  if (committed === undefined || hasEnded(committed.state) || committed.attempt !== attempt) return;
  const request = world.requests.get(committed.number);
  if (request !== undefined && !request.repeats) {
    world.fault(request, `attempt ${attempt} was acknowledged before its end was on disk`);
  }
}

/** An attempt starts on its node: may it? */
export function judgeStart(world: QueueWorld, attempt: KnownAttempt): void {
  const request = world.requests.get(attempt.number);
  // One that the daemon has forgotten by a crash, before anybody was told that it was accepted.
  if (request === undefined) return;
  request.starts++;
  if (request.starts > 1 && !request.repeats) world.fault(request, "it ran twice");
}
