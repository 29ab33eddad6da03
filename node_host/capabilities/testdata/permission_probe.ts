import { builtinCapabilities, CapabilityRegistry, CapabilityRunner, MediationPolicy, SystemOpener } from "../mod.ts";
import { defaultDeviceName } from "../../host_platform.ts";
import { DEVICE_ID, NODE_FACTS } from "./capability_context.ts";

// Run as a child under the permissions that a test wants to try. Arguments: the opener, then the roots of open_path.
// Prints what the node would declare and what runs give.
const [command = "/usr/bin/xdg-open", ...openPathRoots] = Deno.args;
const definitions = builtinCapabilities({ opener: new SystemOpener({ command }), openPathRoots });
const registry = new CapabilityRegistry(definitions, new MediationPolicy({ rules: { "desktop.open_url": "allow" } }));
const runner = new CapabilityRunner({ registry, deviceId: DEVICE_ID, node: NODE_FACTS });

const run = async (name: string, input: unknown) => {
  const result = await runner.run({
    name,
    inputJson: new TextEncoder().encode(JSON.stringify(input)),
    maxPayloadBytes: 0,
    timeLeftMs: 30_000,
    requestedBy: "test",
    signal: new AbortController().signal,
  });
  return result.success ? { output: JSON.parse(new TextDecoder().decode(result.outputJson)) } : result;
};

const declarations = await registry.declarations();
const report = {
  available: Object.fromEntries(declarations.map(({ name, available }) => [name, available])),
  reasons: Object.fromEntries(declarations.map(({ name, unavailableReason }) => [name, unavailableReason])),
  deviceName: await defaultDeviceName(),
  health: await run("system.health", null),
  openUrl: await run("desktop.open_url", { url: "https://example.com/" }),
};
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(report)));
