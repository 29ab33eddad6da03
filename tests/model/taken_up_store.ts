import { isDeepStrictEqual } from "node:util";
import { hasEnded, isInFlight } from "../../daemon/request_state.ts";
import type { QueueWorld } from "./queue_world.ts";

/** What the new daemon finds on disk, compared with what is known and what was promised. */
export function takeUpStored(world: QueueWorld): void {
  const rows = new Map(world.daemon.committed.all().map((row) => [row.number, row]));
  for (const request of [...world.requests.values()]) {
    const row = rows.get(request.number);
    rows.delete(request.number);
    if (row === undefined) {
      if (request.accepted) world.fault(request, "it was accepted and is gone");
      world.requests.delete(request.number);
      continue;
    }
    request.accepted = true;
    world.knowId(request, row.requestId);
    const { state } = row;
    if (request.told !== undefined && request.told !== state) {
      world.fault(request, `it ended as ${request.told}, and after a restart it is ${state}`);
    }
    // What a crash loses of it was seen by those who watched.
    const kept = world.daemon.committed.progressOf(row.requestId);
    request.progress = request.progress.filter((each) => kept.some((other) => isDeepStrictEqual(each, other)));
    if (hasEnded(state)) {
      if (request.stage !== state) world.fault(request, `it is ${request.stage}, and on disk it is ${state}`);
      continue;
    }
    world.sinceStart.add(request);
    request.restored({ ...row, inFlight: isInFlight(state) }, world.now);
  }
  for (const number of rows.keys()) world.faults.push(`request ${number} is on disk and is not known`);
}
