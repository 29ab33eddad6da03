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
