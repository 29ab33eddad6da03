import assert from "node:assert/strict";
import { join } from "node:path";
import type { PalyraError } from "../identity/palyra_error.ts";
import { loadNodeConfig, type NodeConfigSources } from "./node_config.ts";
import { TestFolder } from "./testing/test_folder.ts";

const environmentOf = (variables: Readonly<Record<string, string>>) => ({
  get: (name: string) => variables[name],
});

async function withFile(text: string, sources: NodeConfigSources = {}) {
  await using folder = await TestFolder.create();
  const path = join(folder.path, "palyra.toml");
  await Deno.writeTextFile(path, text);
  return await loadNodeConfig({ environment: environmentOf({}), stateRoot: "/state", config: path, ...sources });
}

Deno.test("loadNodeConfig() has a default for everything", async () => {
  await using folder = await TestFolder.create();
  const config = await loadNodeConfig({ environment: environmentOf({}), stateRoot: folder.path });
  assert.equal(config.stateFolder, join(folder.path, "node-host"));
  assert.equal(config.deviceName, undefined);
  assert.deepEqual(config.logging, { level: "info", format: "auto", file: undefined });
  assert.deepEqual([config.openPathRoots, config.denied, config.mediationRules], [[], [], {}]);
  assert.equal(config.maxConcurrency, 32);
  assert.deepEqual(config.transport, { preference: "auto", askedBy: "" });
});

Deno.test("loadNodeConfig() tells who asked for a transport", async () => {
  const text = 'transport = "quic"\n';
  const environment = environmentOf({ PALYRA_TRANSPORT: "grpc" });
  const fromFlag = await withFile(text, { transport: "auto", environment });
  assert.deepEqual(fromFlag.transport, { preference: "auto", askedBy: "--transport" });
  const fromVariable = await withFile(text, { environment });
  assert.deepEqual(fromVariable.transport, { preference: "grpc", askedBy: "PALYRA_TRANSPORT" });
  const fromFile = await withFile(text);
  assert.equal(fromFile.transport.preference, "quic");
  assert.match(fromFile.transport.askedBy, /palyra\.toml$/);
});

Deno.test("loadNodeConfig() reads palyra.toml from this program's folder", async () => {
  await using folder = await TestFolder.create();
  await Deno.mkdir(join(folder.path, "node-host"));
  await Deno.writeTextFile(join(folder.path, "node-host", "palyra.toml"), "max_concurrency = 4\n");
  const config = await loadNodeConfig({ environment: environmentOf({ PALYRA_STATE_ROOT: folder.path }) });
  assert.equal(config.maxConcurrency, 4);
  assert.equal(config.stateFolder, join(folder.path, "node-host"));
});

Deno.test("loadNodeConfig() takes flags before the environment before the file", async () => {
  const text = 'device_name = "file"\nmax_concurrency = 4\n[log]\nlevel = "debug"\n';
  const environment = environmentOf({ PALYRA_DEVICE_NAME: "variable", PALYRA_MAX_CONCURRENCY: "8" });
  const config = await withFile(text, { deviceName: "flag", environment });
  assert.equal(config.deviceName, "flag");
  assert.equal(config.maxConcurrency, 8);
  assert.equal(config.logging.level, "debug");
});

Deno.test("loadNodeConfig() reads what capabilities of the owner's own may use", async () => {
  const config = await withFile(`
capabilities_folder = "/home/me/capabilities"
[capabilities."disk.usage"]
permissions = ["read=/usr", "sys=statfs"]
[capabilities."disk.free"]
permissions = ["run=/usr/bin/df"]
unfenced = true
`);
  assert.equal(config.capabilitiesFolder, "/home/me/capabilities");
  assert.deepEqual([...config.allowances], [
    ["disk.usage", { permissions: ["read=/usr", "sys=statfs"], unfenced: false }],
    ["disk.free", { permissions: ["run=/usr/bin/df"], unfenced: true }],
  ]);
  const fromFlag = await withFile('capabilities_folder = "/a"\n', { capabilities: "/b" });
  assert.equal(fromFlag.capabilitiesFolder, "/b");
});

Deno.test("loadNodeConfig() refuses unknown keys and values that do not fit", async () => {
  const faulty = [
    "max_concurency = 4",
    "max_concurrency = 0",
    "max_concurrency = 257",
    'open_path.roots = ["relative"]',
    'deny = "echo"',
    'capabilities.echo.mediation = "maybe"',
    'device_name = ""',
    'device_name = "a\\u202eb"',
    '[log]\nlevel = "loud"',
    'transport = "tcp"',
    'capabilities_folder = "relative"',
    'capabilities."disk.usage".permissions = "read=/usr"',
    'capabilities."disk.usage".permissions = ["read=relative"]',
    'capabilities."disk.usage".permissions = ["write"]',
    'capabilities."disk.usage".permissions = ["ffi=/lib/a.so"]',
    'capabilities."disk.usage".unfenced = "yes"',
  ];
  for (const text of faulty) {
    // deno-lint-ignore no-await-in-loop -- one file after the other
    await assert.rejects(withFile(text), (error: PalyraError) => error.code === "invalid_config", text);
  }
});
