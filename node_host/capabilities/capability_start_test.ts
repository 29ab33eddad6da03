import assert from "node:assert/strict";
import { PalyraError } from "../../identity/palyra_error.ts";
import { systemClock, unixMs } from "../../identity/unix_ms.ts";
import type { Capability } from "./capability.ts";
import { CapabilityRegistry } from "./capability_registry.ts";
import { CapabilityRunner, type CapabilityRunnerOptions, type CapabilityRunRequest } from "./capability_runner.ts";
import { echo } from "./echo.ts";
import { NEVER_STARTED } from "./local_capability_result.ts";
import { MediationPolicy } from "./mediation_policy.ts";
import { DEVICE_ID, NODE_FACTS } from "./testdata/capability_context.ts";

const HOUR_MS = 3_600_000;

/** One capability, and runs of it that end when the test says so. */
class HeldRuns {
  readonly ends: ((output: unknown) => void)[] = [];
  readonly signals: AbortSignal[] = [];
  readonly #runner: CapabilityRunner;
  #started = Promise.withResolvers<void>();

  constructor(overrides: Partial<Capability> = {}, options: Partial<CapabilityRunnerOptions> = {}) {
    const run: Capability["run"] = (_input, { signal }) => {
      this.signals.push(signal);
      this.#started.resolve();
      this.#started = Promise.withResolvers();
      return new Promise((resolve) => this.ends.push(resolve));
    };
    const registry = new CapabilityRegistry(
      [{ ...echo, name: "own", outputSchema: {}, run, ...overrides }],
      new MediationPolicy(),
    );
    this.#runner = new CapabilityRunner({ registry, deviceId: DEVICE_ID, node: NODE_FACTS, ...options });
  }

  async untilStarted(count: number): Promise<void> {
    // deno-lint-ignore no-await-in-loop -- waits for one start after the other
    while (this.ends.length < count) await this.#started.promise;
  }

  /** The error code of a run, or "ok". */
  async run(request: Partial<CapabilityRunRequest> = {}): Promise<string> {
    const result = await this.#runner.run({
      name: "own",
      inputJson: new Uint8Array(),
      maxPayloadBytes: 0,
      timeLeftMs: 60_000,
      requestedBy: "operator",
      signal: new AbortController().signal,
      ...request,
    });
    return result.success ? "ok" : result.errorCode;
  }
}

Deno.test("CapabilityRunner.run() waits for `starting` after every gate, and runs nothing when it is refused", async () => {
  const runs = new HeldRuns();
  const noted = Promise.withResolvers<void>();
  const first = runs.run({ starting: () => noted.promise });
  const refusal = new PalyraError("state_read_only", "No room.");
  assert.equal(await runs.run({ starting: () => Promise.reject(refusal) }), "state_read_only");
  assert.equal(
    await runs.run({ inputJson: new TextEncoder().encode("{"), starting: () => assert.fail() }),
    "invalid_input",
  );
  assert.equal(runs.ends.length, 0);
  noted.resolve();
  await runs.untilStarted(1);
  runs.ends[0]?.(null);
  assert.equal(await first, "ok");
});

Deno.test("CapabilityRunner.run() waits for its turn before the start is noted, and gives it back when it has ended", async () => {
  let given = 0;
  let back = 0;
  const turns = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const runs = new HeldRuns({
    takeTurn: async () => {
      await turns[given++]?.promise;
      return { [Symbol.dispose]: () => void back++ };
    },
  });
  let noted = 0;
  const starting = () => Promise.resolve(void noted++);
  const cancel = new AbortController();
  const first = runs.run({ starting });
  const second = runs.run({ starting, signal: cancel.signal });
  turns[0]?.resolve();
  await runs.untilStarted(1);
  assert.deepEqual([given, noted, back], [2, 1, 0]);
  cancel.abort();
  assert.equal(await second, "cancelled");
  turns[1]?.resolve();
  await new Promise<void>((resolve) => setImmediate(resolve));
  assert.deepEqual([noted, back], [1, 1], "a turn that comes too late is given back");
  runs.ends[0]?.(null);
  assert.equal(await first, "ok");
  assert.equal(back, 2);
});

Deno.test("CapabilityRunner.run() starts nothing that was cancelled while its start was noted", async () => {
  const runs = new HeldRuns();
  const noted = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const cancel = new AbortController();
  const running = runs.run({
    signal: cancel.signal,
    starting: () => {
      asked.resolve();
      return noted.promise;
    },
  });
  await asked.promise;
  cancel.abort();
  assert.equal(await running, "cancelled");
  noted.resolve();
  // The run of another request begins after anything that the first could still have begun.
  const next = runs.run();
  await runs.untilStarted(1);
  runs.ends[0]?.(null);
  assert.equal(await next, "ok");
  assert.equal(runs.ends.length, 1);
});

Deno.test("CapabilityRunner.run() keeps a capability to its maxConcurrency, counting what heeds no signal", async () => {
  const runs = new HeldRuns({ maxConcurrency: 1 });
  const cancel = new AbortController();
  const first = runs.run({ signal: cancel.signal });
  await runs.untilStarted(1);
  assert.equal(await runs.run(), "queue_full");
  cancel.abort();
  assert.equal(await first, "cancelled");
  assert.equal(await runs.run(), "queue_full");
  runs.ends[0]?.(null);
  // The place is given back in the turns that the end of the run takes.
  await new Promise<void>((resolve) => setImmediate(resolve));
  const next = runs.run();
  await runs.untilStarted(2);
  runs.ends[1]?.(null);
  assert.equal(await next, "ok");
});

Deno.test("CapabilityRunner.run() lets no failure of a capability say that nothing has run", async () => {
  for (const code of NEVER_STARTED) {
    const runs = new HeldRuns({ run: () => Promise.reject(new PalyraError(code, "Not now.")) });
    // deno-lint-ignore no-await-in-loop -- one code after the other
    assert.equal(await runs.run(), "execution_failed");
  }
});

for (const [direction, jumpMs] of [["forwards", HOUR_MS], ["back", -HOUR_MS]] as const) {
  Deno.test(`CapabilityRunner.run() keeps to the time left when the clock jumps an hour ${direction}`, async () => {
    let offsetMs = 0;
    const runs = new HeldRuns({}, { clock: () => unixMs(systemClock() + offsetMs) });
    const [patient, hurried] = [runs.run(), runs.run({ timeLeftMs: 50 })];
    await runs.untilStarted(1);
    offsetMs = jumpMs;
    assert.equal(await hurried, "deadline_exceeded");
    assert.equal(runs.signals[0]?.aborted, false);
    runs.ends[0]?.(null);
    assert.equal(await patient, "ok");
    runs.ends[1]?.(null);
  });
}
