import {
  type CliCommand,
  coloursFor,
  newCommand,
  print,
  printJson,
  tableLines,
  terminalWidth,
} from "../../transport/program/mod.ts";
import type { CapabilityRegistry } from "../capabilities/mod.ts";
import { capabilitySet } from "../capability_set.ts";
import { giveUpPermissions } from "../permissions/given_up_permissions.ts";
import { type PermissionRow, permissionTable } from "../permissions/permission_table.ts";
import { runningNeeds } from "../permissions/running_needs.ts";
import { CAPABILITIES_OPTION, CONFIG_OPTION, configForShortVerb, STATE_ROOT_OPTION } from "./shared_options.ts";

const EXAMPLES = [
  { command: "palyra-node permissions", explanation: "what `run` is granted, and which flag grants the rest" },
  {
    command: "palyra-node permissions --deny desktop.open_url desktop.open_path",
    explanation: "what `run` with the same options gives up at its start",
  },
];

/** `palyra-node permissions`. What it shows as given up it has really given up, as `run` does. */
export function permissionsCommand(): CliCommand {
  const command = newCommand(
    "permissions",
    "Show the Deno permissions of `run`: granted, given up, missing.",
    EXAMPLES,
  );
  command
    .option("--deny <name...>", "as `run --deny` would have it")
    .option(...CAPABILITIES_OPTION)
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options) => {
      const config = await configForShortVerb(options);
      const { registry } = await capabilitySet(config, { denied: options.deny });
      const hostNeeds = await runningNeeds(config);
      const givenUp = await giveUpPermissions({ registry, hostNeeds });
      const rows = await permissionTable({ registry, hostNeeds, givenUp });
      const frugal = registry.entries.flatMap(({ definition: { name, permissions } }) =>
        permissions.length === 0 ? name : []
      );
      const apart = ownProcesses(registry);
      if (options.json === true) {
        return printJson({ permissions: rows.map(rowJson), need_nothing: frugal, own_processes: apart });
      }
      const lines = apart.map(({ capability, permissions }) => `${capability}: ${permissions.join(" ") || "nothing"}`);
      if (lines.length > 0) {
        lines.unshift("", "In a process of its own, each of yours may use, once you have allowed it:");
      }
      for (const line of [...rowLines(rows), "", `Need nothing: ${frugal.join(", ")}.`, ...lines]) print(line);
    });
  return command;
}

interface OwnProcessPermissions {
  readonly capability: string;
  readonly permissions: readonly string[];
}

function ownProcesses({ entries }: CapabilityRegistry): OwnProcessPermissions[] {
  return entries.flatMap(({ definition: { name, ownProcess } }) =>
    ownProcess === undefined ? [] : { capability: name, permissions: ownProcess.permissions }
  );
}

function rowJson(row: PermissionRow): Readonly<Record<string, unknown>> {
  return {
    used_by: row.usedBy ?? null,
    purpose: row.purpose,
    flag: row.flag,
    required: row.required,
    state: row.state,
    source: row.source ?? null,
  };
}

const STATE_WORDS: Readonly<Record<PermissionRow["state"], string>> = {
  granted: "granted",
  given_up: "given up",
  missing: "missing",
};

function rowLines(rows: readonly PermissionRow[]): string[] {
  const { bold, dim, green, red, yellow } = coloursFor(Deno.stdout);
  const paints: ReadonlyMap<string, (text: string) => string> = new Map([
    [STATE_WORDS.granted, green],
    [STATE_WORDS.given_up, dim],
    [STATE_WORDS.missing, red],
    [`${STATE_WORDS.missing}, not required`, yellow],
  ]);
  return tableLines({
    columns: [
      { title: "USED BY" },
      { title: "FOR", paint: dim },
      { title: "STATE", paint: (shown, cell) => paints.get(cell)?.(shown) ?? shown },
      { title: "BY", paint: dim },
      { title: "FLAG" },
    ],
    rows: rows.map((row) => [
      row.usedBy ?? "nothing",
      row.purpose,
      row.state === "missing" && !row.required ? `${STATE_WORDS.missing}, not required` : STATE_WORDS[row.state],
      row.source === undefined ? "" : row.source === "flag" ? "a flag" : "built in",
      row.flag,
    ]),
    width: terminalWidth(),
    paintTitle: bold,
  });
}
