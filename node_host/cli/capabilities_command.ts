import type { DeviceCapability } from "../../proto/gen/node.ts";
import {
  type CliCommand,
  coloursFor,
  newCommand,
  print,
  printJson,
  tableLines,
  terminalWidth,
} from "../../transport/program/mod.ts";
import { type CapabilityRegistry, permissionFlag } from "../capabilities/mod.ts";
import { capabilitySet } from "../capability_set.ts";
import { CONFIG_OPTION, configForShortVerb, STATE_ROOT_OPTION } from "./shared_options.ts";

const EXAMPLES = [
  { command: "palyra-node capabilities", explanation: "what this machine offers, and why not the rest" },
];

/** `palyra-node capabilities`. */
export function capabilitiesCommand(): CliCommand {
  const command = newCommand("capabilities", "Show what this machine can do for its daemon.", EXAMPLES);
  command
    .option("--deny <name...>", "as `run --deny` would have it")
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options) => {
      const registry = capabilitySet(await configForShortVerb(options), options.deny);
      const declared = await registry.declarations();
      if (options.json === true) {
        return printJson({ capabilities: declared.map((each) => capabilityJson(registry, each)) });
      }
      for (const line of capabilityLines(registry, declared)) print(line);
    });
  return command;
}

function capabilityJson(registry: CapabilityRegistry, declared: DeviceCapability): Readonly<Record<string, unknown>> {
  return {
    name: declared.name,
    version: declared.version,
    available: declared.available,
    unavailable_reason: declared.unavailableReason,
    mediation: registry.find(declared.name)?.rule ?? null,
    idempotent: declared.idempotent,
    needs: needsOf(registry, declared.name),
  };
}

function capabilityLines(registry: CapabilityRegistry, declared: readonly DeviceCapability[]): string[] {
  const { bold, green, yellow } = coloursFor(Deno.stdout);
  const lines = tableLines({
    columns: [
      { title: "NAME" },
      { title: "AVAILABLE", paint: (shown, cell) => cell === "yes" ? green(shown) : yellow(shown) },
      { title: "MEDIATION" },
      { title: "NEEDS" },
    ],
    rows: declared.map(({ name, available }) => [
      name,
      available ? "yes" : "no",
      registry.find(name)?.rule ?? "",
      needsOf(registry, name).join(" ") || "nothing",
    ]),
    width: terminalWidth(),
    paintTitle: bold,
  });
  const reasons = declared.filter(({ available }) => !available).map(({ name, unavailableReason }) =>
    `${name}: ${unavailableReason}`
  );
  return reasons.length === 0 ? lines : [...lines, "", ...reasons];
}

/** The flags of the permissions that it cannot run without. */
function needsOf(registry: CapabilityRegistry, name: string): string[] {
  const permissions = registry.find(name)?.definition.permissions ?? [];
  return permissions.filter(({ required }) => required).map(({ descriptor }) => permissionFlag(descriptor));
}
