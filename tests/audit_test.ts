import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { copyFolder } from "./harness/copy_folder.ts";
import { Fleet } from "./harness/fleet.ts";
import { operatorOf } from "./harness/operator.ts";
import { type Finished, RunningProgram, runProgram } from "./harness/program.ts";

/** What a verification says of a state root, by `palyrad audit verify --json`. */
async function verified(stateRoot: string, ...args: string[]): Promise<{
  readonly code: number;
  readonly records: number;
  readonly flaw?: { readonly kind: string; readonly sequence: number; readonly message: string };
  readonly anchor: { readonly sequence: number; readonly closed: boolean };
  readonly head: { readonly sequence: number; readonly hash: string };
  readonly expected_head_at?: number;
  readonly stderr: string;
}> {
  const { code, stdout, stderr } = await runProgram("palyrad", ["audit", "verify", "--json", ...args], { stateRoot });
  assert.notEqual(stdout, "", stderr);
  return { code, stderr, ...JSON.parse(stdout) };
}

async function assertIntact(stateRoot: string, ...args: string[]) {
  const report = await verified(stateRoot, ...args);
  assert.equal(report.code, 0, report.stderr);
  assert.equal(report.flaw, undefined);
  return report;
}

function linesOf({ code, stdout, stderr }: Finished): Record<string, unknown>[] {
  assert.equal(code, 0, stderr);
  return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

const databaseOf = (stateRoot: string) => join(stateRoot, "palyrad", "palyrad.sqlite");
const anchorOf = (stateRoot: string) => join(stateRoot, "palyrad", "audit-head.json");

Deno.test("palyrad audit shows, exports and verifies what happened, while the daemon runs and after it", async () => {
  await using fleet = await Fleet.create();
  const stateRoot = fleet.daemonRoot;
  await fleet.startDaemon();
  await fleet.pair("laptop");
  await fleet.connect("laptop");
  await fleet.palyrad("nodes", "invoke", "laptop", "echo", "--input-json", '{"private":"words"}');

  await assertIntact(stateRoot);
  const shown = linesOf(await fleet.tryPalyrad("audit", "tail", "--json", "--limit", "100"));
  const kinds = shown.map(({ kind }) => kind);
  for (const kind of ["ca.created", "daemon.started", "operator.admitted", "pairing.approved", "request.ended"]) {
    assert.ok(kinds.includes(kind), `${kind} in ${kinds}`);
  }
  assert.deepEqual(shown.map(({ sequence }) => sequence), shown.map((_, index) => index + 1));
  assert.ok(!JSON.stringify(shown).includes("words"));
  const [ended, ...others] = linesOf(await fleet.tryPalyrad("audit", "tail", "--json", "--kind", "request.ended"));
  assert.equal(others.length, 0);
  const { state, capability } = ended?.["details"] as Record<string, unknown>;
  assert.deepEqual([state, capability], ["succeeded", "echo"]);
  const text = await fleet.tryPalyrad("audit", "tail", "--limit", "1");
  assert.match(
    text.stdout,
    /^ *\d+ +\S+Z +request\.ended +local operator \([0-9A-Z]{26}\) +[0-9A-Z]{26} +\{"attempt":1/,
  );

  const follow = await RunningProgram.start("palyrad", ["audit", "tail", "--follow", "--json", "--limit", "1"], {
    stateRoot,
  });
  await follow.line((line) => line.includes('"request.ended"'));
  await fleet.palyrad("pairing", "code", "--pin");
  const minted = JSON.parse(await follow.line((line) => line.includes('"pairing_code.minted"')));
  assert.deepEqual(minted.details.method, "pin");
  follow.kill("SIGTERM");
  await follow.ended;

  const noted = await fleet.palyrad("audit", "head");
  const file = join(stateRoot, "export.jsonl");
  assert.equal((await fleet.tryPalyrad("audit", "export", "--output", file)).code, 0);
  assert.equal(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600);
  const exported = await fleet.tryPalyrad("audit", "export");
  assert.equal(exported.stdout, await Deno.readTextFile(file));
  // On another machine, with nothing but the file.
  const elsewhere = join(stateRoot, "nowhere");
  const offline = await assertIntact(elsewhere, "--file", file, "--expect-head", noted.hash);
  assert.equal(offline.records, noted.sequence);
  await Deno.writeTextFile(file, (await Deno.readTextFile(file)).replace('"succeeded"', '"failed"'));
  const changed = await verified(elsewhere, "--file", file);
  assert.deepEqual([changed.code, changed.flaw?.kind, changed.flaw?.sequence], [7, "changed", ended?.["sequence"]]);

  await fleet.daemon.stop();
  const after = await assertIntact(stateRoot, "--expect-head", noted.hash);
  assert.equal(after.expected_head_at, noted.sequence);
  assert.deepEqual([after.anchor.sequence, after.anchor.closed], [after.head.sequence, true]);
  const last = linesOf(await fleet.tryPalyrad("audit", "tail", "--json", "--limit", "1"));
  assert.equal(last[0]?.["kind"], "daemon.stopped");
  const human = await fleet.tryPalyrad("audit", "verify");
  assert.equal(human.code, 0);
  assert.match(
    human.stdout,
    /intact +\d+ records, 1 to \d+\n(.*\n)*anchor +record \d+, written .*complete up to there\n/,
  );
});

/** What somebody may do who can write the database, the flaw that is found, and the first record that is broken. */
const TAMPERINGS: readonly {
  readonly name: string;
  readonly tamper: (stateRoot: string, last: number) => void;
  readonly kind: string;
  readonly sequence?: (last: number) => number;
  /** Verify again after another start. */
  readonly restart?: boolean;
}[] = [
  {
    name: "a changed row",
    tamper: sql("UPDATE audit SET actor = 'nobody' WHERE sequence = 5"),
    kind: "changed",
    sequence: () => 5,
  },
  {
    name: "a changed time",
    tamper: sql("UPDATE audit SET at = at + 1 WHERE sequence = 5"),
    kind: "changed",
    sequence: () => 5,
  },
  {
    name: "a changed hash",
    tamper: sql("UPDATE audit SET hash = zeroblob(32) WHERE sequence = 5"),
    kind: "changed",
    sequence: () => 5,
  },
  { name: "a removed row", tamper: sql("DELETE FROM audit WHERE sequence = 5"), kind: "removed", sequence: () => 5 },
  {
    name: "a removed first row",
    tamper: sql("DELETE FROM audit WHERE sequence = 1"),
    kind: "removed",
    sequence: () => 1,
  },
  {
    name: "a swapped pair",
    tamper: sql(`
      UPDATE audit SET sequence = -1 WHERE sequence = 5;
      UPDATE audit SET sequence = 5 WHERE sequence = 6;
      UPDATE audit SET sequence = 6 WHERE sequence = -1`),
    kind: "swapped",
    sequence: () => 5,
  },
  {
    name: "an inserted row",
    tamper: (stateRoot) => insertMadeUp(databaseOf(stateRoot), 5),
    kind: "inserted",
    sequence: () => 5,
  },
  {
    name: "a truncated tail",
    tamper: sql("DELETE FROM audit WHERE sequence > (SELECT max(sequence) - 3 FROM audit)"),
    kind: "truncated",
    sequence: (last) => last - 2,
    restart: true,
  },
  {
    name: "a truncated tail, and the table's own count set back",
    tamper: sql(`
      DELETE FROM audit WHERE sequence = (SELECT max(sequence) FROM audit);
      UPDATE sqlite_sequence SET seq = (SELECT max(sequence) FROM audit) WHERE name = 'audit'`),
    kind: "truncated",
    sequence: (last) => last,
  },
  {
    name: "all of it gone",
    tamper: sql("DELETE FROM audit; DELETE FROM sqlite_sequence"),
    kind: "truncated",
    sequence: () => 1,
  },
  {
    name: "the whole chain made anew without the key",
    tamper: (stateRoot) => makeAnew(databaseOf(stateRoot)),
    kind: "rewritten",
    sequence: (last) => last,
  },
  {
    name: "the whole chain made anew, and the anchor with another key",
    tamper: (stateRoot) => {
      const head = makeAnew(databaseOf(stateRoot));
      const anchor = JSON.parse(Deno.readTextFileSync(anchorOf(stateRoot)));
      Deno.writeTextFileSync(anchorOf(stateRoot), JSON.stringify({ ...anchor, hash: head }));
    },
    kind: "anchor_forged",
  },
  {
    name: "the anchor gone",
    tamper: (stateRoot) => Deno.removeSync(anchorOf(stateRoot)),
    kind: "anchor_missing",
    restart: true,
  },
];

function sql(statements: string): (stateRoot: string) => void {
  return (stateRoot) => {
    using db = new DatabaseSync(databaseOf(stateRoot));
    db.exec(statements);
  };
}

/** The hash of a row by another actor that goes on from another one, as anybody can make it. */
function hashOf(row: Record<string, unknown>, actor: string, previousHash: string): string {
  const { sequence, at, kind, subject, details_json } = row;
  const encoded = ["palyra audit 1", sequence, at, kind, actor, subject, details_json, previousHash].map((part) =>
    `${new TextEncoder().encode(`${part}`).length}:${part},`
  );
  return createHash("sha256").update(encoded.join("")).digest("hex");
}

/** Writes every record again, with another actor, so that all of them fit each other; returns the newest hash. */
function makeAnew(path: string): string {
  using db = new DatabaseSync(path);
  const update = db.prepare("UPDATE audit SET actor = ?, previous_hash = ?, hash = ? WHERE sequence = ?");
  let previous = "0".repeat(64);
  for (const row of db.prepare("SELECT * FROM audit ORDER BY sequence").all()) {
    const hash = hashOf(row, "nobody", previous);
    update.run("nobody", Uint8Array.fromHex(previous), Uint8Array.fromHex(hash), row["sequence"] ?? null);
    previous = hash;
  }
  return previous;
}

/** Puts a record in that fits the one before it, and moves the others up by one. */
function insertMadeUp(path: string, sequence: number): void {
  using db = new DatabaseSync(path);
  const row = db.prepare("SELECT * FROM audit WHERE sequence = ?").get(sequence) ?? {};
  const previous = row["previous_hash"];
  assert.ok(previous instanceof Uint8Array);
  db.exec(`UPDATE audit SET sequence = -sequence - 1 WHERE sequence >= ${sequence};
    UPDATE audit SET sequence = -sequence WHERE sequence < 0`);
  const hash = Uint8Array.fromHex(hashOf(row, "nobody", previous.toHex()));
  db.prepare(
    "INSERT INTO audit SELECT ?1, at, kind, 'nobody', subject, details_json, ?2, ?3 FROM audit WHERE sequence = ?4",
  )
    .run(sequence, previous, hash, sequence + 1);
}

Deno.test("palyrad audit verify finds whatever was done to the table, and the daemon does not make it forgotten", async (t) => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  await fleet.palyrad("pairing", "code", "--pin");
  await fleet.daemon.stop();
  const { head } = await assertIntact(fleet.daemonRoot);
  for (const { name, tamper, kind, sequence, restart = false } of TAMPERINGS) {
    // deno-lint-ignore no-await-in-loop -- one after the other, since each starts processes
    await t.step(name, async () => {
      const stateRoot = await Deno.makeTempDir({ prefix: "palyra-" });
      try {
        await copyFolder(fleet.daemonRoot, stateRoot);
        tamper(stateRoot, head.sequence);
        const found = await verified(stateRoot);
        assert.deepEqual([found.code, found.flaw?.kind], [7, kind]);
        assert.equal(found.flaw?.sequence, sequence?.(head.sequence) ?? 0);
        assert.match(found.stderr, /audit_broken/);
        if (!restart) return;
        // Another start writes a new anchor.
        assert.equal((await runProgram("palyrad", ["init"], { stateRoot })).code, 0);
        const later = await verified(stateRoot);
        assert.equal(later.code, 7);
        assert.ok([kind, "damage_recorded"].includes(later.flaw?.kind ?? ""), String(later.flaw?.message));
      } finally {
        await Deno.remove(stateRoot, { recursive: true });
      }
    });
  }
});

Deno.test("palyrad audit verify finds nothing wrong after kill -9 in the middle of acts, again and again", async () => {
  await using fleet = await Fleet.create();
  const { nodeRpc } = await fleet.startDaemon();
  await fleet.pair("laptop");
  const node = await fleet.connect("laptop");
  using operator = await operatorOf(fleet, nodeRpc);
  let records = 0;
  for (const acts of [25, 90, 160]) {
    let ended = 0;
    const enough = Promise.withResolvers<void>();
    let killed = false;
    const counted = <T>(act: Promise<T>) =>
      act.then(() => {
        ended++;
        if (ended === acts) enough.resolve();
      }, () => {});
    // Each PIN ends the one before it, and each call is a request that ends.
    const busy = Array.from({ length: 8 }, async (_, worker) => {
      while (!killed) {
        // deno-lint-ignore no-await-in-loop -- each worker does one thing after the other
        await counted<unknown>(
          worker % 2 === 0
            ? operator.mintPairingCode({ method: "pin", ttlMs: 0, approve: false, clientKind: "" })
            : operator.execute({ deviceId: "laptop", capability: "echo" }),
        );
      }
    });
    // deno-lint-ignore no-await-in-loop -- one round after the other
    await enough.promise;
    fleet.daemon.kill("SIGKILL");
    // deno-lint-ignore no-await-in-loop -- one round after the other
    await fleet.daemon.ended;
    killed = true;
    // deno-lint-ignore no-await-in-loop -- one round after the other
    await Promise.all(busy);
    // deno-lint-ignore no-await-in-loop -- one round after the other
    const dead = await assertIntact(fleet.daemonRoot);
    assert.equal(dead.anchor.closed, false);
    assert.ok(dead.records > records + acts, `${dead.records} records after ${records} and ${acts} acts`);
    records = dead.records;
    // deno-lint-ignore no-await-in-loop -- one round after the other
    await fleet.restartDaemon("SIGKILL");
    // deno-lint-ignore no-await-in-loop -- one round after the other
    await fleet.daemon.line((line) => line.includes("Node connected."));
    // deno-lint-ignore no-await-in-loop -- one round after the other
    const alive = await assertIntact(fleet.daemonRoot);
    assert.ok(alive.records > records);
  }
  await node.stop();
});

Deno.test("palyrad audit archive moves records into a file, with and without a daemon, and the rest verifies from there", async () => {
  await using fleet = await Fleet.create();
  const stateRoot = fleet.daemonRoot;
  await fleet.startDaemon();
  const [first, second, third] = ["first", "second", "third"].map((name) => join(stateRoot, `${name}.jsonl`));
  assert.ok(first && second && third);
  const far = "2200-01-01";
  const noted = await fleet.palyrad("audit", "head");

  const none = await fleet.palyrad("audit", "archive", "--before", "2020-01-01", "--output", first);
  assert.deepEqual(none, {});
  const running = await fleet.palyrad("audit", "archive", "--before", far, "--output", first);
  assert.deepEqual([running.first_sequence, running.last_sequence, running.file], [1, noted.sequence, first]);
  assert.equal(((await Deno.stat(first)).mode ?? 0) & 0o777, 0o600);
  assert.equal((await assertIntact(stateRoot)).records, 1, "what is left tells that the others were archived");
  const whole = await assertIntact(stateRoot, "--archive", first, "--expect-head", noted.hash);
  assert.deepEqual([whole.records, whole.expected_head_at], [noted.sequence + 1, noted.sequence]);
  const again = await fleet.tryPalyrad("audit", "archive", "--before", far, "--output", first);
  assert.equal(again.code, 2, "it writes over nothing");

  await fleet.palyrad("pairing", "code", "--pin");
  await fleet.daemon.stop();
  await fleet.palyrad("audit", "archive", "--before", far, "--output", second);
  await assertIntact(stateRoot);
  const both = await assertIntact(stateRoot, "--archive", second, first);
  assert.equal(both.records, both.head.sequence);
  await assertIntact(stateRoot, "--file", first, second);
  assert.equal((await verified(stateRoot, "--archive", first)).flaw?.kind, "removed");

  await fleet.startDaemon();
  await assertIntact(stateRoot);
  await fleet.daemon.stop();
  sql("UPDATE audit SET actor = 'nobody' WHERE sequence = (SELECT min(sequence) FROM audit)")(stateRoot);
  const broken = await fleet.tryPalyrad("audit", "archive", "--before", far, "--output", third);
  assert.equal(broken.code, 7);
  assert.match(broken.stderr, /was changed/);
  await assert.rejects(Deno.stat(third), Deno.errors.NotFound);
});

Deno.test("palyrad audit names what is wrong with its arguments, and where there is no audit", async () => {
  const stateRoot = await Deno.makeTempDir({ prefix: "palyra-" });
  try {
    const audit = (...args: string[]) => runProgram("palyrad", ["audit", ...args], { stateRoot });
    for (
      const [code, reason, ...args] of [
        [7, "state_not_initialised", "verify"],
        [7, "state_not_initialised", "tail"],
        [7, "state_not_initialised", "head"],
        [7, "state_not_initialised", "export"],
        [2, "invalid_argument", "verify", "--expect-head", "banana"],
        [2, "invalid_argument", "verify", "--file", "a", "--archive", "b"],
        [2, "invalid_argument", "tail", "--kind", "banana"],
        [2, "invalid_argument", "tail", "--limit", "0"],
        [2, "invalid_argument", "archive", "--before", "banana", "--output", "x"],
      ] as const
    ) {
      // deno-lint-ignore no-await-in-loop -- one process after the other
      const finished = await audit(...args);
      assert.deepEqual([finished.code, finished.stderr.includes(reason)], [code, true], `${args}: ${finished.stderr}`);
    }
    assert.deepEqual(await Array.fromAsync(Deno.readDir(join(stateRoot))), [], "nothing was made");
  } finally {
    await Deno.remove(stateRoot, { recursive: true });
  }
});
