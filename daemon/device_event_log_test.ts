import assert from "node:assert/strict";
import { join } from "node:path";
import { type DeviceId, newDeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { RevocationIndex } from "../identity/revocation_index.ts";
import { EventGapError } from "../transport/event_gap_error.ts";
import { DeviceEventLog } from "./device_event_log.ts";
import { DeviceRegistry } from "./device_registry.ts";
import type { DeviceEventRecord } from "./store/device_event_record.ts";
import { SqliteStore } from "./store/sqlite/sqlite_store.ts";
import { aDevice, NOW } from "./testing/store_records.ts";

/** Events that the store of these tests keeps. */
const KEPT = 40;

/** The log of one device on a real store. */
class Bench implements AsyncDisposable {
  readonly stopped = new AbortController();
  readonly #folder: string;

  private constructor(
    folder: string,
    readonly store: SqliteStore,
    readonly devices: DeviceRegistry,
    readonly events: DeviceEventLog,
    readonly deviceId: DeviceId,
  ) {
    this.#folder = folder;
  }

  static async open(): Promise<Bench> {
    const folder = await Deno.makeTempDir();
    const store = SqliteStore.open(join(folder, "palyrad.sqlite"), { eventsKept: KEPT });
    const clock = () => NOW;
    const devices = await DeviceRegistry.load(store, new RevocationIndex(), clock);
    const device = aDevice();
    await store.transaction((tx) => tx.devices.put(device));
    devices.putDevice(device);
    return new Bench(folder, store, devices, new DeviceEventLog({ store, devices, clock }), device.deviceId);
  }

  async publish(count = 1): Promise<void> {
    const payload = { text: "hello" };
    await Promise.all(
      Array.from({ length: count }, () => this.events.publish(this.deviceId, { name: "notice.test", payload })),
    );
  }

  read(after?: number): AsyncGenerator<DeviceEventRecord, void, void> {
    return this.events.read(this.deviceId, after, this.stopped.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.events.close();
    await this.store.close();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** The numbers of the next `count` events. */
async function take(reader: AsyncGenerator<DeviceEventRecord, void, void>, count: number): Promise<number[]> {
  const numbers: number[] = [];
  while (numbers.length < count) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    const { value } = await reader.next();
    assert.ok(value, "the reader has not ended");
    numbers.push(value.sequence);
  }
  return numbers;
}

async function all(events: AsyncIterable<DeviceEventRecord>): Promise<number[]> {
  return (await Array.fromAsync(events)).map(({ sequence }) => sequence);
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

const isError = (code: ReasonCode) => (thrown: unknown): boolean =>
  thrown instanceof PalyraError && thrown.code === code;

const isGap = (oldest: number) => (thrown: unknown): boolean =>
  thrown instanceof EventGapError && thrown.code === "event_gap" && thrown.oldestSequence === oldest;

Deno.test("DeviceEventLog.read() gives what is kept after a number, page by page, and then what comes", async () => {
  await using bench = await Bench.open();
  await bench.publish(37);
  const reader = bench.read(3);
  assert.deepEqual(await take(reader, 34), range(4, 37));
  const next = take(reader, 2);
  await bench.publish();
  await bench.publish();
  assert.deepEqual(await next, [38, 39]);
  bench.stopped.abort();
  assert.deepEqual(await reader.next(), { done: true, value: undefined });
});

Deno.test("DeviceEventLog.read() misses nothing that is written while it reads", async () => {
  await using bench = await Bench.open();
  const readers = Array.from({ length: 3 }, () => take(bench.read(0), 30));
  for (let written = 0; written < 30; written++) {
    // deno-lint-ignore no-await-in-loop -- each in a commit of its own
    await bench.publish();
  }
  for (const numbers of await Promise.all(readers)) assert.deepEqual(numbers, range(1, 30));
});

Deno.test("DeviceEventLog.read() waits for the first event of a device, and hears of no other device's", async () => {
  await using bench = await Bench.open();
  const other = { ...aDevice(), deviceId: newDeviceId() };
  await bench.store.transaction((tx) => tx.devices.put(other));
  bench.devices.putDevice(other);
  const first = take(bench.read(), 1);
  await bench.events.publish(other.deviceId, { name: "notice.other", payload: {} });
  await bench.publish();
  assert.deepEqual(await first, [1]);
});

Deno.test("DeviceEventLog.read() refuses a number whose next event is gone, with the oldest that is kept", async () => {
  await using bench = await Bench.open();
  await bench.publish(50);
  await assert.rejects(bench.read(9).next(), isGap(11));
  await assert.rejects(bench.read(0).next(), isGap(11));
  assert.deepEqual(await take(bench.read(10), 1), [11]);
  assert.deepEqual(await take(bench.read(), 1), [11], "without a number it begins with what there is");
});

Deno.test("DeviceEventLog.read() tells a reader that fell behind what was kept, and holds a page for it at most", async () => {
  await using bench = await Bench.open();
  await bench.publish(20);
  const slow = bench.read(0);
  assert.deepEqual(await take(slow, 1), [1]);
  await bench.publish(80);
  assert.deepEqual(await take(slow, 15), range(2, 16), "what it held already");
  await assert.rejects(slow.next(), isGap(61));
});

Deno.test("DeviceEventLog.read() refuses a number that no event has had", async () => {
  await using bench = await Bench.open();
  await assert.rejects(bench.read(1).next(), isError("invalid_argument"));
  await bench.publish(2);
  await assert.rejects(bench.read(3).next(), isError("invalid_argument"));
  for (const nonsense of [-1, 0.5, NaN, 2 ** 60]) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(bench.read(nonsense).next(), isError("invalid_argument"));
  }
  const reader = bench.read(2);
  const next = reader.next();
  await bench.publish();
  assert.equal((await next).value?.sequence, 3);
});

Deno.test("DeviceEventLog.read() ends when its signal fires, before and while it waits", async () => {
  await using bench = await Bench.open();
  const waiting = bench.read().next();
  bench.stopped.abort();
  assert.equal((await waiting).done, true);
  await bench.publish();
  assert.equal((await bench.read().next()).done, true);
});

Deno.test("DeviceEventLog ends the readers of a device that is removed", async () => {
  await using bench = await Bench.open();
  await bench.publish();
  const reader = bench.read();
  await take(reader, 1);
  const next = assert.rejects(reader.next(), isError("device_not_found"));
  await bench.store.transaction((tx) => tx.devices.remove(bench.deviceId));
  bench.devices.removeDevice(bench.deviceId);
  bench.events.deviceRemoved(bench.deviceId);
  await next;
  await assert.rejects(bench.publish(), isError("device_not_found"));
  await assert.rejects(all(bench.events.kept(bench.deviceId, undefined)), isError("device_not_found"));
});

Deno.test("DeviceEventLog.close() ends every reader", async () => {
  await using bench = await Bench.open();
  const waiting = assert.rejects(bench.read().next(), isError("shutting_down"));
  bench.events.close();
  await waiting;
  await assert.rejects(bench.read().next(), isError("shutting_down"));
});

Deno.test("DeviceEventLog.kept() gives what there is and ends", async () => {
  await using bench = await Bench.open();
  const { events, deviceId } = bench;
  assert.deepEqual(await all(events.kept(deviceId, undefined)), []);
  assert.deepEqual(await all(events.kept(deviceId, 0)), []);
  await bench.publish(50);
  assert.deepEqual(await all(events.kept(deviceId, undefined)), range(11, 50));
  assert.deepEqual(await all(events.kept(deviceId, 48)), [49, 50]);
  assert.deepEqual(await all(events.kept(deviceId, 50)), []);
  await assert.rejects(all(events.kept(deviceId, 3)), isGap(11));
});
