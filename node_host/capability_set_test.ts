import assert from "node:assert/strict";
import type { PalyraError } from "../identity/palyra_error.ts";
import { capabilitySet, requestedCapabilities } from "./capability_set.ts";
import { loadNodeConfig } from "./node_config.ts";
import { TestFolder } from "./testing/test_folder.ts";

async function withFile(text: string) {
  await using folder = await TestFolder.create();
  const config = `${folder.path}/palyra.toml`;
  await Deno.writeTextFile(config, text);
  return await loadNodeConfig({ environment: { get: () => undefined }, stateRoot: folder.path, config });
}

Deno.test("capabilitySet() follows the owner's rules, and a flag can only take away", async () => {
  const config = await withFile(`
deny = ["system.health"]
[capabilities."desktop.open_url"]
mediation = "allow"
[capabilities."system.health"]
mediation = "allow"
`);
  const registry = capabilitySet(config, ["system.identity"]);
  const rules = ["echo", "system.health", "system.identity", "desktop.open_url", "desktop.open_path"].map((name) =>
    registry.find(name)?.rule
  );
  assert.deepEqual(rules, ["allow", "deny", "deny", "allow", "ask"]);
  assert.deepEqual(await requestedCapabilities(registry), ["desktop.open_path", "desktop.open_url", "echo"]);
});

Deno.test("capabilitySet() refuses a rule that names no capability", async () => {
  const config = await withFile('deny = ["desktop.open"]');
  assert.throws(() => capabilitySet(config), (error: PalyraError) => error.code === "invalid_config");
});
