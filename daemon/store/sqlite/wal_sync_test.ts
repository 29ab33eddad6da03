import assert from "node:assert/strict";
import { WalSync } from "./wal_sync.ts";

/** A disk that takes `takesMs`, and how it was asked. */
function bench() {
  const state = { now: 0, takesMs: 0.1, calls: [] as string[] };
  const file = {
    syncData: () => {
      state.calls.push("aside");
      return Promise.resolve();
    },
    syncDataSync: () => {
      state.calls.push("at once");
      state.now += state.takesMs;
    },
  };
  return { state, wal: new WalSync(file, () => state.now) };
}

Deno.test("WalSync.sync() waits for a quick disk for few works, and lets another thread do it for many", async () => {
  const { state, wal } = bench();
  await wal.sync(1);
  await wal.sync(2);
  await wal.sync(3);
  assert.deepEqual(state.calls, ["at once", "at once", "aside"]);
});

Deno.test("WalSync.sync() does not wait for a disk that was slow a moment ago", async () => {
  const { state, wal } = bench();
  state.takesMs = 5;
  await wal.sync(1);
  await wal.sync(1);
  state.now += 1_001;
  await wal.sync(1);
  assert.deepEqual(state.calls, ["at once", "aside", "at once"]);
});

Deno.test("WalSync.sync() rejects when the disk fails, in both ways", async () => {
  const failing = {
    syncData: () => Promise.reject(new Error("input/output error")),
    syncDataSync: () => {
      throw new Error("input/output error");
    },
  };
  await assert.rejects(new WalSync(failing).sync(1), /input\/output/);
  await assert.rejects(new WalSync(failing).sync(9), /input\/output/);
});
