import assert from "node:assert/strict";
import { newUlid } from "../../identity/device_id.ts";
import { unixMs } from "../../identity/unix_ms.ts";
import { REQUEST_STATES } from "../request_state.ts";
import { aDevice, aRequest, NOW } from "../testing/store_records.ts";
import type { CapabilityRequestRecord } from "./capability_request_record.ts";
import { PROGRESS_BYTES_KEPT, PROGRESS_KEPT, type RequestProgressRecord } from "./request_progress_record.ts";
import type { StoreUnderTest } from "./store_contract.ts";
import type { Store } from "./store.ts";

const FROM_THE_FIRST = { attempt: 0, sequence: 0 };

function report(attempt: number, sequence: number, bytes = 2): RequestProgressRecord {
  return { attempt, sequence, payloadJson: new Uint8Array(bytes), at: NOW };
}

/** Registers the tests of requests and their progress that every {@linkcode Store} driver must pass. */
export function requestContract(driver: string, setUp: () => Promise<StoreUnderTest>): void {
  const test = (name: string, body: (store: Store) => Promise<void>) =>
    Deno.test(`${driver} ${name}`, async () => {
      const under = await setUp();
      const store = await under.open();
      try {
        await body(store);
      } finally {
        await store.close();
        await under.remove();
      }
    });

  const stored = async (store: Store, changes: Partial<CapabilityRequestRecord> = {}) => {
    const request = aRequest(aDevice(), changes);
    await store.transaction((tx) => tx.requests.insert(request));
    return request;
  };
  const places = async (store: Store, { requestId }: CapabilityRequestRecord, after = FROM_THE_FIRST) =>
    (await store.transaction((tx) => tx.progress.list(requestId, after)))
      .map(({ attempt, sequence }) => `${attempt}/${sequence}`);

  test("keeps all that a request may have", async (store) => {
    const request = await stored(store, {
      priority: "high",
      onDisconnect: "wait",
      ttlEndsAt: unixMs(NOW + 5),
      idempotencyKey: "key",
    });
    const dispatched: CapabilityRequestRecord = {
      ...request,
      state: "dispatched",
      attempt: 2,
      epoch: 7,
      instanceId: "instance",
      journalId: "journal",
      dispatchedAt: NOW,
    };
    await store.transaction(async (tx) => {
      assert.deepEqual(await tx.requests.get(request.requestId), request);
      assert.equal(await tx.requests.update(dispatched), true);
      assert.deepEqual(await tx.requests.get(request.requestId), dispatched);
      assert.equal(await tx.requests.update(aRequest(aDevice())), false, "there is no such request");
    });
  });

  test("notes the first late result of a request that has ended", async (store) => {
    const [open, ended] = [await stored(store), await stored(store, { state: "cancelled", completedAt: NOW })];
    const late = { attempt: 3, at: NOW, success: false, errorCode: "execution_failed" };
    await store.transaction(async (tx) => {
      for (const { requestId } of [open, ended]) {
        // deno-lint-ignore no-await-in-loop -- one after the other
        await tx.requests.setLateResult(requestId, late);
        // deno-lint-ignore no-await-in-loop -- one after the other
        await tx.requests.setLateResult(requestId, { ...late, attempt: 4, success: true, errorCode: "" });
      }
      assert.equal((await tx.requests.get(open.requestId))?.lateResult, undefined);
      assert.deepEqual(await tx.requests.get(ended.requestId), { ...ended, lateResult: late });
    });
  });

  test("lists by each state, of all devices and of one", async (store) => {
    const device = aDevice();
    const requests = REQUEST_STATES.flatMap((state) => {
      const end = ["queued", "dispatched", "running", "awaiting_local_mediation"].includes(state)
        ? {}
        : { completedAt: NOW, ...(state !== "succeeded" && { errorCode: "internal" }) };
      return [aRequest(device, { state, ...end }), aRequest(aDevice(), { state, ...end })];
    });
    await store.transaction((tx) => Promise.all(requests.map((request) => tx.requests.insert(request))));
    await store.transaction(async (tx) => {
      for (const state of REQUEST_STATES) {
        const wanted = requests.filter((request) => request.state === state).map(({ requestId }) => requestId);
        // deno-lint-ignore no-await-in-loop -- one after the other
        const all = await tx.requests.list({ state, limit: 10 });
        assert.deepEqual(all.map(({ requestId }) => requestId), wanted.toReversed(), state);
        // deno-lint-ignore no-await-in-loop -- one after the other
        const ofOne = await tx.requests.list({ state, deviceId: device.deviceId, limit: 10 });
        assert.deepEqual(ofOne.map(({ requestId }) => requestId), wanted.slice(0, 1), state);
      }
    });
  });

  test("keeps progress in order, each report once, and reads on behind a cursor", async (store) => {
    const request = await stored(store);
    await store.transaction(async (tx) => {
      await tx.progress.append(request.requestId, [report(1, 1), report(1, 2), report(2, 1)]);
      await tx.progress.append(request.requestId, [report(1, 2, 9), report(1, 10)]);
      assert.deepEqual(await tx.progress.newest(request.requestId), { attempt: 2, sequence: 1 });
      assert.equal(await tx.progress.newest(newUlid()), undefined);
      const [first] = await tx.progress.list(request.requestId, FROM_THE_FIRST);
      assert.deepEqual(first, report(1, 1));
    });
    assert.deepEqual(await places(store, request), ["1/1", "1/2", "1/10", "2/1"]);
    assert.deepEqual(await places(store, request, { attempt: 1, sequence: 2 }), ["1/10", "2/1"]);
    assert.deepEqual(await places(store, request, { attempt: 2, sequence: 1 }), []);
  });

  test("keeps no more progress of a request than the bounds, the newest, and none without a request", async (store) => {
    const [many, large] = [await stored(store), await stored(store)];
    const gone = aRequest(aDevice());
    await store.transaction(async (tx) => {
      await tx.progress.append(
        many.requestId,
        Array.from({ length: PROGRESS_KEPT + 4 }, (_, index) => report(1, index + 1)),
      );
      for (let sequence = 1; sequence <= 5; sequence++) {
        // deno-lint-ignore no-await-in-loop -- in order
        await tx.progress.append(large.requestId, [report(1, sequence, PROGRESS_BYTES_KEPT / 2)]);
      }
      await tx.progress.append(gone.requestId, [report(1, 1)]);
    });
    const kept = await places(store, many);
    assert.deepEqual([kept.length, kept[0], kept.at(-1)], [PROGRESS_KEPT, "1/5", `1/${PROGRESS_KEPT + 4}`]);
    assert.deepEqual(await places(store, large), ["1/4", "1/5"]);
    assert.deepEqual(await places(store, gone), []);
    await store.transaction((tx) => tx.progress.append(large.requestId, [report(1, 6, PROGRESS_BYTES_KEPT + 1)]));
    assert.deepEqual(await places(store, large), ["1/6"], "the newest stays however large");
  });
}
