import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generate } from "./generate.ts";

const COMMITTED = fileURLToPath(new URL("gen", import.meta.url));

async function filesOf(folder: string): Promise<Map<string, string>> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name).sort();
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, await Deno.readTextFile(join(folder, name))] as const),
    ),
  );
}

Deno.test("proto/gen is what `deno task gen` makes from the .proto files", async () => {
  const fresh = await Deno.makeTempDir();
  try {
    await generate(fresh);
    const expected = await filesOf(fresh);
    assert.ok(expected.has("node.ts") && expected.has("descriptor_set.ts"));
    assert.deepEqual(await filesOf(COMMITTED), expected, "stale: run `deno task gen` and commit the result");
  } finally {
    await Deno.remove(fresh, { recursive: true });
  }
});
