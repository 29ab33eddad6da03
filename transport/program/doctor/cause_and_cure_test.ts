import assert from "node:assert/strict";
import { causeAndCure } from "./cause_and_cure.ts";

Deno.test("causeAndCure() parts a message where its cure begins", () => {
  const cases: readonly [message: string, cause: string, cure: string][] = [
    ["Port 7444 is in use. Stop that program.", "Port 7444 is in use.", "Stop that program."],
    [
      "What answers is another daemon: its CA is not pinned. Check the address; then pair again.",
      "What answers is another daemon: its CA is not pinned.",
      "Check the address; then pair again.",
    ],
    ["/a.json is damaged; restore it from a backup.", "/a.json is damaged.", "Restore it from a backup."],
    ["Nothing can be written to /a: make it writable", "Nothing can be written to /a.", "Make it writable."],
    ["It is not permitted; `--allow-ffi` allows it.", "It is not permitted.", "`--allow-ffi` allows it."],
    ["The daemon at 127.0.0.1:7444 is version 1.2.3", "The daemon at 127.0.0.1:7444 is version 1.2.3.", ""],
  ];
  for (const [message, cause, cure] of cases) assert.deepEqual(causeAndCure(message), { cause, cure });
});
