import { CapabilityRegistry } from "../../capability_registry.ts";
import { CapabilityRunner } from "../../capability_runner.ts";
import { MediationPolicy } from "../../mediation_policy.ts";
import { DEVICE_ID, NODE_FACTS } from "../../testdata/capability_context.ts";
import { loadOwnerCapabilities } from "../owner_capabilities.ts";

/** Loads the folder `args[0]`, allows `own.test` all that `args[1]` lists by commas, and prints what each one does. */
const [folder = "", allowed = ""] = Deno.args;
const own = await loadOwnerCapabilities(folder, {
  allowances: new Map([["own.test", { permissions: allowed.split(","), unfenced: false }]]),
  places: { secret: [], vital: [] },
  taken: [],
});
const registry = new CapabilityRegistry(own.capabilities, new MediationPolicy());
const runner = new CapabilityRunner({ registry, deviceId: DEVICE_ID, node: NODE_FACTS });
const results = await Promise.all(registry.entries.map(async ({ definition: { name } }) => {
  const result = await runner.run({
    name,
    inputJson: new Uint8Array(),
    maxPayloadBytes: 0,
    timeLeftMs: 30_000,
    requestedBy: "operator",
    signal: new AbortController().signal,
  });
  return { name, outcome: result.success ? new TextDecoder().decode(result.outputJson) : result.errorCode };
}));
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ faults: own.faults, results })));
