import type { DeviceCapability } from "../../proto/gen/node.ts";
import {
  type CliCommand,
  coloursFor,
  newCommand,
  print,
  printableText,
  printJson,
  tableLines,
  terminalWidth,
} from "../../transport/program/mod.ts";
import { type CapabilityRegistry, permissionFlag } from "../capabilities/mod.ts";
import { capabilitySet } from "../capability_set.ts";
import { CAPABILITIES_OPTION, CONFIG_OPTION, configForShortVerb, STATE_ROOT_OPTION } from "./shared_options.ts";

const EXAMPLES = [
  { command: "palyra-node capabilities", explanation: "what this machine offers, and why not the rest" },
  {
    command: "palyra-node capabilities --capabilities ~/capabilities",
    explanation: "with those of your own, and what to allow them",
  },
];

/** `palyra-node capabilities`. */
export function capabilitiesCommand(): CliCommand {
  const command = newCommand("capabilities", "Show what this machine can do for its daemon.", EXAMPLES);
  command
    .option("--deny <name...>", "as `run --deny` would have it")
    .option(...CAPABILITIES_OPTION)
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options) => {
      const { registry, leftOut } = await capabilitySet(await configForShortVerb(options), { denied: options.deny });
      const declared = await registry.declarations();
      if (options.json === true) {
        const capabilities = declared.map((each) => capabilityJson(registry, each));
        return printJson({ capabilities, left_out: leftOut.map(({ file, reason }) => ({ file, reason })) });
      }
      const faults = leftOut.map(({ file, reason }) => `${printableText(file)} is left out. ${printableText(reason)}`);
      const lines = [...capabilityLines(registry, declared), ...(faults.length === 0 ? [] : ["", ...faults])];
      for (const line of lines) print(line);
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
    own_process: registry.find(declared.name)?.definition.ownProcess ?? null,
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
      usesOf(registry, name),
    ]),
    width: terminalWidth(),
    paintTitle: bold,
  });
  const reasons = declared.filter(({ available }) => !available).map(({ name, unavailableReason }) =>
    `${name}: ${unavailableReason}`
  );
  return reasons.length === 0 ? lines : [...lines, "", ...reasons];
}

/** What it may use where it runs: flags of palyra-node's own, or permissions of a process of its own. */
function usesOf(registry: CapabilityRegistry, name: string): string {
  const { ownProcess } = registry.find(name)?.definition ?? {};
  if (ownProcess === undefined) return needsOf(registry, name).join(" ") || "nothing";
  return `${printableText(ownProcess.file)}: ${ownProcess.permissions.join(" ") || "nothing"}`;
}

/** The flags of the permissions that palyra-node must have for it. */
function needsOf(registry: CapabilityRegistry, name: string): string[] {
  const permissions = registry.find(name)?.definition.permissions ?? [];
  return permissions.filter(({ required }) => required).map(({ descriptor }) => permissionFlag(descriptor));
}
