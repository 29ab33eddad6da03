import assert from "node:assert/strict";
import { DeviceCapability } from "../../proto/gen/node.ts";
import { builtinCapabilities } from "./builtin_capabilities.ts";
import type { Capability } from "./capability.ts";
import { CapabilityRegistry, MAX_CAPABILITIES } from "./capability_registry.ts";
import { echo } from "./echo.ts";
import { MediationPolicy } from "./mediation_policy.ts";
import { SystemOpener } from "./opener.ts";
import { StandInOpener } from "./testdata/stand_in_opener.ts";

const DEFAULTS = new MediationPolicy();

Deno.test("CapabilityRegistry.declarations() declares each capability as the protocol wants it", async () => {
  await using standIn = await StandInOpener.create();
  const opener = new SystemOpener({ command: standIn.command });
  const definitions = builtinCapabilities({ opener, openPathRoots: [standIn.folder] });
  const declared = await new CapabilityRegistry(definitions, DEFAULTS).declarations();
  const table = declared.map((
    { name, available, idempotent, requiresLocalMediation, unavailableReason },
  ) => [name, available, idempotent, requiresLocalMediation, unavailableReason]);
  assert.deepEqual(table, [
    ["desktop.open_path", true, false, true, ""],
    ["desktop.open_url", true, false, true, ""],
    ["echo", true, true, false, ""],
    ["system.health", true, true, false, ""],
    ["system.identity", true, true, false, ""],
  ]);
  for (const capability of declared) {
    assert.equal(JSON.parse(capability.inputSchemaJson).$schema, "https://json-schema.org/draft/2020-12/schema");
    assert.equal(JSON.parse(capability.outputSchemaJson).type, "object");
    assert.equal(capability.version, "1.0.0");
    assert.deepEqual(DeviceCapability.decode(DeviceCapability.encode(capability).finish()), capability);
  }
});

Deno.test("CapabilityRegistry.declarations() says why a capability is not available", async () => {
  const policy = new MediationPolicy({
    denied: ["desktop.open_url"],
    rules: { "echo": "deny", "system.health": "ask" },
  });
  const opener = new SystemOpener({ command: "/nonexistent/opener" });
  const declared = await new CapabilityRegistry(builtinCapabilities({ opener }), policy).declarations();
  const byName = new Map(declared.map((capability) => [capability.name, capability]));
  assert.equal(byName.get("echo")?.available, false);
  assert.match(byName.get("echo")?.unavailableReason ?? "", /echo is denied by the node's owner/);
  assert.equal(byName.get("desktop.open_url")?.available, false);
  assert.equal(byName.get("desktop.open_url")?.requiresLocalMediation, false);
  assert.match(byName.get("desktop.open_path")?.unavailableReason ?? "", /no folder it may open things from/);
  assert.equal(byName.get("system.health")?.requiresLocalMediation, true);
});

Deno.test("CapabilityRegistry.declarations() declares the others when one cannot tell its state", async () => {
  const broken: Capability = { ...echo, name: "broken", obstacle: () => Promise.reject(new Error("private detail")) };
  const declared = await new CapabilityRegistry([broken, echo], DEFAULTS).declarations();
  assert.deepEqual(declared.map(({ name, available }) => [name, available]), [["broken", false], ["echo", true]]);
  assert.ok(!declared[0]?.unavailableReason.includes("private detail"));
});

Deno.test("CapabilityRegistry refuses malformed definitions, doubles and too many", () => {
  const malformed: Capability[] = [
    ...["", "Echo", "echo.", ".echo", "e cho", "1echo", "a..b", "../x", "e\u0000", "a".repeat(65)].map((name) => ({
      ...echo,
      name,
    })),
    ...["", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0 "].map((version) => ({ ...echo, version })),
    ...[0, -1, 1.5, NaN, 257].map((maxConcurrency) => ({ ...echo, maxConcurrency })),
    { ...echo, inputSchema: { description: "x".repeat(40_000) } },
    { ...echo, outputSchema: { default: () => 1 } },
  ];
  for (const definition of malformed) {
    assert.throws(() => new CapabilityRegistry([definition], DEFAULTS), { code: "invalid_config" });
  }
  assert.throws(() => new CapabilityRegistry([echo, echo], DEFAULTS), /Two capabilities are named echo/);
  const many = Array.from({ length: MAX_CAPABILITIES + 1 }, (_, at) => ({ ...echo, name: `echo${at}` }));
  assert.throws(() => new CapabilityRegistry(many, DEFAULTS), /at most 64/);
  assert.equal(new CapabilityRegistry(many.slice(1), DEFAULTS).find("echo1")?.definition.name, "echo1");
});

Deno.test("CapabilityRegistry refuses a rule for a capability that the node does not have", () => {
  const policy = new MediationPolicy({ denied: ["desktop.open_ulr"] });
  assert.throws(() => new CapabilityRegistry([echo], policy), { code: "invalid_config" });
});

Deno.test("CapabilityRegistry.find() knows only what was registered", () => {
  const registry = new CapabilityRegistry([echo], DEFAULTS);
  assert.equal(registry.find("echo")?.rule, "allow");
  for (const name of ["constructor", "__proto__", "ECHO", ""]) assert.equal(registry.find(name), undefined);
});
