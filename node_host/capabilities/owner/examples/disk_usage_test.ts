import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { builtinCapabilities } from "../../builtin_capabilities.ts";
import { CapabilityRegistry } from "../../capability_registry.ts";
import { CapabilityRunner } from "../../capability_runner.ts";
import { MediationPolicy } from "../../mediation_policy.ts";
import { DEVICE_ID, NODE_FACTS } from "../../testdata/capability_context.ts";
import { loadOwnerCapabilities } from "../owner_capabilities.ts";

const FOLDER = fileURLToPath(import.meta.resolve("./"));

Deno.test("disk.usage tells how full the disk is, once its owner has allowed what it asks for", async () => {
  const builtin = builtinCapabilities();
  const own = await loadOwnerCapabilities(FOLDER, {
    allowances: new Map([["disk.usage", { permissions: ["read=/usr", "sys=statfs"], unfenced: false }]]),
    places: { secret: [], vital: [] },
    taken: builtin.map(({ name }) => name),
  });
  assert.deepEqual(own.faults, []);
  assert.deepEqual(own.capabilities.map(({ name }) => name), ["disk.usage"]);
  const registry = new CapabilityRegistry([...builtin, ...own.capabilities], new MediationPolicy());
  const runner = new CapabilityRunner({ registry, deviceId: DEVICE_ID, node: NODE_FACTS });
  const result = await runner.run({
    name: "disk.usage",
    inputJson: new Uint8Array(),
    maxPayloadBytes: 0,
    timeLeftMs: 30_000,
    requestedBy: "operator",
    signal: new AbortController().signal,
  });
  assert.ok(result.success, Deno.inspect(result));
  const told = JSON.parse(new TextDecoder().decode(result.outputJson));
  assert.equal(told.folder, "/usr");
  assert.ok(told.total_bytes > 0 && told.available_bytes <= told.total_bytes, Deno.inspect(told));
});
