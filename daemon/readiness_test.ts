import assert from "node:assert/strict";
import { join } from "node:path";
import { HealthState } from "../transport/grpc/health_service.ts";
import { Readiness } from "./readiness.ts";
import { SqliteStore } from "./store/sqlite/sqlite_store.ts";

async function withStore(body: (store: SqliteStore, health: HealthState) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
  try {
    await body(store, new HealthState());
  } finally {
    await store.close().catch(() => {});
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("Readiness.obstacles() is empty when the daemon serves and its store answers", () =>
  withStore(async (store, health) => {
    health.setServing();
    assert.deepEqual(await new Readiness({ health, store }).obstacles(), []);
  }));

Deno.test("Readiness.obstacles() names the service before it has started and after it was told to stop", () =>
  withStore(async (store, health) => {
    const readiness = new Readiness({ health, store });
    const expected = [{ part: "service", message: "palyrad is starting or stopping." }];
    assert.deepEqual(await readiness.obstacles(), expected);
    health.setServing();
    health.setNotServing();
    assert.deepEqual(await readiness.obstacles(), expected);
  }));

Deno.test("Readiness.obstacles() names the store and its trouble when it runs no transaction", () =>
  withStore(async (store, health) => {
    health.setServing();
    await store.close();
    const [obstacle, ...others] = await new Readiness({ health, store }).obstacles();
    assert.deepEqual(obstacle, { part: "store", message: "The state database is closed." });
    assert.equal(others.length, 0);
  }));

Deno.test("Readiness.obstacles() waits for a store only so long, and asks it one question at a time", () =>
  withStore(async (store, health) => {
    health.setServing();
    const gate = Promise.withResolvers<void>();
    let questions = 0;
    const slow: Pick<SqliteStore, "transaction"> = {
      transaction: async (work, options) => {
        questions++;
        await gate.promise;
        return await store.transaction(work, options);
      },
    };
    const readiness = new Readiness({ health, store: slow, storeAnswerMs: 1 });
    for (let round = 0; round < 3; round++) {
      // deno-lint-ignore no-await-in-loop -- one question after the other
      const [obstacle] = await readiness.obstacles();
      assert.match(obstacle?.message ?? "", /has not answered for 1 ms/);
    }
    assert.equal(questions, 1);
    const patient = new Readiness({ health, store: slow });
    const answer = patient.obstacles();
    gate.resolve();
    assert.deepEqual(await answer, []);
  }));
