import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import type { PalyraError } from "../identity/palyra_error.ts";
import { capabilitySet, requestedCapabilities } from "./capability_set.ts";
import { capabilityFile, OwnerFolder } from "./capabilities/owner/testdata/owner_folder.ts";
import { loadNodeConfig } from "./node_config.ts";
import { TestFolder } from "./testing/test_folder.ts";

async function withFile(text: string, stateRoot?: string) {
  await using folder = await TestFolder.create();
  const config = `${folder.path}/palyra.toml`;
  await Deno.writeTextFile(config, text);
  return await loadNodeConfig({ environment: { get: () => undefined }, stateRoot: stateRoot ?? folder.path, config });
}

Deno.test("capabilitySet() follows the owner's rules, and a flag can only take away", async () => {
  const config = await withFile(`
deny = ["system.health"]
[capabilities."desktop.open_url"]
mediation = "allow"
[capabilities."system.health"]
mediation = "allow"
`);
  const { registry, leftOut } = await capabilitySet(config, { denied: ["system.identity"] });
  const rules = ["echo", "system.health", "system.identity", "desktop.open_url", "desktop.open_path"].map((name) =>
    registry.find(name)?.rule
  );
  assert.deepEqual(rules, ["allow", "deny", "deny", "allow", "ask"]);
  assert.deepEqual(leftOut, []);
  assert.deepEqual(await requestedCapabilities(registry), ["desktop.open_path", "desktop.open_url", "echo"]);
});

Deno.test("capabilitySet() refuses a rule that names no capability", async () => {
  const config = await withFile('deny = ["desktop.open"]');
  await assert.rejects(capabilitySet(config), (error: PalyraError) => error.code === "invalid_config");
});

Deno.test("capabilitySet() has the owner's own capabilities, under the same rules, and tells what it left out", async () => {
  await using files = await OwnerFolder.create({
    "a.js": capabilityFile({ name: "own.a", permissions: ["sys=loadavg"], run: "return 1" }),
    "b.js": capabilityFile({ name: "own.b", more: { mediation: undefined }, run: "return 1" }),
    "c.js": capabilityFile({ name: "echo", run: "return 1" }),
  });
  const config = await withFile(`
capabilities_folder = ${JSON.stringify(files.path)}
[capabilities."own.a"]
permissions = ["sys=loadavg"]
[capabilities."own.b"]
mediation = "deny"
`);
  const { registry, leftOut } = await capabilitySet(config);
  const own = ["own.a", "own.b"].map((name) => registry.find(name) ?? assert.fail(name));
  assert.deepEqual(own.map(({ rule }) => rule), ["allow", "deny"]);
  assert.deepEqual(await Promise.all(own.map(async (entry) => (await registry.refusalOf(entry))?.code)), [
    undefined,
    "capability_denied",
  ]);
  assert.deepEqual(leftOut.map(({ file }) => file), ["c.js"]);
});

Deno.test("capabilitySet() keeps the owner's own capabilities away from the node's state, its configuration and their folder", async () => {
  await using files = await OwnerFolder.create();
  await using state = await TestFolder.create();
  const config = await withFile(`capabilities_folder = ${JSON.stringify(files.path)}`, state.path);
  const wishes = [
    `read=${join(state.path, "node-host")}`,
    `read=${join(state.path, "palyrad", "secrets")}`,
    `write=${state.path}`,
    `write=${config.configFile}`,
    `write=${files.path}`,
    `write=${dirname(Deno.execPath())}`,
  ];
  const allowances = new Map(wishes.map((wish, at) => [`own.n${at}`, { permissions: [wish], unfenced: false }]));
  await Promise.all(wishes.map((wish, at) => {
    const text = capabilityFile({ name: `own.n${at}`, permissions: [wish], run: "" });
    return Deno.writeTextFile(join(files.path, `n${at}.js`), text);
  }));
  const { registry, leftOut } = await capabilitySet({ ...config, allowances });
  assert.deepEqual(leftOut, []);
  for (const declared of (await registry.declarations()).filter(({ name }) => name.startsWith("own."))) {
    assert.match(declared.unavailableReason, /nothing allows that/, declared.name);
  }
});

Deno.test("capabilitySet() lets a rule stand whose capability may be given to run alone, or is left out", async () => {
  const rules = '[capabilities."own.a"]\nmediation = "allow"\n';
  await assert.rejects(capabilitySet(await withFile(rules)), (error: PalyraError) => error.code === "invalid_config");
  await capabilitySet(await withFile(`${rules}permissions = ["sys=loadavg"]\n`));
  await using files = await OwnerFolder.create({ "a.js": "(" });
  await capabilitySet(await withFile(`capabilities_folder = ${JSON.stringify(files.path)}\n${rules}`));
});
