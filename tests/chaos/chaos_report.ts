import { REQUEST_STATES } from "../../daemon/request_state.ts";
import { tableLines } from "../../transport/program/terminal_table.ts";
import { ONCE } from "./chaos_capability.ts";
import { CHAOS_KINDS, ON_DISCONNECT } from "./chaos_order.ts";
import type { ChaosEvidence } from "./chaos_verdict.ts";
import type { BookedRequest } from "./request_book.ts";
import type { StoredRequest } from "./stored_request.ts";

interface Pair {
  readonly booked: BookedRequest;
  readonly row: StoredRequest;
}

/** The counts of a chaos run, as lines. */
export function chaosReport(evidence: ChaosEvidence): string[] {
  const pairs = evidence.stored.flatMap((row) => {
    const booked = evidence.booked.get(row.number);
    return booked === undefined ? [] : [{ booked, row }];
  });
  const ended = REQUEST_STATES.filter((state) => pairs.some(({ row }) => row.state === state));
  const kinds = CHAOS_KINDS.flatMap((kind) =>
    [true, false].map((once) => ({
      label: `${kind}, ${once ? "once" : "repeatable"}`,
      pairs: pairs.filter(({ booked: { order } }) => order.kind === kind && (order.capability === ONCE) === once),
    }))
  );
  const choices = ON_DISCONNECT.map((choice) => ({
    label: `on_disconnect ${choice === "" ? "left open" : choice}`,
    pairs: pairs.filter(({ booked }) => booked.order.onDisconnect === choice),
  }));
  return [
    ...stateTable("KIND", kinds, ended),
    "",
    ...stateTable("CHOICE", [...choices, { label: "all", pairs }], ended),
    "",
    ...clientLines(evidence, pairs),
  ];
}

function stateTable(
  title: string,
  groups: readonly { readonly label: string; readonly pairs: readonly Pair[] }[],
  states: readonly string[],
): string[] {
  return tableLines({
    columns: [
      { title },
      { title: "REQUESTS", align: "right" },
      ...states.map((state) => ({ title: state.toUpperCase(), align: "right" as const })),
    ],
    rows: groups.map((group) => [
      group.label,
      String(group.pairs.length),
      ...states.map((state) => String(group.pairs.filter(({ row }) => row.state === state).length)),
    ]),
  });
}

function clientLines({ booked, stored, effects }: ChaosEvidence, pairs: readonly Pair[]): string[] {
  const all = [...booked.values()];
  const inStore = new Set(stored.map(({ number }) => number));
  const unanswered = all.filter((each) => each.unanswered);
  const kept = unanswered.filter(({ order }) => inStore.has(order.number)).length;
  const repeats = all.reduce((sum, each) => sum + each.repeats, 0);
  const again = pairs.filter(({ row }) => row.attempt > 1).length;
  const otherwise = pairs.filter(({ booked: { told }, row }) => told.some(({ state }) => state !== row.state)).length;
  const runs = [...effects.values()];
  const twice = new Map<number, number>();
  for (const { number } of runs.flatMap(({ once }) => once)) twice.set(number, (twice.get(number) ?? 0) + 1);
  const ranTwice = [...twice.values()].filter((count) => count > 1).length;
  return [
    `${all.length} requests made, ${stored.length} in the store; ${unanswered.length} clients without key or answer, of which ` +
    `${kept} were accepted; clients asked again ${repeats} times`,
    `${again} requests took more than one attempt; ${twice.size} effects that must happen once, ${ranTwice} of them ` +
    "twice, as on_disconnect=requeue allows",
    `${otherwise} clients of requests that may be repeated were told another end than the one that stayed`,
  ];
}
