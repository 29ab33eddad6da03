import { configureSync, resetSync } from "@logtape/logtape";
import assert from "node:assert/strict";
import { join } from "node:path";
import { newDeviceId } from "../identity/device_id.ts";
import { type UnixMs, unixMs } from "../identity/unix_ms.ts";
import type { AuditAct } from "./audit/audit_act.ts";
import { readGenerationFile } from "./generation_file.ts";
import { GenerationKeeper } from "./generation_keeper.ts";
import { SqliteStore } from "./store/sqlite/sqlite_store.ts";
import { isError } from "./testing/pairing_bench.ts";

const NOW: UnixMs = unixMs(1_700_000_000_000);
const REVOKED: AuditAct = {
  kind: "device.revoked",
  actor: "ada",
  subject: newDeviceId(),
  details: { device_name: "laptop", reason: "lost" },
};
const RENEWED: AuditAct = {
  kind: "certificate.renewed",
  actor: "device",
  subject: "",
  details: { device_id: newDeviceId(), expires_at_unix_ms: 0 },
};

/** A store and a place outside of its folder. */
class Bench implements AsyncDisposable {
  readonly #folder: string;
  readonly file: string;
  store: SqliteStore;

  private constructor(folder: string) {
    this.#folder = folder;
    this.file = join(folder, "elsewhere", "generation.json");
    this.store = SqliteStore.open(this.database);
  }

  static async open(): Promise<Bench> {
    return new Bench(await Deno.makeTempDir());
  }

  get database(): string {
    return join(this.#folder, "palyrad.sqlite");
  }

  keeper({ accept = false, file = this.file } = {}): Promise<GenerationKeeper> {
    const places = { file, folders: [] };
    return GenerationKeeper.open({ store: this.store, places, acceptRestored: accept, clock: () => NOW });
  }

  async act(...acts: readonly AuditAct[]): Promise<void> {
    await this.store.transaction(async (tx) => {
      // deno-lint-ignore no-await-in-loop -- in order
      for (const act of acts) await tx.audit.append(act, NOW);
    });
  }

  async noted(): Promise<number | undefined> {
    const noted = await readGenerationFile(this.file);
    return typeof noted === "object" ? noted.generation : undefined;
  }

  /** Puts the database back to what `copy` holds, or keeps one. */
  async backUp(): Promise<() => Promise<void>> {
    await this.store.close();
    const bytes = await Deno.readFile(this.database);
    this.store = SqliteStore.open(this.database);
    return async () => {
      await this.store.close();
      await Deno.writeFile(this.database, bytes);
      this.store = SqliteStore.open(this.database);
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

Deno.test("GenerationKeeper notes each act that must not be undone, and writes nothing for others or for what failed", async () => {
  await using bench = await Bench.open();
  const keeper = await bench.keeper();
  assert.equal(await bench.noted(), 0);
  const { mtime } = await Deno.stat(bench.file);
  await bench.act(RENEWED);
  await assert.rejects(bench.store.transaction(async (tx) => {
    await tx.audit.append(REVOKED, NOW);
    throw new Error("given up");
  }));
  await keeper.close();
  assert.deepEqual((await Deno.stat(bench.file)).mtime, mtime);
  const second = await bench.keeper();
  await bench.act(REVOKED, RENEWED, REVOKED);
  await bench.act(REVOKED);
  await second.close();
  assert.equal(await bench.noted(), 3);
});

Deno.test("GenerationKeeper.open() refuses a database that is behind what was noted, until that is accepted", async () => {
  await using bench = await Bench.open();
  const first = await bench.keeper();
  const restore = await bench.backUp();
  await first.close();
  const second = await bench.keeper();
  await bench.act(REVOKED, REVOKED);
  await second.close();
  await restore();
  await assert.rejects(bench.keeper(), isError("state_restored", /last 2 changes/));
  await assert.rejects(bench.keeper(), isError("state_restored"));
  assert.equal(await bench.noted(), 2);

  await (await bench.keeper({ accept: true })).close();
  const [record] = await bench.store.transaction((tx) => tx.audit.read({ after: 0, limit: 10 }));
  assert.equal(record?.kind, "state.restored");
  await (await bench.keeper()).close();
  assert.ok((await bench.noted() ?? 0) >= 2);
});

Deno.test("GenerationKeeper.open() takes a file of another state, a damaged one and one that cannot be made for none", async () => {
  await using bench = await Bench.open();
  await using other = await Bench.open();
  const keeper = await bench.keeper();
  await bench.act(REVOKED);
  await keeper.close();
  await (await other.keeper({ file: bench.file })).close();
  assert.equal(await bench.noted(), 0, "it is the other state's now");
  await Deno.writeTextFile(bench.file, "{");
  await (await bench.keeper()).close();
  assert.equal(await bench.noted(), 1);
  const unwritable = await bench.keeper({ file: join(bench.file, "below-a-file", "x.json") });
  await bench.act(REVOKED);
  await unwritable.close();
});

Deno.test("GenerationKeeper notes what is raised in the very moment in which another writing ends", async () => {
  await using bench = await Bench.open();
  const blocked = join(bench.file, "..");
  let raise: ((generation: number) => void) | undefined;
  const store = {
    transaction: bench.store.transaction.bind(bench.store),
    onGeneration(listener: (generation: number) => void) {
      raise = listener;
      return () => {};
    },
  };
  const keeper = await GenerationKeeper.open({
    store,
    places: { file: bench.file, folders: [] },
    acceptRestored: false,
    clock: () => NOW,
  });
  await Deno.remove(blocked, { recursive: true });
  await Deno.writeTextFile(blocked, "a file where a folder should be");
  configureSync({
    reset: true,
    // The warning is the last that a writing does.
    sinks: {
      moment: () =>
        queueMicrotask(() => {
          Deno.removeSync(blocked);
          raise?.(2);
        }),
    },
    loggers: [
      { category: ["palyra"], sinks: ["moment"], lowestLevel: "warning" },
      { category: ["logtape", "meta"], lowestLevel: "error" },
    ],
  });
  try {
    raise?.(1);
    await keeper.close();
  } finally {
    resetSync();
  }
  assert.equal(await bench.noted(), 2);
});
