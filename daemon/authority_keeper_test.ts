import assert from "node:assert/strict";
import { join } from "node:path";
import { createCertificateRequest } from "../identity/certificate_request.ts";
import { newDeviceId } from "../identity/device_id.ts";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { SecretStore } from "../identity/secret_store.ts";
import type { AuthorityFiles } from "../identity/stored_authority.ts";
import { followSuccession } from "../identity/ca_succession.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { systemClock, type UnixMs, unixMs } from "../identity/unix_ms.ts";
import { AuthorityKeeper } from "./authority_keeper.ts";
import { readDaemonConfig } from "./daemon_config.ts";
import { DaemonState } from "./daemon_state.ts";
import type { DeviceRecord } from "./store/device_record.ts";
import type { Store, StoreTransaction } from "./store/store.ts";
import { isError } from "./testing/pairing_bench.ts";

const DAY_MS = 24 * 3_600_000;

/** A state folder that is opened again and again. */
class Bench implements AsyncDisposable {
  now: UnixMs = systemClock();
  #state: DaemonState | undefined;

  private constructor(readonly root: string) {}

  static async open(): Promise<Bench> {
    const bench = new Bench(await Deno.makeTempDir({ prefix: "palyra-authority-" }));
    await bench.reopen();
    return bench;
  }

  get state(): DaemonState {
    assert.ok(this.#state);
    return this.#state;
  }

  get keeper(): AuthorityKeeper {
    return this.state.authorities;
  }

  /** What is issued and trusted, by fingerprint. */
  get roles() {
    const { current, next, retiring } = this.state.identity.authorities.roles;
    return { current, next, retiring };
  }

  async reopen(): Promise<void> {
    await this.#state?.close();
    const environment = { get: (name: string) => name === "PALYRA_STATE_ROOT" ? this.root : undefined };
    this.#state = await DaemonState.open(await readDaemonConfig({ environment }), () => this.now);
  }

  /** The files of CAs that lie in the state folder. */
  async files(): Promise<string[]> {
    const secrets = await this.secrets();
    return (await secrets.list()).filter((name) => name.startsWith("ca-"));
  }

  async secrets(): Promise<SecretStore> {
    return await SecretStore.open(join(this.state.folder, "secrets"));
  }

  /** The kinds of the audit's records about CAs, oldest first. */
  async audit(): Promise<string[]> {
    const records = await this.state.store.transaction((tx) => tx.audit.read({ after: 0, limit: 100 }));
    return records.map(({ kind }) => kind).filter((kind) => kind.startsWith("ca."));
  }

  /** A paired device with a certificate of the CA that issues now. */
  async pair(): Promise<DeviceRecord> {
    const identity = DeviceIdentity.generate(newDeviceId());
    const device: DeviceRecord = {
      deviceId: identity.deviceId,
      clientKind: "node",
      status: "paired",
      deviceName: "laptop",
      platform: "test",
      publicKey: identity.publicKey,
      identityFingerprint: identity.fingerprint,
      grantedCapabilities: [],
      deniedCapabilities: [],
      recoveryAllowed: true,
      recoveryCount: 0,
      pairedAt: this.now,
      approvedBy: "operator",
    };
    const { store, devices } = this.state;
    await store.transaction((tx) => tx.devices.put(device));
    devices.putDevice(device);
    await this.issue(device);
    return device;
  }

  async issue(device: DeviceRecord): Promise<void> {
    const { deviceId } = device;
    const tlsKey = await TlsKey.generate();
    await this.state.issuer.issue(device, await createCertificateRequest({ deviceId, tlsKey }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#state?.close();
    await Deno.remove(this.root, { recursive: true });
  }
}

Deno.test("AuthorityKeeper rotates in two steps, and retires the earlier CA when its last certificate has expired", async () => {
  await using bench = await Bench.open();
  const first = bench.state.identity.ca;
  const device = await bench.pair();
  await bench.keeper.introduce("operator");
  const { next } = bench.state.identity.authorities;
  assert.ok(next);
  assert.deepEqual(bench.roles, { current: first.fingerprint, next: next.fingerprint, retiring: [] });
  assert.equal(bench.state.identity.trustBundlePem, first.certificatePem + next.certificatePem);
  await bench.reopen();
  assert.deepEqual(bench.roles, { current: first.fingerprint, next: next.fingerprint, retiring: [] });

  await bench.keeper.complete("operator", false);
  assert.deepEqual(bench.roles, { current: next.fingerprint, next: undefined, retiring: [first.fingerprint] });
  const trusted = await followSuccession(
    [first.certificateDer],
    bench.state.identity.succession,
    next.certificateDer,
  );
  assert.equal(trusted?.length, 2);
  await bench.issue(device);
  await bench.reopen();
  assert.deepEqual(bench.roles, { current: next.fingerprint, next: undefined, retiring: [first.fingerprint] });
  assert.equal(bench.keeper.validCertificates(first.fingerprint), 1);
  assert.equal(bench.keeper.validCertificates(next.fingerprint), 1);

  assert.equal(await bench.keeper.retireUnused(), false, "a certificate of it is valid");
  bench.now = unixMs(bench.now + 2 * DAY_MS);
  assert.equal(await bench.keeper.retireUnused(), false, "the first look");
  assert.equal(await bench.keeper.retireUnused(), true);
  assert.deepEqual(bench.roles, { current: next.fingerprint, next: undefined, retiring: [] });
  assert.deepEqual(await bench.files(), [
    `ca-${next.fingerprint.slice(0, 16)}-certificate.pem`,
    `ca-${next.fingerprint.slice(0, 16)}-key.pem`,
  ]);
  await bench.reopen();
  assert.equal(bench.state.identity.trustBundlePem, next.certificatePem);
  assert.equal(bench.state.identity.succession.length, 1, "a device that was away still finds its way");
  assert.deepEqual(await bench.audit(), ["ca.created", "ca.rotation_begun", "ca.rotation_completed", "ca.retired"]);
});

Deno.test("AuthorityKeeper.retireUnused() counts neither revoked certificates nor those of revoked devices", async () => {
  await using bench = await Bench.open();
  const { identity, store, devices } = bench.state;
  const [one, other] = [await bench.pair(), await bench.pair()];
  const first = identity.ca.fingerprint;
  await bench.keeper.introduce("operator");
  await bench.keeper.complete("operator", false);
  assert.equal(bench.keeper.validCertificates(first), 2);
  await store.transaction((tx) => tx.devices.revokeCertificates(one.deviceId, bench.now, "superseded"));
  devices.revokeCertificates(one.deviceId, bench.now, "superseded");
  assert.equal(bench.keeper.validCertificates(first), 1);
  devices.putDevice({ ...other, status: "revoked", revokedAt: bench.now, revokedReason: "stolen" });
  assert.equal(bench.keeper.validCertificates(first), 0);
  assert.deepEqual([await bench.keeper.retireUnused(), await bench.keeper.retireUnused()], [false, true]);
});

Deno.test("AuthorityKeeper goes back before the second step, and not after it", async () => {
  await using bench = await Bench.open();
  const before = bench.roles;
  const files = await bench.files();
  await assert.rejects(bench.keeper.abort("operator"), isError("rotation_not_begun"));
  await assert.rejects(bench.keeper.complete("operator", false), isError("rotation_not_begun", /palyrad ca rotate/));
  await bench.keeper.introduce("operator");
  await assert.rejects(bench.keeper.introduce("operator"), isError("rotation_under_way", /--complete.*--abort/));
  await bench.keeper.abort("operator");
  assert.deepEqual(bench.roles, before);
  assert.deepEqual(await bench.files(), files);
  await bench.reopen();
  assert.deepEqual(bench.roles, before);
  await bench.keeper.introduce("operator");
  await bench.keeper.complete("operator", true);
  await assert.rejects(bench.keeper.abort("operator"), isError("rotation_not_begun", /complete/));
  assert.deepEqual(await bench.audit(), [
    "ca.created",
    "ca.rotation_begun",
    "ca.rotation_aborted",
    "ca.rotation_begun",
    "ca.rotation_completed",
  ]);
});

Deno.test("AuthorityKeeper.complete() takes no other CA than the one that was looked at", async () => {
  await using bench = await Bench.open();
  await bench.keeper.introduce("one");
  const judged = bench.roles.next;
  await bench.keeper.abort("another");
  await bench.keeper.introduce("another");
  await assert.rejects(bench.keeper.complete("one", false, judged), isError("rotation_not_begun", /another operator/));
  await bench.keeper.complete("one", false, bench.roles.next);
});

Deno.test("AuthorityKeeper.complete() refuses a CA that was made while the clock was wrong, and it can be given up", async () => {
  await using bench = await Bench.open();
  const before = bench.roles;
  const today = bench.now;
  for (const wrong of [today + 30 * DAY_MS, today - 3_653 * DAY_MS]) {
    bench.now = unixMs(wrong);
    // deno-lint-ignore no-await-in-loop -- one rotation after the other
    await bench.keeper.introduce("operator");
    bench.now = today;
    // deno-lint-ignore no-await-in-loop -- one rotation after the other
    await assert.rejects(bench.keeper.complete("operator", true), isError("clock_off", /--abort/));
    // deno-lint-ignore no-await-in-loop -- one rotation after the other
    await bench.keeper.abort("operator");
    assert.deepEqual(bench.roles, before);
  }
});

Deno.test("AuthorityKeeper.introduce() makes no further CA while three are retiring", async () => {
  await using bench = await Bench.open();
  for (let rotation = 0; rotation < 3; rotation++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await bench.pair();
    // deno-lint-ignore no-await-in-loop -- one after the other
    await bench.keeper.introduce("operator");
    // deno-lint-ignore no-await-in-loop -- one after the other
    await bench.keeper.complete("operator", false);
  }
  await assert.rejects(bench.keeper.introduce("operator"), isError("rotation_under_way", /still retiring/));
  bench.now = unixMs(bench.now + 2 * DAY_MS);
  // One at a time; each is found unused at the first look.
  for (const expected of [false, true, true, true, false]) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    assert.equal(await bench.keeper.retireUnused(), expected);
  }
  await bench.keeper.introduce("operator");
});

Deno.test("AuthorityKeeper removes the key of a CA that counts no more at a later start when it could not at once", async () => {
  await using bench = await Bench.open();
  await bench.keeper.introduce("operator");
  const files = await bench.files();
  // The transaction succeeds, and nothing after it.
  await dying(bench, await bench.secrets(), 1).keeper.abort("operator");
  assert.deepEqual(await bench.files(), files);
  await bench.keeper.introduce("operator");
  await bench.keeper.complete("operator", false);
  await bench.reopen();
  assert.equal((await bench.files()).length, 4, "the two that count");
});

Deno.test("AuthorityKeeper takes one step at a time", async () => {
  await using bench = await Bench.open();
  const outcomes = await Promise.allSettled([bench.keeper.introduce("one"), bench.keeper.introduce("another")]);
  assert.deepEqual(outcomes.map(({ status }) => status), ["fulfilled", "rejected"]);
});

/** Where a process dies: before that many-th act on the disk, counted over files and transactions. */
function dying(bench: Bench, secrets: SecretStore, afterActs: number) {
  let left = afterActs;
  const act = async <T>(does: () => Promise<T>): Promise<T> => {
    if (left === 0) throw new Error("killed");
    left -= 1;
    return await does();
  };
  const files: AuthorityFiles = {
    folder: secrets.folder,
    read: (name) => secrets.read(name),
    write: (name, bytes) => act(() => secrets.write(name, bytes)),
    delete: (name) => act(() => secrets.delete(name)),
  };
  const { store, identity, devices } = bench.state;
  const transaction = <T>(run: (tx: StoreTransaction) => Promise<T>) => act(() => store.transaction(run));
  const keeper = new AuthorityKeeper({
    store: { transaction } as Pick<Store, "transaction"> as Store,
    secrets: files,
    identity,
    devices,
    clock: () => bench.now,
  });
  return { keeper, actsLeft: () => left };
}

interface KilledStep {
  readonly name: string;
  /** What has happened before. */
  readonly before: (keeper: AuthorityKeeper) => Promise<void>;
  readonly step: (keeper: AuthorityKeeper) => Promise<unknown>;
  /** Acts on the disk: files that are written, the transaction, files that are removed. */
  readonly acts: readonly ("write" | "transaction" | "delete")[];
}

const KILLED_STEPS: readonly KilledStep[] = [
  {
    name: "introduce()",
    before: () => Promise.resolve(),
    step: (keeper) => keeper.introduce("operator"),
    acts: ["write", "write", "transaction"],
  },
  {
    name: "complete()",
    before: (keeper) => keeper.introduce("operator"),
    step: (keeper) => keeper.complete("operator", false),
    acts: ["transaction"],
  },
  {
    name: "abort()",
    before: (keeper) => keeper.introduce("operator"),
    step: (keeper) => keeper.abort("operator"),
    acts: ["transaction", "delete", "delete"],
  },
  {
    name: "retireUnused()",
    before: async (keeper) => {
      await keeper.introduce("operator");
      await keeper.complete("operator", false);
    },
    step: async (keeper) => {
      await keeper.retireUnused();
      await keeper.retireUnused();
    },
    acts: ["transaction", "delete", "delete"],
  },
];

for (const { name, before, step, acts } of KILLED_STEPS) {
  for (const [acted, next] of [...acts, "the end"].entries()) {
    Deno.test(`AuthorityKeeper.${name} killed before act ${acted + 1} (${next}) leaves a state that goes on`, async () => {
      await using bench = await Bench.open();
      await before(bench.keeper);
      const earlier = bench.roles;
      const known = await bench.files();
      const { keeper, actsLeft } = dying(bench, await bench.secrets(), acted);
      await step(keeper).catch(() => {});
      assert.equal(actsLeft(), 0, "every act is counted");
      // What was in memory is gone with the process.
      await bench.reopen();
      const committed = acted > acts.indexOf("transaction");
      if (committed) assert.notDeepEqual(bench.roles, earlier);
      else assert.deepEqual(bench.roles, earlier);
      const { current, next: introduced, retiring } = bench.roles;
      const named = [current, ...introduced === undefined ? [] : [introduced], ...retiring].length;
      const files = await bench.files();
      if (committed) assert.equal(files.length, 2 * named, "and no key of a CA that counts no more");
      else assert.deepEqual(known.filter((file) => !files.includes(file)), []);
      // And it can be rotated as if nothing had happened.
      if (bench.roles.next === undefined) await bench.keeper.introduce("operator");
      await bench.keeper.complete("operator", false);
      await bench.reopen();
      assert.ok(bench.roles.retiring.length > 0);
      assert.equal((await bench.audit()).at(-1), "ca.rotation_completed");
    });
  }
}
