import assert from "node:assert/strict";
import { PROJECT_VERSION, versionText } from "./version.ts";

Deno.test("PROJECT_VERSION is the version that deno.json states", async () => {
  const text = await Deno.readTextFile(new URL("../../deno.json", import.meta.url));
  assert.equal(PROJECT_VERSION, JSON.parse(text).version);
  assert.match(PROJECT_VERSION, /^\d+\.\d+\.\d+/);
});

Deno.test("versionText() names the program, its version and the runtime", () => {
  assert.equal(
    versionText("palyrad"),
    `palyrad ${PROJECT_VERSION} (Deno ${Deno.version.deno} on ${Deno.build.os} ${Deno.build.arch})`,
  );
});
