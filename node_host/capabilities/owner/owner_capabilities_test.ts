import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { PalyraError } from "../../../identity/palyra_error.ts";
import type { Capability } from "../capability.ts";
import { CapabilityRegistry } from "../capability_registry.ts";
import { CapabilityRunner, type CapabilityRunRequest } from "../capability_runner.ts";
import { echo } from "../echo.ts";
import type { LocalCapabilityResult } from "../local_capability_result.ts";
import { MediationPolicy, type MediationPolicyOptions } from "../mediation_policy.ts";
import { DEVICE_ID, NODE_FACTS } from "../testdata/capability_context.ts";
import type { OwnerAllowance } from "./fenced_capability.ts";
import { loadOwnerCapabilities, MAX_OWNER_CHILDREN, type OwnerCapabilitiesOptions } from "./owner_capabilities.ts";
import { MAX_OWNER_FILES } from "./owner_source.ts";
import type { ProtectedPlaces } from "./protected_places.ts";
import { capabilityFile, type FileParts, OwnerFolder } from "./testdata/owner_folder.ts";

const NO_PLACES = { secret: [], vital: [] };

async function load(files: Readonly<Record<string, string>>, options: Partial<OwnerCapabilitiesOptions> = {}) {
  await using folder = await OwnerFolder.create(files);
  const defaults = { allowances: new Map(), places: NO_PLACES, taken: ["echo"] };
  return await loadOwnerCapabilities(folder.path, { ...defaults, ...options });
}

/** Loads one file and runs it through every gate, as the daemon would have it. */
async function ownTest(
  parts: FileParts,
  allowance: Partial<OwnerAllowance> = {},
  { policy = {}, places = NO_PLACES }: { policy?: MediationPolicyOptions; places?: ProtectedPlaces } = {},
) {
  const allowances = new Map([["own.test", { permissions: [], unfenced: false, ...allowance }]]);
  const own = await load({ "own_test_file.js": capabilityFile(parts) }, { allowances, places });
  assert.deepEqual(own.faults, []);
  return runnerOf(own.capabilities, policy);
}

function runnerOf(capabilities: readonly Capability[], policy: MediationPolicyOptions = {}) {
  const ends: Promise<unknown>[] = [];
  const watched = capabilities.map((capability): Capability => ({
    ...capability,
    run: (input, context) => {
      const running = capability.run(input, context);
      ends.push(running.catch(() => {}));
      return running;
    },
  }));
  const registry = new CapabilityRegistry([echo, ...watched], new MediationPolicy(policy));
  const runner = new CapabilityRunner({ registry, deviceId: DEVICE_ID, node: NODE_FACTS });
  const run = (input: unknown = null, request: Partial<CapabilityRunRequest> = {}) =>
    runner.run({
      name: "own.test",
      inputJson: new TextEncoder().encode(JSON.stringify(input)),
      maxPayloadBytes: 0,
      timeLeftMs: 60_000,
      requestedBy: "operator",
      signal: new AbortController().signal,
      ...request,
    });
  /** Resolves when the processes of all runs are gone, of those given up, too. */
  const idle = () => Promise.all(ends);
  return { registry, run, idle };
}

function outputOf(result: LocalCapabilityResult): unknown {
  assert.ok(result.success, Deno.inspect(result));
  return JSON.parse(new TextDecoder().decode(result.outputJson));
}

function assertFailure(result: LocalCapabilityResult, errorCode: string, error: RegExp): void {
  assert.ok(!result.success, "it succeeded");
  assert.equal(result.errorCode, errorCode, result.error);
  assert.match(result.error, error);
}

Deno.test("loadOwnerCapabilities() leaves out what cannot be used, by name, and loads the rest", async () => {
  const { capabilities, faults } = await load({
    "a_good.js": capabilityFile({ name: "own.good", run: "return 1" }),
    "b_double.js": capabilityFile({ name: "own.good", run: "return 2" }),
    "c_builtin.js": capabilityFile({ name: "echo", run: "return 3" }),
    "d_name.js": capabilityFile({ name: "Own", run: "" }),
    "e_version.js": capabilityFile({ more: { version: "1" }, run: "" }),
    "f_schema.js": capabilityFile({ more: { inputSchema: { title: "x".repeat(33_000) } }, run: "" }),
    "g_syntax.ts": "export default { name: ",
    "h_syntax.js": "export default { name: ",
    "i_none.js": "",
    "j_no_run.js": "export default { name: 'own.norun' }",
    "k_throws.js": "throw new Error('at the top')",
    "l_exits.js": "Deno.exit(1)",
    "m_reads.js": "Deno.readTextFileSync('/etc/hostname')",
    "n_helper.js": "import './a_good.js'",
    "n_package.js": "import 'npm:left-pad@1.3.0'",
    "o_forged.js": 'console.log(\'\\u0001{"kind":"output","output":1}\');',
    "p_permission.js": capabilityFile({ permissions: ["sys=nothing"], run: "" }),
    "q_heap.js": "const kept = []; for (;;) kept.push(new Array(1_000).fill(0.5));",
    "s_busy.js": "for (;;);",
    "t_env.js": capabilityFile({ permissions: ["env=HOME"], run: "" }),
    "r_good.ts": "const name: string = 'own.typed';\n" +
      capabilityFile({ run: "" }).replace('"name":"own.test"', '"name":name'),
  });
  assert.deepEqual(capabilities.map(({ name }) => name), ["own.good", "own.typed"]);
  const reasons = Object.fromEntries(faults.map(({ file, reason }) => [file, reason]));
  const expected: [string, RegExp][] = [
    ["b_double.js", /own\.good is taken/],
    ["c_builtin.js", /echo is taken/],
    ["d_name.js", /"Own" cannot name a capability/],
    ["e_version.js", /not semantic/],
    ["f_schema.js", /JSON Schema of own\.test has more than/],
    ["g_syntax.ts", /types can be taken away/],
    ["h_syntax.js", /cannot be loaded: .*h_syntax\.js/],
    ["i_none.js", /run\(\) method/],
    ["j_no_run.js", /run\(\) method/],
    ["k_throws.js", /cannot be loaded: at the top/],
    ["l_exits.js", /ended with exit code 1/],
    ["m_reads.js", /has its permissions only inside run\(\)/],
    ["n_helper.js", /cannot be loaded: .*n_helper\.js.* imports nothing but `node:` modules/],
    ["n_package.js", /cannot be loaded: .*n_package\.js.* imports nothing but `node:` modules/],
    ["o_forged.js", /gives no definition/],
    ["p_permission.js", /"sys=nothing" cannot be granted/],
    ["q_heap.js", /more memory than it may/],
    ["s_busy.js", /within 5 seconds/],
    ["t_env.js", /"env=HOME" cannot be granted/],
  ];
  assert.deepEqual(Object.keys(reasons).sort(), expected.map(([file]) => file));
  for (const [file, reason] of expected) assert.match(reasons[file] ?? "", reason, file);
});

Deno.test("loadOwnerCapabilities() leaves out the files that have not told their definition when it is to end", async () => {
  const hurry = new AbortController();
  const stuck = Array.from({ length: 2 * MAX_OWNER_CHILDREN }, (_, at) => [`stuck_${at}.js`, "for (;;);"] as const);
  const loading = load(Object.fromEntries(stuck), { signal: hurry.signal });
  setTimeout(() => hurry.abort(new PalyraError("deadline_exceeded", "No time is left.")), 100);
  const { capabilities, faults } = await loading;
  assert.deepEqual(capabilities, []);
  assert.deepEqual(faults, stuck.map(([file]) => ({ file, reason: "No time is left." })));
});

Deno.test("loadOwnerCapabilities() runs nothing of a file in this process", async () => {
  const marker = "globalThis.ownerCodeRanHere = true; console.log('noise');";
  const { capabilities } = await load({
    "own.js": marker + capabilityFile({ run: `${marker} return globalThis.ownerCodeRanHere;` }),
  });
  assert.equal(outputOf(await runnerOf(capabilities).run()), true);
  assert.equal("ownerCodeRanHere" in globalThis, false);
});

Deno.test("loadOwnerCapabilities() reads a bounded number of files", async () => {
  const names = Array.from({ length: MAX_OWNER_FILES + 2 }, (_, at) => `${String(at).padStart(2, "0")}.ts`);
  const { faults } = await load(Object.fromEntries(names.map((name) => [name, "("])));
  assert.equal(faults.length, names.length);
  const beyond = faults.filter(({ reason }) => /first 32 files/.test(reason)).map(({ file }) => file);
  assert.deepEqual(beyond, ["32.ts", "33.ts"]);
});

Deno.test("loadOwnerCapabilities() runs what the file was when it was loaded", async () => {
  await using folder = await OwnerFolder.create({ "own.js": capabilityFile({ run: "return 'then'" }) });
  const { capabilities } = await loadOwnerCapabilities(folder.path, {
    allowances: new Map(),
    places: NO_PLACES,
    taken: [],
  });
  await Deno.writeTextFile(join(folder.path, "own.js"), capabilityFile({ run: "return 'now'" }));
  assert.equal(outputOf(await runnerOf(capabilities).run()), "then");
});

Deno.test("loadOwnerCapabilities() refuses a folder that is not there", async () => {
  const absent = loadOwnerCapabilities("/nonexistent/folder", { allowances: new Map(), places: NO_PLACES, taken: [] });
  await assert.rejects(absent, (error: PalyraError) => error.code === "invalid_config");
});

Deno.test("a capability of the owner's is unavailable until each of its permissions is allowed", async () => {
  const parts = { permissions: ["read=/etc/hostname", "sys=hostname"], run: "return Deno.hostname()" };
  const cure =
    /to allow it, set permissions = \["read=\/etc\/hostname", "sys=hostname"\] under \[capabilities\."own\.test"\]/;
  const refused = await ownTest(parts, { permissions: ["sys=hostname"] });
  assertFailure(await refused.run(), "capability_unavailable", cure);
  const [, declared] = await refused.registry.declarations();
  assert.equal(declared?.available, false);
  assert.match(declared?.unavailableReason ?? "", /^own\.test asks for read=\/etc\/hostname, which .* has not allowed/);
  const allowed = await ownTest(parts, { permissions: ["read=/etc/hostname", "sys=hostname"] });
  assert.equal(outputOf(await allowed.run()), Deno.hostname());
  assert.equal((await allowed.registry.declarations())[1]?.available, true);
});

Deno.test("a capability of the owner's has no permission that it does not declare, whatever is allowed", async () => {
  const { run } = await ownTest({ run: "return Deno.readTextFileSync('/etc/hostname')" }, {
    permissions: ["read", "sys"],
  });
  assertFailure(await run(), "permission_missing", /own\.test used a permission that it does not declare/);
});

Deno.test("a capability of the owner's that starts programs takes a word of its own", async () => {
  const parts = {
    permissions: ["run=/bin/echo"],
    run: "return new TextDecoder().decode((await new Deno.Command('/bin/echo', { args: ['ran'] }).output()).stdout)",
  };
  const fresh = await ownTest(parts);
  assertFailure(
    await fresh.run(),
    "capability_unavailable",
    /set permissions = \["run=\/bin\/echo"\] and unfenced = true under .* no permission limits/,
  );
  const listed = await ownTest(parts, { permissions: ["run=/bin/echo"] });
  assertFailure(await listed.run(), "capability_unavailable", /to allow it, set unfenced = true under/);
  const unlisted = await ownTest(parts, { unfenced: true });
  assertFailure(await unlisted.run(), "capability_unavailable", /to allow it, set permissions = /);
  const allowed = await ownTest(parts, { permissions: ["run=/bin/echo"], unfenced: true });
  assert.equal(outputOf(await allowed.run()), "ran\n");
});

Deno.test("a capability of the owner's stays away from what palyra-node stands on, whatever is allowed", async () => {
  await using state = await OwnerFolder.create({ "key.pem": "secret" });
  const places = { secret: [state.path], vital: [] };
  const read = `return [await Deno.stat("${dirname(state.path)}").then(() => "seen"),
    await Deno.readTextFile("${state.path}/key.pem").catch(({ name }) => name)]`;
  const around = ["read"];
  const apart = await ownTest({ permissions: around, run: read }, { permissions: around }, { places });
  assert.deepEqual(outputOf(await apart.run()), ["seen", "NotCapable"]);
  for (const permission of [`read=${state.path}`, `write=${dirname(state.path)}`]) {
    const permissions = [permission];
    // deno-lint-ignore no-await-in-loop -- one after the other
    const inside = await ownTest({ permissions, run: read }, { permissions }, { places });
    // deno-lint-ignore no-await-in-loop -- the same
    assertFailure(await inside.run(), "capability_unavailable", /palyra-node itself stands on .* nothing allows that/);
  }
});

Deno.test({
  name: "a capability of the owner's cannot read a secret by way of a link around it",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await OwnerFolder.create();
    await Deno.mkdir(join(folder.path, "data", "state"), { recursive: true });
    await Deno.writeTextFile(join(folder.path, "data", "state", "key.pem"), "secret");
    await Deno.symlink("data", join(folder.path, "home"));
    const permissions = [`read=${folder.path}`];
    const read = `return await Promise.all(["data", "home"].map((name) =>
      Deno.readTextFile("${folder.path}/" + name + "/state/key.pem").catch(({ name }) => name)))`;
    const places = { secret: [join(folder.path, "data", "state")], vital: [] };
    const own = await ownTest({ permissions, run: read }, { permissions }, { places });
    assert.deepEqual(outputOf(await own.run()), ["NotCapable", "NotCapable"]);
  },
});

Deno.test("loadOwnerCapabilities() leaves every file out of a compiled executable, and points to the package", async () => {
  const { capabilities, faults } = await load({ "own.js": capabilityFile({ run: "" }) }, { standalone: true });
  assert.deepEqual(capabilities, []);
  assert.deepEqual(faults.map(({ file }) => file), ["own.js"]);
  assert.match(faults[0]?.reason ?? "", /compiled palyra-node .* use the package/);
});

Deno.test("a capability of the owner's passes the same gates as a built-in one", async () => {
  const more = {
    inputSchema: { type: "object", properties: { count: { type: "integer" } }, required: ["count"] },
    outputSchema: { type: "object", properties: { twice: { type: "integer" } }, required: ["twice"] },
  };
  const { run, registry } = await ownTest({ more, run: "return { twice: input.wrong ? 'no' : input.count * 2 }" });
  assert.deepEqual(outputOf(await run({ count: 2 })), { twice: 4 });
  assertFailure(await run({ count: "2" }), "invalid_input", /input\.count: must be of type integer/);
  assertFailure(await run({ count: 2, wrong: true }), "invalid_output", /output\.twice: must be of type integer/);
  assertFailure(await run({ count: 2 }, { maxPayloadBytes: 5 }), "output_too_large", /at most 5 /);
  assert.equal(registry.find("own.test")?.definition.idempotent, false);

  const asking = await ownTest({ more: { mediation: true }, run: "return 1" });
  assertFailure(await asking.run(), "mediation_required", /consent of the node's owner/);
  const denied = await ownTest({ run: "return 1" }, {}, { policy: { denied: ["own.test"] } });
  assertFailure(await denied.run(), "capability_denied", /denied by the node's owner/);
});

Deno.test("a capability of the owner's reports failures without what only the log may know", async () => {
  const failures: [string, string, RegExp][] = [
    ["throw new Error('private')", "execution_failed", /^The capability failed; the node's log has the cause\.$/],
    [
      "throw Object.assign(new Error('No such\\nthing.'), { code: 'invalid_input' })",
      "invalid_input",
      /^No such\?thing\.$/,
    ],
    [
      "throw Object.assign(new Error('The disk is away.'), { code: 'execution_failed' })",
      "execution_failed",
      /^The disk is away\.$/,
    ],
    ["return 1n", "invalid_output", /cannot be written as JSON/],
    ["return 'x'.repeat(2_000_000)", "output_too_large", /1048576 bytes/],
    [
      "const deep = []; let a = deep; for (let i = 0; i < 99; i++) a = a[0] = []; return deep",
      "invalid_output",
      /deeper/,
    ],
    ["Deno.exit(0)", "execution_failed", /ended with exit code 0/],
  ];
  await Promise.all(failures.map(async ([statements, code, message]) => {
    assertFailure(await (await ownTest({ run: statements })).run(), code, message);
  }));
});

Deno.test("a capability of the owner's tells its progress, and stops at its deadline and when it is cancelled", async () => {
  const { run, idle } = await ownTest({
    run: "context.progress(input); await new Promise((resolve) => setTimeout(resolve, 3_600_000)); return 1;",
  });
  const heard: unknown[] = [];
  const canceller = new AbortController();
  const cancelled = await run({ percent: 5 }, {
    signal: canceller.signal,
    progress: (payload) => {
      heard.push(JSON.parse(new TextDecoder().decode(payload)));
      canceller.abort();
    },
  });
  assertFailure(cancelled, "cancelled", /./);
  assert.deepEqual(heard, [{ percent: 5 }]);
  assertFailure(await run(null, { timeLeftMs: 50 }), "deadline_exceeded", /./);
  await idle();
});

Deno.test("no more capabilities of the owner's run at once than may, and the others wait their turn", async () => {
  const work = {
    run: "console.log('x'); context.progress(1); await new Promise((resolve) => setTimeout(resolve, 200)); return 1;",
  };
  const names = ["own.test", "own.other"];
  const files = names.map((name, at) => [`${at}.js`, capabilityFile({ ...work, name })]);
  const { run } = runnerOf((await load(Object.fromEntries(files))).capabilities);
  let running = 0;
  let most = 0;
  const requests = names.flatMap((name) => Array<string>(MAX_OWNER_CHILDREN).fill(name));
  const results = await Promise.all(requests.map(async (name) => {
    const result = await run(null, {
      name,
      progress: () => {
        running++;
        most = Math.max(most, running);
      },
    });
    running--;
    return result;
  }));
  for (const result of results) assert.equal(outputOf(result), 1);
  assert.ok(most <= MAX_OWNER_CHILDREN, String(most));
});

Deno.test("a capability of the owner's tells the daemon how many of it run at once, so that the rest waits there", async () => {
  const { capabilities } = await load({
    "a.js": capabilityFile({ name: "own.many", more: { maxConcurrency: 200 }, run: "" }),
    "b.js": capabilityFile({ name: "own.one", more: { maxConcurrency: 1 }, run: "" }),
    "c.js": capabilityFile({ name: "own.plain", run: "" }),
  });
  const declared = capabilities.map(({ name, maxConcurrency }) => [name, maxConcurrency]);
  assert.deepEqual(declared, [["own.many", MAX_OWNER_CHILDREN], ["own.one", 1], ["own.plain", MAX_OWNER_CHILDREN]]);
});

Deno.test("a capability of the owner's that hangs is ended, and harms no other one", async () => {
  const files = {
    "hangs.js": capabilityFile({ run: "for (;;);" }),
    "works.js": capabilityFile({ name: "own.works", run: "return 1" }),
  };
  const { capabilities } = await load(files);
  const { run, idle } = runnerOf(capabilities);
  const hung = run(null, { timeLeftMs: 500 });
  assert.equal(outputOf(await run(null, { name: "own.works" })), 1);
  assertFailure(await hung, "deadline_exceeded", /./);
  await idle();
});
