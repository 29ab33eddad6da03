import assert from "node:assert/strict";
import { DatagramLink, type DatagramLinkOptions } from "./datagram_link.ts";
import { HELD_BACK_MS, type LinkConditions } from "./link_conditions.ts";

interface Arrival {
  readonly value: number;
  readonly at: number;
}

/** A link that keeps what it delivers. */
class Bench implements Disposable {
  readonly arrivals: Arrival[] = [];
  readonly link: DatagramLink<number>;
  #waiting: { readonly count: number; readonly resolve: () => void } | undefined;

  constructor(conditions: Partial<LinkConditions>, options: Partial<DatagramLinkOptions<number>> = {}) {
    this.link = new DatagramLink({ seed: 1, ...options, deliver: (value) => this.#take(value) });
    this.link.change(conditions);
  }

  send(count: number): void {
    for (let value = 0; value < count; value += 1) this.link.send(value);
  }

  get values(): number[] {
    return this.arrivals.map(({ value }) => value);
  }

  async arrived(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { count, resolve };
    if (this.arrivals.length >= count) resolve();
    await promise;
  }

  [Symbol.dispose](): void {
    this.link[Symbol.dispose]();
  }

  #take(value: number): void {
    this.arrivals.push({ value, at: performance.now() });
    if (this.#waiting !== undefined && this.arrivals.length >= this.#waiting.count) this.#waiting.resolve();
  }
}

const inOrder = (count: number) => Array.from({ length: count }, (_, value) => value);

Deno.test("DatagramLink delivers everything at once and in order when it is clear", () => {
  using bench = new Bench({});
  bench.send(5);
  assert.deepEqual(bench.values, [0, 1, 2, 3, 4]);
});

Deno.test("DatagramLink loses what its seed says, at its rate, and a change does not shift the fate of others", () => {
  const survivors = (seed: number, alsoDuplicates: boolean) => {
    using bench = new Bench({ loss: 0.1 }, { seed });
    bench.send(100);
    bench.link.change({ duplication: alsoDuplicates ? 1 : 0 });
    bench.send(100);
    bench.link.change({ duplication: 0 });
    bench.send(9_800);
    assert.equal(bench.link.counters.lost + bench.link.counters.delivered, 10_000 + bench.link.counters.duplicated);
    return { last: bench.values.slice(-8_000), lost: bench.link.counters.lost };
  };
  const one = survivors(1, false);
  assert.ok(one.lost > 880 && one.lost < 1_120, `${one.lost} of 10,000`);
  assert.deepEqual(survivors(1, true), one);
  assert.notDeepEqual(survivors(2, false).last, one.last);
});

Deno.test("DatagramLink delays each datagram by at least its delay, and jitter keeps their order", async () => {
  using bench = new Bench({ delayMs: 20, jitterMs: 10 });
  const sentAt = performance.now();
  bench.send(50);
  assert.deepEqual(bench.values, []);
  bench.link.change({ delayMs: 40 });
  bench.link.send(50);
  await bench.arrived(51);
  assert.deepEqual(bench.values, inOrder(51));
  for (const { value, at } of bench.arrivals) assert.ok(at - sentAt >= (value === 50 ? 40 : 20), `${at - sentAt} ms`);
});

Deno.test("DatagramLink doubles datagrams, the copy right behind", () => {
  using bench = new Bench({ duplication: 1 });
  bench.send(3);
  assert.deepEqual(bench.values, [0, 0, 1, 1, 2, 2]);
  assert.equal(bench.link.counters.duplicated, 3);
});

Deno.test("DatagramLink holds datagrams back so that the ones behind overtake them", async () => {
  using bench = new Bench({ reordering: 0.3 });
  const sentAt = performance.now();
  bench.send(100);
  const early = bench.values;
  await bench.arrived(100);
  const late = bench.arrivals.slice(early.length);
  assert.equal(late.length, bench.link.counters.heldBack);
  assert.ok(late.length > 0 && early.length > 0);
  assert.ok(late.some(({ value }) => value < (early.at(-1) ?? 0)), "an earlier one came later");
  for (const { at } of late) assert.ok(at - sentAt >= HELD_BACK_MS);
  assert.deepEqual(bench.values.toSorted((left, right) => left - right), inOrder(100));
});

Deno.test("DatagramLink lets nothing through while it is blocked, not even what is under way", async () => {
  using bench = new Bench({ delayMs: 1 });
  bench.send(3);
  bench.link.block();
  bench.send(2);
  bench.link.unblock();
  bench.link.send(99);
  await bench.arrived(1);
  assert.deepEqual(bench.values, [99]);
  assert.equal(bench.link.counters.blocked, 5);
});

Deno.test("DatagramLink drops what goes beyond its capacity, and everything when it is disposed", () => {
  const bench = new Bench({ delayMs: 60_000 }, { capacity: 10 });
  bench.send(12);
  assert.equal(bench.link.counters.overflowed, 2);
  // The sanitizers would see a timer that is left.
  bench[Symbol.dispose]();
});

Deno.test("DatagramLink.change() refuses chances and times that make no sense, and keeps the old ones", () => {
  using bench = new Bench({ loss: 0.5 });
  for (
    const bad of [{ loss: 1.1 }, { duplication: -1 }, { reordering: NaN }, { delayMs: -1 }, { jitterMs: Infinity }]
  ) {
    assert.throws(() => bench.link.change(bad), RangeError, JSON.stringify(bad));
  }
  assert.equal(bench.link.conditions.loss, 0.5);
});
