import type { Chance } from "../harness/chance.ts";
import { ONCE, REPEATABLE } from "./chaos_capability.ts";

/** What sort of request it is, for the report. */
export const CHAOS_KINDS = ["quick", "slow", "cancelled", "deadline", "ttl", "failing"] as const;

/** One of {@linkcode CHAOS_KINDS}. */
export type ChaosKind = typeof CHAOS_KINDS[number];

/** How the client goes about it. */
export type ChaosWay =
  /** `execute`: waits for the end. */
  | "execute"
  /** `submit`, and `watch` until it has ended. */
  | "watch"
  /** `submit`, and looks at it when all is over. */
  | "submit";

/** What a caller may choose for the loss of its node; empty leaves it to the daemon. */
export const ON_DISCONNECT = ["", "requeue", "wait", "fail"] as const;

/** One of {@linkcode ON_DISCONNECT}. */
export type OnDisconnect = typeof ON_DISCONNECT[number];

/** A request that the chaos run makes. */
export interface ChaosOrder {
  /** From 0 on; names it in its input, its output and its side effect. */
  readonly number: number;
  readonly node: string;
  readonly kind: ChaosKind;
  readonly capability: typeof ONCE | typeof REPEATABLE;
  readonly way: ChaosWay;
  readonly workMs: number;
  /** Life of the request; {@linkcode AMPLE_MS} unless it is about deadlines. */
  readonly timeoutMs: number;
  /** How long it may wait; 0 for as long as it lives. */
  readonly ttlMs: number;
  /** With a key it is made again when its client got no answer. */
  readonly keyed: boolean;
  readonly onDisconnect: OnDisconnect;
  readonly priority: "high" | "normal" | "low";
  /** When its client cancels it, in milliseconds after it was accepted. */
  readonly cancelAfterMs: number | undefined;
}

/** More than any request needs, however often processes are killed; one that runs out of it was stuck. */
export const AMPLE_MS = 120_000;

/** The request with this number. The same chances make the same requests. */
export function chaosOrder(number: number, nodes: readonly string[], chance: Chance): ChaosOrder {
  const kind = chance.one(KINDS_BY_WEIGHT);
  const way = kind === "cancelled" ? "watch" : chance.one(["execute", "execute", "watch", "submit"] as const);
  return {
    number,
    node: chance.one(nodes),
    kind,
    capability: chance.oneIn(2) ? ONCE : REPEATABLE,
    way,
    workMs: kind === "quick" || kind === "failing" ? 0 : chance.between(50, 1_500),
    timeoutMs: kind === "deadline" ? chance.between(100, 1_500) : AMPLE_MS,
    ttlMs: kind === "ttl" ? chance.between(20, 800) : 0,
    keyed: chance.oneIn(2),
    onDisconnect: chance.one(["", "", "", "", "requeue", "wait", "fail"] as const),
    priority: chance.one(["high", "normal", "normal", "low"] as const),
    cancelAfterMs: kind === "cancelled" ? chance.below(1_000) : undefined,
  };
}

/**
 * Whether the daemon may forget, in a crash, that it dispatched a request or how it ended, so that it runs again and ends
 * otherwise than was told: nobody waits for the disk where repeating does no harm and the caller relies on nothing (design
 * section 5).
 */
export function mayBeForgotten({ capability, keyed, ttlMs, onDisconnect }: ChaosOrder): boolean {
  return capability === REPEATABLE && !keyed && ttlMs === 0 && (onDisconnect === "" || onDisconnect === "requeue");
}

const WEIGHTS: Readonly<Record<ChaosKind, number>> = {
  quick: 60,
  slow: 22,
  cancelled: 6,
  deadline: 5,
  ttl: 5,
  failing: 2,
};

const KINDS_BY_WEIGHT = CHAOS_KINDS.flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind));
