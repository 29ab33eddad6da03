import assert from "node:assert/strict";
import { newDeviceId } from "../../identity/device_id.ts";
import { Chance } from "../harness/chance.ts";
import { sessionMessages } from "./session_messages.ts";
import { REQUEST_KINDS, requestScript, sessionScript } from "./stream_script.ts";

const messages = sessionMessages(newDeviceId());

Deno.test("requestScript() and sessionScript() do the same for the same seed, and come to every kind", () => {
  const scripts = (seed: number) => {
    const chance = new Chance(seed);
    return Array.from({ length: 400 }, () => [requestScript(chance), sessionScript(chance, messages)]).flat();
  };
  assert.deepEqual(scripts(1), scripts(1));
  assert.notDeepEqual(scripts(1), scripts(2));
  const kinds = new Set(scripts(1).map(({ kind }) => kind));
  for (const kind of REQUEST_KINDS) assert.ok(kinds.has(kind), kind);
  assert.equal([...kinds].filter((kind) => kind.startsWith("session")).length, 8);
});

Deno.test("requestScript() knows the answers to most of what it asks", () => {
  const chance = new Chance(3);
  const expected = Array.from({ length: 400 }, () => requestScript(chance).expect)
    .map((expect) => expect.kind === "error" ? expect.code : expect.kind);
  const wanted = ["health", "invalid_request", "protocol_mismatch", "unsupported_method", "stream_failure"];
  for (const code of wanted) assert.ok(expected.includes(code), code);
  assert.ok(expected.filter((code) => code !== "anything").length > 200);
});
