import assert from "node:assert/strict";
import { testdataProgram } from "./testdata_program.ts";

async function outputs(what: string): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const { stdout, stderr } = await testdataProgram("print_things.ts", [what], { env: { NO_COLOR: "1" } }).output();
  return { stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test("print() has written all of it when the process exits right after", async () => {
  const { stdout } = await outputs("large");
  assert.equal(stdout.length, 1_000_001);
  assert.ok(stdout.endsWith("x\n"));
});

Deno.test("printJson() writes one document a line, keys in the order given", async () => {
  assert.deepEqual(await outputs("json"), { stdout: '{"z":1,"a":"18446744073709551615","list":[]}\n', stderr: "" });
});

Deno.test("reportError() returns the exit code, in text and JSON, and shows no control characters", async () => {
  assert.deepEqual(await outputs("report"), {
    stdout: "7 7 1\n",
    stderr: [
      "error: The name \\u{1b}[2J is taken. [device_id_taken]",
      '{"version":1,"error":{"code":"device_id_taken","kind":"precondition","message":"The name \\u001b[2J is taken."}}',
      '{"version":1,"error":{"code":"internal","kind":"internal",' +
      '"message":"Something failed that should not; the log has the cause."}}',
      "",
    ].join("\n"),
  });
});
