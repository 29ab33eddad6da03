import assert from "node:assert/strict";
import { newUlid } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { DeviceCapability, Hello } from "../proto/gen/node.ts";
import { checkAttempt, checkHello, DEFAULT_NODE_CONCURRENCY, MAX_CAPABILITIES } from "./node_registration.ts";

function capability(changes: Partial<DeviceCapability> = {}): DeviceCapability {
  return DeviceCapability.create({
    name: "echo",
    available: true,
    version: "1.0.0",
    inputSchemaJson: "{}",
    ...changes,
  });
}

function hello(changes: Partial<Hello> = {}): Hello {
  return { ...Hello.create({ platform: "linux-x86_64", instanceId: "abc", capabilities: [capability()] }), ...changes };
}

Deno.test("checkHello() takes a node's account of itself and fills in its concurrency", () => {
  const attempt = { requestId: { ulid: newUlid() }, attempt: 2 };
  const checked = checkHello(hello({ inFlight: [attempt] }));
  assert.equal(checked.maxConcurrency, DEFAULT_NODE_CONCURRENCY);
  assert.deepEqual(checked.inFlight, [{ requestId: attempt.requestId.ulid, attempt: 2 }]);
  assert.equal(checked.capabilities[0]?.name, "echo");
});

Deno.test("checkHello() takes the journal, what was cut off, and the bounds of capabilities that have one", () => {
  const attempt = { requestId: { ulid: newUlid() }, attempt: 3 };
  const capabilities = [capability({ maxConcurrency: 2 }), capability({ name: "free" })];
  const checked = checkHello(hello({ journalId: "j1", interrupted: [attempt], capabilities }));
  assert.equal(checked.journalId, "j1");
  assert.deepEqual(checked.interrupted, [{ requestId: attempt.requestId.ulid, attempt: 3 }]);
  assert.deepEqual(checked.capabilities.map(({ maxConcurrency }) => maxConcurrency), [2, undefined]);
});

const REFUSED: [string, Partial<Hello>][] = [
  ["a name twice", { capabilities: [capability(), capability()] }],
  ["a name that is none", { capabilities: [capability({ name: "Echo!" })] }],
  ["a schema that is no object", { capabilities: [capability({ inputSchemaJson: "[]" })] }],
  ["a schema that is no JSON", { capabilities: [capability({ outputSchemaJson: "{" })] }],
  ["a schema that is too large", {
    capabilities: [capability({ inputSchemaJson: `{"a":"${"x".repeat(33_000)}"}` })],
  }],
  ["too many capabilities", {
    capabilities: Array.from({ length: MAX_CAPABILITIES + 1 }, (_, index) => capability({ name: `c${index}` })),
  }],
  ["control characters", { platform: "linux\u001b[2J" }],
  ["a long name", { deviceName: "n".repeat(65) }],
  ["no instance", { instanceId: "" }],
  ["a long journal", { journalId: "j".repeat(65) }],
  ["too much at once", { maxConcurrency: 10_000 }],
  ["an attempt of nothing", { inFlight: [{ requestId: undefined, attempt: 1 }] }],
  ["too many attempts", {
    finished: Array.from({ length: 2_001 }, () => ({ requestId: { ulid: newUlid() }, attempt: 1 })),
  }],
];

for (const [what, changes] of REFUSED) {
  Deno.test(`checkHello() refuses ${what}`, () => {
    assert.throws(
      () => checkHello(hello(changes)),
      (thrown) => thrown instanceof PalyraError && thrown.code === "invalid_argument",
    );
  });
}

Deno.test("checkAttempt() wants a ULID and a counter from 1", () => {
  for (
    const attempt of [undefined, { requestId: { ulid: "x" }, attempt: 1 }, {
      requestId: { ulid: newUlid() },
      attempt: 0,
    }]
  ) {
    assert.throws(() => checkAttempt(attempt), PalyraError);
  }
});
