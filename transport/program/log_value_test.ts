import assert from "node:assert/strict";
import fc from "fast-check";
import { PalyraError } from "../../identity/palyra_error.ts";
import { logText, logValue } from "./log_value.ts";

const plain = (value: unknown) => logValue(value, { stacks: false });

Deno.test("logValue() hides secrets by name at any depth, and private keys anywhere", () => {
  assert.deepEqual(plain({ pin: 123456, device: { privateKey: "x", list: [{ token: "y", id: 1 }] }, hasToken: true }), {
    pin: "[redacted]",
    device: { privateKey: "[redacted]", list: [{ token: "[redacted]", id: 1 }] },
    hasToken: true,
  });
  assert.deepEqual(plain(new Map([["secret", "x"], ["name", "y"]])), { secret: "[redacted]", name: "y" });
  assert.equal(plain("a\n-----BEGIN EC PRIVATE KEY-----\nMHc"), "[redacted]");
  assert.deepEqual(plain(new Error("bad -----BEGIN PRIVATE KEY----- x")), { name: "Error", message: "[redacted]" });
  assert.equal(plain(new URL("https://u:hunter2@h/p")), "https://h/p");
  assert.deepEqual(plain({ bytes: new Uint8Array(32) }), { bytes: "[32 bytes]" });
});

Deno.test("logValue() writes errors with code and causes, and stacks only when asked", () => {
  const cause = new AggregateError([new TypeError("inner")], "several", { cause: "text" });
  const error = new PalyraError("connection_lost", "The link dropped.", { cause });
  assert.deepEqual(plain(error), {
    name: "PalyraError",
    code: "connection_lost",
    message: "The link dropped.",
    cause: {
      name: "AggregateError",
      message: "several",
      errors: [{ name: "TypeError", message: "inner" }],
      cause: "text",
    },
  });
  assert.match(JSON.stringify(logValue(error, { stacks: true })), /log_value_test\.ts/);
});

Deno.test("logValue() is bounded, and survives what objects can do", () => {
  const circular: Record<string, unknown> = { name: "x" };
  circular["self"] = circular;
  assert.deepEqual(plain(circular), { name: "x", self: "[circular]" });
  const shared = { n: 1 };
  assert.deepEqual(plain([shared, shared]), [{ n: 1 }, { n: 1 }]);
  const items = plain(Array.from({ length: 1_000 }, () => 0));
  assert.ok(Array.isArray(items) && items.length === 101 && items.at(-1) === "… (900 more)");
  assert.deepEqual(
    plain({
      get broken() {
        throw new Error("x");
      },
    }),
    "[unreadable]",
  );
  assert.equal(logText("x".repeat(8_193)), `${"x".repeat(8_192)}… (1 more)`);
  assert.deepEqual(plain([1n, NaN, undefined, Symbol("x"), () => 0]), ["1", "NaN", null, "[symbol]", "[function]"]);
});

Deno.test("logValue() makes JSON of anything", () => {
  fc.assert(fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true }), (value) => {
    JSON.parse(JSON.stringify(plain(value)));
  }));
});
