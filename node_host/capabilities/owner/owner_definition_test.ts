import assert from "node:assert/strict";
import type { PalyraError } from "../../../identity/palyra_error.ts";
import { parseOwnerDefinition } from "./owner_definition.ts";

const LEAST = {
  name: "disk.usage",
  version: "1.0.0",
  description: "Tells.",
  inputSchema: {},
  outputSchema: {},
};

Deno.test("parseOwnerDefinition() takes the least, and then repeats nothing, asks first and grants nothing", () => {
  assert.deepEqual(parseOwnerDefinition(LEAST), { ...LEAST, idempotent: false, mediation: true, permissions: [] });
});

Deno.test("parseOwnerDefinition() makes the description printable", () => {
  assert.equal(parseOwnerDefinition({ ...LEAST, description: "a\u001b[2Jb" }).description, "a?[2Jb");
});

Deno.test("parseOwnerDefinition() names what is wrong", () => {
  const faulty: [unknown, RegExp][] = [
    [undefined, /no capability/],
    ["text", /no capability/],
    [{ ...LEAST, name: undefined }, /name: /],
    [{ ...LEAST, version: 1 }, /version: /],
    [{ ...LEAST, description: "" }, /description: /],
    [{ ...LEAST, description: "x".repeat(301) }, /description: /],
    [{ ...LEAST, inputSchema: [] }, /inputSchema: /],
    [{ ...LEAST, outputSchema: true }, /outputSchema: /],
    [{ ...LEAST, idempotent: "yes" }, /idempotent: /],
    [{ ...LEAST, mediation: "allow" }, /mediation: /],
    [{ ...LEAST, maxConcurrency: 0 }, /maxConcurrency: /],
    [{ ...LEAST, permission: [] }, /permission: /],
    [{ ...LEAST, permissions: "read" }, /permissions: /],
    [{ ...LEAST, permissions: [1] }, /permissions\.0: /],
    [{ ...LEAST, permissions: Array(33).fill("read") }, /permissions: /],
    [{ ...LEAST, permissions: ["read=relative"] }, /"read=relative" cannot be granted/],
  ];
  for (const [data, message] of faulty) {
    assert.throws(
      () => parseOwnerDefinition(data),
      (error: PalyraError) => error.code === "invalid_config" && message.test(error.message),
      String(message),
    );
  }
});
