import assert from "node:assert/strict";
import { type DeviceId, newDeviceId } from "../../identity/device_id.ts";
import { unixMs } from "../../identity/unix_ms.ts";
import type { DeviceAct } from "../device_act.ts";
import { aDevice, NOW } from "../testing/store_records.ts";
import type { DeviceEventPage } from "./device_event_record.ts";
import type { DeviceRecord } from "./device_record.ts";
import type { StoreUnderTest } from "./store_contract.ts";
import type { Store } from "./store.ts";

/** The bound with which a store is opened for these tests. */
export const EVENTS_KEPT_UNDER_TEST = 5;

function notice(number: number): DeviceAct {
  return { name: "notice.test", payload: { number } };
}

async function aStoredDevice(store: Store): Promise<DeviceRecord> {
  const device = aDevice();
  await store.transaction((tx) => tx.devices.put(device));
  return device;
}

/** Appends notices that count from `first` to `last`, each in a transaction of its own. */
async function append(store: Store, deviceId: DeviceId, first: number, last: number): Promise<void> {
  const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  await Promise.all(
    numbers.map((number) => store.transaction((tx) => tx.events.append(deviceId, notice(number), NOW))),
  );
}

function read(store: Store, deviceId: DeviceId, after = 0, limit = 100): Promise<DeviceEventPage> {
  return store.transaction((tx) => tx.events.read(deviceId, after, limit));
}

const numbersOf = ({ events }: DeviceEventPage) => events.map(({ sequence }) => sequence);
const boundsOf = ({ oldest, newest }: DeviceEventPage) => [oldest, newest];

/** Registers the tests of the device events that every {@linkcode Store} driver must pass. */
export function deviceEventContract(driver: string, setUp: () => Promise<StoreUnderTest>): void {
  const test = (name: string, body: (store: Store, under: StoreUnderTest) => Promise<void>) =>
    Deno.test(`${driver} ${name}`, async () => {
      const under = await setUp();
      const store = await under.open();
      try {
        await body(store, under);
      } finally {
        await store.close();
        await under.remove();
      }
    });

  test("numbers the events of each device from 1 without holes, also past a work that rejects", async (store) => {
    const [one, other] = [await aStoredDevice(store), await aStoredDevice(store)];
    assert.deepEqual(await read(store, one.deviceId), { events: [], oldest: 1, newest: 0 });
    const appended = await store.transaction((tx) => tx.events.append(one.deviceId, notice(1), unixMs(NOW + 7)));
    await assert.rejects(store.transaction(async (tx) => {
      await tx.events.append(one.deviceId, notice(2), NOW);
      throw new Error("changed my mind");
    }));
    await append(store, other.deviceId, 1, 1);
    await append(store, one.deviceId, 2, 3);
    const page = await read(store, one.deviceId);
    assert.deepEqual(page.events[0], {
      sequence: 1,
      name: "notice.test",
      payload: { number: 1 },
      at: unixMs(NOW + 7),
    });
    assert.deepEqual(page.events[0], appended);
    assert.deepEqual(page.events.map(({ payload }) => payload), [{ number: 1 }, { number: 2 }, { number: 3 }]);
    assert.deepEqual([numbersOf(page), boundsOf(page)], [[1, 2, 3], [1, 3]]);
    assert.deepEqual(numbersOf(await read(store, other.deviceId)), [1]);
  });

  test("reads events after a number, so many at a time", async (store) => {
    const { deviceId } = await aStoredDevice(store);
    await append(store, deviceId, 1, 5);
    assert.deepEqual(numbersOf(await read(store, deviceId, 0, 2)), [1, 2]);
    assert.deepEqual(numbersOf(await read(store, deviceId, 2, 2)), [3, 4]);
    assert.deepEqual(numbersOf(await read(store, deviceId, 5, 2)), []);
    assert.deepEqual(boundsOf(await read(store, deviceId, 5, 2)), [1, 5]);
  });

  test(
    `keeps the newest ${EVENTS_KEPT_UNDER_TEST} events and goes on numbering after a restart`,
    async (store, under) => {
      const { deviceId } = await aStoredDevice(store);
      await append(store, deviceId, 1, 8);
      const again = await under.open();
      try {
        assert.deepEqual(numbersOf(await read(again, deviceId)), [4, 5, 6, 7, 8]);
        await append(again, deviceId, 9, 9);
        const page = await read(again, deviceId);
        assert.deepEqual([numbersOf(page), boundsOf(page)], [[5, 6, 7, 8, 9], [5, 9]]);
      } finally {
        await again.close();
      }
    },
  );

  test("drops a device's events with the device and never gives their numbers again", async (store) => {
    const [removed, other] = [await aStoredDevice(store), await aStoredDevice(store)];
    await append(store, removed.deviceId, 1, 3);
    await append(store, other.deviceId, 1, 1);
    await store.transaction((tx) => tx.devices.remove(removed.deviceId));
    assert.deepEqual(await read(store, removed.deviceId), { events: [], oldest: 4, newest: 3 });
    assert.deepEqual(numbersOf(await read(store, other.deviceId)), [1]);
    await store.transaction((tx) => tx.devices.put(removed));
    await append(store, removed.deviceId, 4, 4);
    assert.deepEqual(boundsOf(await read(store, removed.deviceId)), [4, 4]);
  });

  test("refuses an event of a device that is not stored", async (store) => {
    const stranger = newDeviceId();
    await assert.rejects(append(store, stranger, 1, 1));
    assert.deepEqual(await read(store, stranger), { events: [], oldest: 1, newest: 0 });
  });

  test("tells of new events once they are committed, and of none that were not", async (store) => {
    const { deviceId } = await aStoredDevice(store);
    const told: number[] = [];
    let committed = 0;
    const unsubscribe = store.onDeviceEvents((whose) => {
      assert.equal(whose, deviceId);
      told.push(committed);
    });
    await assert.rejects(store.transaction(async (tx) => {
      await tx.events.append(deviceId, notice(1), NOW);
      throw new Error("changed my mind");
    }));
    await read(store, deviceId);
    assert.deepEqual(told, []);
    await store.transaction(async (tx) => {
      await tx.events.append(deviceId, notice(1), NOW);
      await tx.events.append(deviceId, notice(2), NOW);
      committed = 2;
    });
    assert.deepEqual(told, [2], "once for the work, before its promise resolves");
    unsubscribe();
    await append(store, deviceId, 3, 3);
    assert.deepEqual(told, [2]);
  });
}
