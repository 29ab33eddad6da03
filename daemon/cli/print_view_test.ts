import assert from "node:assert/strict";
import { terminalJson } from "./print_view.ts";

Deno.test("terminalJson() escapes what a terminal might obey, and means the same", () => {
  const value = {
    error: "\u001b[2Jgone\n\u009b31m",
    name: "a\u202ecba\u200b\u{e0001}\u2028\u007f",
    plain: 'Zoë 雪 🦕 "quoted" \\u0041',
  };
  const text = terminalJson(value);
  // deno-lint-ignore no-control-regex -- that is what must not be there
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u2028\u202e]|\u{e0001}/u);
  assert.match(text, /Zoë 雪 🦕/);
  assert.deepEqual(JSON.parse(text), value);
});
