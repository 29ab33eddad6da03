import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

Deno.test("palyrad refuses a --limit that is no number before it does anything else", async () => {
  const stateRoot = await Deno.makeTempDir();
  try {
    await Promise.all(["requests", "pairing"].map(async (group) => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--no-prompt", "-A", MAIN, group, "list", "--limit", "banana"],
        env: { PALYRA_STATE_ROOT: stateRoot, NO_COLOR: "1" },
        stdin: "null",
      }).output();
      const report = new TextDecoder().decode(stderr);
      assert.equal(code, 2, report);
      assert.match(report, /--limit is a whole number from 1 to 500/);
      assert.equal(stdout.length, 0);
    }));
  } finally {
    await Deno.remove(stateRoot, { recursive: true });
  }
});
