import assert from "node:assert/strict";
import { join } from "node:path";
import { attempt } from "../../transport/program/doctor/attempt.ts";
import { tooLate } from "../../transport/program/doctor/time_limit.ts";
import { TestFolder } from "../testing/test_folder.ts";
import { capabilityFilesChecks } from "./capability_files_check.ts";
import { configuredNode } from "./configured_node.ts";

Deno.test("capabilityFilesChecks() names each file that is left out, and why; none where there is no folder", async () => {
  await using folder = await TestFolder.create();
  const stateRoot = join(folder.path, "state");
  const config = join(folder.path, "palyra.toml");
  const { signal } = new AbortController();
  const checks = async () =>
    capabilityFilesChecks(await attempt(() => configuredNode({ stateRoot, config }, signal), signal));
  await Deno.writeTextFile(config, "");
  assert.deepEqual(await checks(), []);

  const own = join(folder.path, "own");
  await Deno.mkdir(own);
  await Deno.writeTextFile(config, `capabilities_folder = ${JSON.stringify(own)}\n`);
  const find = async () => (await checks())[0]?.examine();
  assert.equal((await find())?.outcome, "ok");
  await Deno.writeTextFile(join(own, "broken.ts"), "export default {");
  const found = await find();
  assert.ok(found?.outcome === "warning", JSON.stringify(found));
  assert.match(found.seen, /left out of .*own: 1\. broken\.ts: It is no TypeScript/);
  assert.match(found.cure, /palyra-node capabilities/);
});

Deno.test("capabilityFilesChecks() names the files that had no time left to be looked at", async () => {
  await using folder = await TestFolder.create();
  const config = join(folder.path, "palyra.toml");
  await Deno.writeTextFile(config, `capabilities_folder = ${JSON.stringify(folder.path)}\n`);
  await Deno.writeTextFile(join(folder.path, "stuck.js"), "for (;;);");
  const time = new AbortController();
  const configured = configuredNode({ stateRoot: join(folder.path, "state"), config }, time.signal);
  time.abort(tooLate());
  const [check] = capabilityFilesChecks({ value: await configured });
  const found = await check?.examine();
  assert.ok(found?.outcome === "warning", JSON.stringify(found));
  assert.match(found.seen, /stuck\.js: This did not end in time/);
});
