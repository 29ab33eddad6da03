import { isDeepStrictEqual } from "node:util";
import { hasEnded, isInFlight } from "../../daemon/request_state.ts";
import type { CapabilityRequestRecord } from "../../daemon/store/capability_request_record.ts";
import type { ModelledRequest, Stage } from "./modelled_request.ts";
import type { QueueWorld } from "./queue_world.ts";

/** Compares, when nothing is under way any more, the queue and what is on disk with the model; faults go to the world. */
export async function checkWorld(world: QueueWorld): Promise<void> {
  world.observe();
  for (const request of world.requests.values()) {
    // deno-lint-ignore no-await-in-loop -- one after the other: this is no place to be fast
    await checkRequest(world, request);
  }
  checkCounts(world);
  checkNobodyWaitsInVain(world);
}

async function checkRequest(world: QueueWorld, request: ModelledRequest): Promise<void> {
  const { requestId } = request;
  if (requestId === undefined || !request.accepted) return world.fault(request, "nobody was told that it was accepted");
  const record = await world.queue.get(requestId);
  if (record === undefined) return world.fault(request, "the queue does not know it");
  const { state, attempt } = record;
  if (stageOf(record) !== request.stage) world.fault(request, `it is ${state}, and should be ${request.stage}`);
  if (request.stage === "in_flight" && attempt !== request.attempt) {
    world.fault(request, `attempt ${attempt} is in flight, and should be ${request.attempt}`);
  }
  if (request.told !== undefined && request.told !== state) {
    world.fault(request, `it ended as ${request.told} and is ${state}`);
  }
  if (request.ended) request.told = request.stage;
  checkCommitted(world, request);
}

/** What the queue says is on disk: nothing more may be lost in a crash than may be forgotten. */
function checkCommitted(world: QueueWorld, request: ModelledRequest): void {
  const { requestId, stage, attempt, output } = request;
  const row = requestId && world.daemon.committed.find(requestId);
  if (row === undefined) return world.fault(request, "it is not on disk");
  if (request.ended ? row.state !== stage : hasEnded(row.state)) {
    world.fault(request, `it is ${stage}, and on disk it is ${row.state}`);
  }
  const progress = world.daemon.committed.progressOf(row.requestId);
  if (!isDeepStrictEqual(progress, request.progress)) {
    world.fault(request, `its progress is ${JSON.stringify(progress)}, not ${JSON.stringify(request.progress)}`);
  }
  if (stage === "succeeded" && row.output !== output) {
    world.fault(request, `its output is ${row.output}, not ${output}`);
  }
  if (stage === "in_flight" && !request.mayBeForgotten && (row.attempt !== attempt || !isInFlight(row.state))) {
    world.fault(request, `attempt ${attempt} is in flight, and on disk it is ${row.state} with attempt ${row.attempt}`);
  }
}

function checkCounts(world: QueueWorld): void {
  const count = (stage: Stage) => [...world.requests.values()].filter((each) => each.stage === stage).length;
  const counts = world.queue.countsOf(world.device);
  if (counts.queued !== count("queued") || counts.inFlight !== count("in_flight")) {
    world.faults.push(`the queue counts ${JSON.stringify(counts)}, not ${count("queued")} and ${count("in_flight")}`);
  }
  const { dispatched, endedByState } = world.queue.counters;
  if (dispatched !== world.dispatches) world.faults.push(`it counts ${dispatched} dispatches, not ${world.dispatches}`);
  for (const [state, counted] of endedByState) {
    const ended = [...world.sinceStart].filter(({ stage }) => stage === state).length;
    if (counted !== ended) world.faults.push(`it counts ${counted} requests that ended as ${state}, not ${ended}`);
  }
}

/** While a node is there and has room, nothing waits. */
function checkNobodyWaitsInVain(world: QueueWorld): void {
  const { standing, draining, resting } = world;
  if (standing === undefined || draining) return;
  const open = world.queue.unfinished({ deviceId: world.device, limit: Infinity });
  const running = open.filter(({ state }) => state === "dispatched" || state === "running").length;
  const waiting = open.filter(({ state }) => state === "queued");
  const asked = world.open.filter((request) => request.stage === "in_flight" && request.asked).length;
  if (running > standing.maxConcurrency + asked) world.faults.push(`${running} requests run at once`);
  if (running < standing.maxConcurrency && waiting.length > 0 && !resting) {
    world.faults.push(`${waiting.length} requests wait though the node has room`);
  }
}

function stageOf({ state }: CapabilityRequestRecord): Stage {
  if (state === "queued" || hasEnded(state)) return state as Stage;
  return "in_flight";
}
