import assert from "node:assert/strict";
import { jsonView } from "./json_view.ts";

Deno.test("jsonView() writes snake_case names and what JSON fields hold", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  assert.deepEqual(
    jsonView({
      requestId: "01",
      outputJson: bytes(`{"camelCase":1}`),
      errorJson: bytes(""),
      inputSchemaJson: `{"type":"object"}`,
      nested: [{ expiresAtUnixMs: 5, revoked: false }],
    }),
    {
      request_id: "01",
      output: { camelCase: 1 },
      input_schema: { type: "object" },
      nested: [{ expires_at_unix_ms: 5, revoked: false }],
    },
  );
});

Deno.test("jsonView() prints what is not JSON as text, and what is nested too deep", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const deep = "[".repeat(65) + "]".repeat(65);
  assert.deepEqual(
    jsonView({
      outputJson: bytes("{oops"),
      inputSchemaJson: "NaN",
      deepJson: deep,
      quotedJson: JSON.stringify("[".repeat(100) + '"\\'),
      longJson: JSON.stringify("x".repeat(3_000_000)),
      brokenJson: new Uint8Array([0x22, 0xff, 0x22]),
    }),
    {
      output_text: "{oops",
      input_schema_text: "NaN",
      deep_text: deep,
      quoted: "[".repeat(100) + '"\\',
      long: "x".repeat(3_000_000),
      broken: "\ufffd",
    },
  );
});
