import assert from "node:assert/strict";
import { join } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { builtinCapabilities } from "./builtin_capabilities.ts";
import type { Capability } from "./capability.ts";
import { CapabilityRegistry } from "./capability_registry.ts";
import {
  CapabilityRunner,
  type CapabilityRunnerOptions,
  type CapabilityRunRequest,
  MAX_ABANDONED_RUNS,
  MAX_OUTPUT_BYTES,
  MAX_SUMMARY_CHARACTERS,
} from "./capability_runner.ts";
import { echo } from "./echo.ts";
import type { LocalCapabilityResult } from "./local_capability_result.ts";
import { MediationPolicy, type MediationPolicyOptions } from "./mediation_policy.ts";
import type { MediationRequest } from "./mediator.ts";
import { SystemOpener } from "./opener.ts";
import { DEVICE_ID, NODE_FACTS } from "./testdata/capability_context.ts";
import { createHostileFolder } from "./testdata/hostile_folder.ts";
import { HOSTILE_URLS } from "./testdata/hostile_urls.ts";
import { StandInOpener } from "./testdata/stand_in_opener.ts";

function runnerOf(
  definitions: readonly Capability[],
  policy: MediationPolicyOptions = {},
  options: Partial<CapabilityRunnerOptions> = {},
): (name: string, input?: unknown, request?: Partial<CapabilityRunRequest>) => Promise<LocalCapabilityResult> {
  const registry = new CapabilityRegistry(definitions, new MediationPolicy(policy));
  const runner = new CapabilityRunner({ registry, deviceId: DEVICE_ID, node: NODE_FACTS, ...options });
  return (name, input = null, request = {}) =>
    runner.run({
      name,
      inputJson: input instanceof Uint8Array ? input : new TextEncoder().encode(JSON.stringify(input)),
      maxPayloadBytes: 0,
      timeLeftMs: 60_000,
      requestedBy: "operator",
      signal: new AbortController().signal,
      ...request,
    });
}

function outputOf(result: LocalCapabilityResult): unknown {
  assert.ok(result.success, Deno.inspect(result));
  return JSON.parse(new TextDecoder().decode(result.outputJson));
}

function assertFailure(result: LocalCapabilityResult, errorCode: string, error = /./): void {
  assert.ok(!result.success, "it succeeded");
  assert.equal(result.errorCode, errorCode, result.error);
  assert.match(result.error, error);
}

/** A capability of the owner's own. */
function capabilityOf(run: Capability["run"], overrides: Partial<Capability> = {}): Capability {
  return { ...echo, name: "own", outputSchema: {}, run, ...overrides };
}

Deno.test("CapabilityRunner.run() runs each built-in capability", async () => {
  await using standIn = await StandInOpener.create();
  await using folder = await createHostileFolder();
  const opener = new SystemOpener({ command: standIn.command });
  const rules = { "desktop.open_url": "allow", "desktop.open_path": "allow" } as const;
  const run = runnerOf(builtinCapabilities({ opener, openPathRoots: [folder.root] }), { rules });
  assert.deepEqual(outputOf(await run("echo", { a: [1] })), { echo: { a: [1] }, device_id: DEVICE_ID });
  assert.deepEqual(outputOf(await run("echo", new Uint8Array())), { echo: null, device_id: DEVICE_ID });
  assert.partialDeepStrictEqual(outputOf(await run("system.health")), { status: "ok", device_id: DEVICE_ID });
  assert.partialDeepStrictEqual(outputOf(await run("system.identity")), { device_id: DEVICE_ID });
  const url = "https://example.com/";
  assert.deepEqual(outputOf(await run("desktop.open_url", { url })), { opened: true, url });
  const path = join(folder.root, "plain.txt");
  assert.deepEqual(outputOf(await run("desktop.open_path", { path })), { opened: true, path, kind: "file" });
  assert.deepEqual(await standIn.opened(), [`1:${url}`, `1:${path}`]);
});

Deno.test("CapabilityRunner.run() hands no hostile input to the opener, and asks nobody about it", async () => {
  await using standIn = await StandInOpener.create();
  await using folder = await createHostileFolder();
  const opener = new SystemOpener({ command: standIn.command });
  const asked: MediationRequest[] = [];
  const run = runnerOf(builtinCapabilities({ opener, openPathRoots: [folder.root] }), {}, {
    mediator: { consent: (request) => Promise.resolve(void asked.push(request)) },
  });
  const inputs: [string, string, unknown][] = [
    ...HOSTILE_URLS.map(([what, url]): [string, string, unknown] => [what, "desktop.open_url", { url }]),
    ...folder.paths.map(([what, path]): [string, string, unknown] => [what, "desktop.open_path", { path }]),
  ];
  await Promise.all(inputs.map(async ([what, name, input]) => {
    const result = await run(name, input);
    assert.ok(!result.success, `${what} was let through`);
    assert.match(result.errorCode, /^(invalid_input|capability_denied)$/, `${what}: ${result.error}`);
    assert.ok(result.error.length < 400 && !/\p{C}/u.test(result.error), what);
  }));
  assert.deepEqual(asked, []);
  assert.deepEqual(await standIn.opened(), []);
  // The same runner does open what is in order.
  outputOf(await run("desktop.open_url", { url: "https://example.com/" }));
  assert.equal(asked.length, 1);
  assert.equal((await standIn.opened()).length, 1);
});

Deno.test("CapabilityRunner.run() refuses what the node does not have or its owner denies, before it looks at the input", async () => {
  const run = runnerOf([echo], { denied: ["echo"] });
  const garbage = new TextEncoder().encode("{");
  assertFailure(await run("desktop.fly", garbage), "capability_not_found", /named "desktop.fly"/);
  assertFailure(await run("x\u001b[2J".repeat(50), garbage), "capability_not_found", /^\P{Cc}{0,200}$/u);
  assertFailure(await run("__proto__", garbage), "capability_not_found");
  assertFailure(await run("echo", garbage), "capability_denied", /only the owner can change that/);
});

Deno.test("CapabilityRunner.run() refuses what the machine lacks", async () => {
  const opener = new SystemOpener({ command: "/nonexistent/opener" });
  const run = runnerOf(builtinCapabilities({ opener }));
  assertFailure(await run("desktop.open_url", { url: "https://example.com/" }), "capability_unavailable", /install it/);
  assertFailure(await run("desktop.open_path", { path: "/a" }), "capability_unavailable", /roots = /);
});

Deno.test("CapabilityRunner.run() refuses input that is no JSON, too large, too deep, or against the schema", async () => {
  const utf8 = (text: string) => new TextEncoder().encode(text);
  const inputSchema = { type: "object", properties: { url: { type: "string" } }, required: ["url"] };
  const run = runnerOf([echo, capabilityOf(() => assert.fail("it ran"), { inputSchema })]);
  assertFailure(await run("echo", Uint8Array.of(0xff)), "invalid_input", /UTF-8/);
  assertFailure(await run("echo", utf8("{")), "invalid_input", /not valid JSON/);
  assertFailure(await run("echo", utf8("[".repeat(500_000))), "invalid_input", /deeper/);
  assertFailure(await run("echo", utf8(`"${"a".repeat(1024 * 1024)}"`)), "invalid_input", /1048578 bytes/);
  assertFailure(await run("own", {}), "invalid_input", /input: the property "url" is required\./);
  assertFailure(await run("own", { url: 1 }), "invalid_input", /input\.url: must be of type string, not number\./);
});

Deno.test("CapabilityRunner.run() asks before a mediated capability and runs what the owner saw", async () => {
  await using standIn = await StandInOpener.create();
  const opener = new SystemOpener({ command: standIn.command });
  const events: string[] = [];
  const run = runnerOf(builtinCapabilities({ opener }), {}, {
    mediator: {
      async consent(request) {
        request.awaiting();
        events.push(`${request.requestedBy} wants to ${request.summary}`);
        assert.deepEqual(await standIn.opened(), [], "it opened before the owner agreed");
      },
    },
  });
  const result = await run("desktop.open_url", { url: "HTTPS://EXAMPLE.com" }, {
    requestedBy: "ann\u001b[2J",
    awaitingMediation: () => events.push("awaiting"),
    mediationEnded: () => events.push("agreed"),
  });
  assert.deepEqual(outputOf(result), { opened: true, url: "https://example.com/" });
  assert.deepEqual(events, ["awaiting", "ann?[2J wants to open https://example.com/", "agreed"]);
});

Deno.test("CapabilityRunner.run() refuses with mediation_required when there is nobody to ask", async () => {
  await using standIn = await StandInOpener.create();
  const opener = new SystemOpener({ command: standIn.command });
  const run = runnerOf(builtinCapabilities({ opener }), { rules: { echo: "ask" } });
  const cure = /mediation = "allow" under \[capabilities\."desktop\.open_url"\]/;
  assertFailure(await run("desktop.open_url", { url: "https://example.com/" }), "mediation_required", cure);
  assertFailure(await run("echo", 1), "mediation_required");
  assert.deepEqual(await standIn.opened(), []);
});

Deno.test("CapabilityRunner.run() does not run what the owner allows too late", async () => {
  const answer = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const canceller = new AbortController();
  let ran = false;
  const late = capabilityOf(() => Promise.resolve(ran = true), { mediation: true });
  const run = runnerOf([late], {}, {
    mediator: {
      consent: () => {
        asked.resolve();
        return answer.promise;
      },
    },
  });
  const result = run("own", null, { signal: canceller.signal });
  await asked.promise;
  canceller.abort();
  assertFailure(await result, "cancelled");
  answer.resolve();
  // The run would have started by the next turn of the event loop.
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(ran, false);
});

Deno.test("CapabilityRunner.run() shows the whole input when a capability does not describe itself, and refuses what is too long", async () => {
  const asked: MediationRequest[] = [];
  const mediator = { consent: (request: MediationRequest) => Promise.resolve(void asked.push(request)) };
  const run = runnerOf([echo], { rules: { echo: "ask" } }, { mediator });
  const longest = "x".repeat(MAX_SUMMARY_CHARACTERS - 'run echo with ""'.length);
  outputOf(await run("echo", new Uint8Array()));
  outputOf(await run("echo", new TextEncoder().encode('{"a"  :\n"\\u0062"}')));
  outputOf(await run("echo", longest));
  assertFailure(await run("echo", `${longest}x`), "invalid_input", /shown 10000 characters of it, not 10001/);
  assert.deepEqual(asked.map(({ summary }) => summary), [
    "run echo",
    'run echo with {"a":"b"}',
    `run echo with "${longest}"`,
  ]);
  assert.equal(asked[1]?.scope.kind, "input");
  // Without a question there is nothing to show.
  outputOf(await runnerOf([echo], {}, { mediator })("echo", `${longest}x`));
  assert.equal(asked.length, 3);
});

Deno.test("CapabilityRunner.run() reports a capability's own refusal, and hides any other failure", async () => {
  const secret = new Error("secret detail");
  const failures: [() => Promise<unknown>, string, RegExp][] = [
    [
      () => Promise.reject(new PalyraError("invalid_input", "Own words.", { cause: secret })),
      "invalid_input",
      /^Own words\.$/,
    ],
    [() => Promise.reject(secret), "execution_failed", /^The capability failed; the node's log has the cause\.$/],
    [
      () => {
        throw secret;
      },
      "execution_failed",
      /log has the cause/,
    ],
    [() => Promise.reject(undefined), "execution_failed", /log has the cause/],
    [() => Promise.reject(new Deno.errors.NotCapable("secret detail")), "permission_missing", /needed a permission/],
  ];
  await Promise.all(failures.map(async ([fail, code, message]) => {
    const result = await runnerOf([capabilityOf(fail)])("own");
    assertFailure(result, code, message);
    assert.ok(!JSON.stringify(result).includes("secret"));
  }));
});

Deno.test("CapabilityRunner.run() checks the output's JSON, schema and size", async () => {
  const outputSchema = { type: "object", properties: { at: { type: "string" } }, required: ["at"] };
  const give = (output: unknown, request?: Partial<CapabilityRunRequest>, schema = {}) =>
    runnerOf([capabilityOf(() => Promise.resolve(output), { outputSchema: schema })])("own", null, request);
  assertFailure(await give(1n), "invalid_output", /cannot be written as JSON/);
  assertFailure(await give({}, {}, outputSchema), "invalid_output", /output: the property "at" is required\./);
  assert.deepEqual(outputOf(await give({ at: new Date(0) }, {}, outputSchema)), { at: "1970-01-01T00:00:00.000Z" });
  assert.equal(outputOf(await give(undefined)), null);
  assert.equal(outputOf(await give("12345678", { maxPayloadBytes: 10 })), "12345678");
  assertFailure(await give("123456789", { maxPayloadBytes: 10 }), "output_too_large", /11 bytes and at most 10 /);
  const largest = "x".repeat(MAX_OUTPUT_BYTES - 2);
  assert.equal(outputOf(await give(largest, { maxPayloadBytes: 2 ** 40 })), largest);
  assertFailure(
    await give(`${largest}x`, { maxPayloadBytes: 2 ** 40 }),
    "output_too_large",
    /1048577 bytes and at most 1048576 /,
  );
});

Deno.test("CapabilityRunner.run() gives the result at once when a capability ignores its deadline, and its late end changes nothing", async () => {
  const late = Promise.withResolvers<unknown>();
  const started = Promise.withResolvers<AbortSignal>();
  const progress: Uint8Array[] = [];
  let report: ((payload: unknown) => void) | undefined;
  const run = runnerOf([capabilityOf((_input, context) => {
    started.resolve(context.signal);
    report = context.progress;
    return late.promise;
  })]);
  const result = await run("own", null, { timeLeftMs: 5, progress: (payload) => progress.push(payload) });
  assertFailure(result, "deadline_exceeded");
  const signal = await started.promise;
  assert.ok(signal.reason instanceof PalyraError && signal.reason.code === "deadline_exceeded");
  report?.("late");
  assert.deepEqual(progress, []);
  late.reject(new Error("late"));
  await assert.rejects(late.promise);
  assertFailure(result, "deadline_exceeded");
});

Deno.test("CapabilityRunner.run() refuses what has no time left or is cancelled already, and runs nothing", async () => {
  const run = runnerOf([capabilityOf(() => assert.fail("it ran"))]);
  assertFailure(await run("own", null, { timeLeftMs: 0 }), "deadline_exceeded");
  assertFailure(await run("own", null, { signal: AbortSignal.abort() }), "cancelled");
  const reason = new PalyraError("shutting_down", "The node stops.");
  assertFailure(await run("own", null, { signal: AbortSignal.abort(reason) }), "shutting_down", /^The node stops\.$/);
});

Deno.test("CapabilityRunner.run() starts no more while too many abandoned runs go on, and again once they end", async () => {
  const release = Promise.withResolvers<void>();
  let runs = 0;
  const run = runnerOf([
    capabilityOf(() => {
      runs++;
      return release.promise;
    }),
    echo,
  ]);
  const canceller = new AbortController();
  const abandoned = Array.from({ length: MAX_ABANDONED_RUNS }, () => run("own", null, { signal: canceller.signal }));
  // Each has been let in once the count of runs says so; they all wait on the same promise.
  while (runs < MAX_ABANDONED_RUNS) {
    // deno-lint-ignore no-await-in-loop -- one turn of the event loop at a time
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  canceller.abort();
  for (const result of await Promise.all(abandoned)) assertFailure(result, "cancelled");
  assertFailure(await run("own"), "capability_unavailable", /8 earlier runs of own did not stop/);
  assert.deepEqual(outputOf(await run("echo", 1)), { echo: 1, device_id: DEVICE_ID });
  release.resolve();
  await release.promise;
  assert.equal(outputOf(await run("own")), null);
  assert.equal(runs, MAX_ABANDONED_RUNS + 1);
});

Deno.test("CapabilityRunner.run() passes progress on as JSON", async () => {
  const progress: string[] = [];
  const run = runnerOf([capabilityOf((_input, context) => {
    context.progress({ percent: 50 });
    return Promise.resolve(null);
  })]);
  outputOf(await run("own", null, { progress: (payload) => progress.push(new TextDecoder().decode(payload)) }));
  assert.deepEqual(progress, ['{"percent":50}']);
});

Deno.test("CapabilityRunner.run() gives a capability what it may know", async () => {
  const run = runnerOf([
    capabilityOf((_input, { deviceId, requestedBy, node }) => Promise.resolve({ deviceId, requestedBy, node })),
  ]);
  const output = outputOf(await run("own", null, { requestedBy: `${"x".repeat(200)}` }));
  assert.deepEqual(output, { deviceId: DEVICE_ID, requestedBy: `${"x".repeat(127)}…`, node: NODE_FACTS });
});
