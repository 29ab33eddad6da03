import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../../../identity/palyra_error.ts";
import type { Capability, CapabilityContext } from "../capability.ts";
import { printableText } from "../printable_text.ts";
import type { ChildSlots } from "./child_slots.ts";
import { runOwnerChild } from "./owner_child.ts";
import type { OwnerDefinition } from "./owner_definition.ts";
import { runFailure } from "./owner_failure.ts";
import { permissionFlags, permissionsNotAllowed, unfencedPermissions } from "./owner_permission.ts";
import { type OwnerSource, withFileName } from "./owner_source.ts";
import { denialFlags, type ProtectedPlaces, trespassing } from "./protected_places.ts";

const logger = getLogger(["palyra", "node_host", "capabilities", "owner"]);

/** How many lines of what one run prints are logged. */
export const MAX_LOG_LINES = 100;

const MAX_LOG_CHARACTERS = 1_000;

/** What the owner has allowed one capability. */
export interface OwnerAllowance {
  /** In the notation of capability files. */
  readonly permissions: readonly string[];
  /** Whether it may start programs, which no fence holds. */
  readonly unfenced: boolean;
}

/** What {@linkcode fencedCapability} needs beside the definition. */
export interface FenceOptions {
  readonly source: OwnerSource;
  readonly allowance: OwnerAllowance;
  readonly places: ProtectedPlaces;
  readonly slots: ChildSlots;
}

/**
 * A capability of the owner's in the form of the built-in ones, so that the same gates stand before it. Each run takes a
 * process of its own. It is unavailable until the owner has allowed everything that it declares.
 */
export function fencedCapability(definition: OwnerDefinition, options: FenceOptions): Capability {
  const { name, permissions } = definition;
  const { source, places, slots } = options;
  const obstacle = () => obstacleTo(definition, options);
  return {
    ...definition,
    // Told to the daemon as well: what waits there has not started, and is not lost when this process is killed.
    maxConcurrency: Math.min(definition.maxConcurrency ?? slots.count, slots.count),
    permissions: [{ descriptor: { name: "run", command: Deno.execPath() }, required: true }],
    ownProcess: { file: source.file, permissions: permissions.map(({ text }) => text) },
    obstacle,
    takeTurn: (signal) => slots.take(signal),
    async run(input: unknown, context: CapabilityContext): Promise<unknown> {
      const { signal, deviceId, requestedBy, node } = context;
      // Here too, so that the permissions are given nowhere but behind it.
      const why = await obstacle();
      if (why !== undefined) throw new PalyraError("capability_unavailable", why);
      const said = await runOwnerChild({
        source,
        flags: [...permissionFlags(permissions), ...await denialFlags(permissions, places)],
        startsPrograms: unfencedPermissions(permissions).length > 0,
        task: { kind: "run", input, facts: { deviceId, requestedBy, node: { ...node } } },
        signal,
        onProgress: (payload) => context.progress(payload),
        onPrint: printer(name, source.file),
      });
      if (said.kind === "output") return said.output;
      if (said.kind === "failed") throw runFailure(said, name, source.file);
      throw new PalyraError(
        "execution_failed",
        "The capability described itself instead of running; correct its file.",
      );
    },
  };
}

async function obstacleTo(
  { name, permissions }: OwnerDefinition,
  { allowance, places }: FenceOptions,
): Promise<string | undefined> {
  const forbidden = await trespassing(permissions, places);
  if (forbidden.length > 0) {
    return `${name} asks for ${listed(forbidden)}, which reaches what palyra-node itself stands on (its state, its ` +
      "configuration, its program, these capabilities); nothing allows that. Have it ask for less.";
  }
  const refused = permissionsNotAllowed(permissions, allowance.permissions);
  const unfenced = allowance.unfenced ? [] : unfencedPermissions(permissions);
  if (refused.length === 0 && unfenced.length === 0) return undefined;
  const lines = [
    ...(refused.length > 0 ? [`permissions = ${tomlList(permissions.map(({ text }) => text))}`] : []),
    ...(unfenced.length > 0 ? ["unfenced = true"] : []),
  ];
  const warning = unfenced.length > 0 ? " (what a program does that it starts, no permission limits)" : "";
  return `${name} asks for ${
    listed([...new Set([...refused, ...unfenced])])
  }, which the node's owner has not allowed; ` +
    `to allow it, set ${lines.join(" and ")} under [capabilities."${name}"] in palyra-node's palyra.toml${warning}.`;
}

function printer(name: string, file: string): (line: string) => void {
  let linesLeft = MAX_LOG_LINES;
  return (line) => {
    if (linesLeft < 0) return;
    const text = linesLeft === 0 ? "… what it printed then is left out." : withFileName(line, file);
    linesLeft--;
    logger.info("{capability}: {text}", { capability: name, text: printableText(text, MAX_LOG_CHARACTERS) });
  };
}

function listed(permissions: readonly { readonly text: string }[]): string {
  return permissions.map(({ text }) => text).join(", ");
}

function tomlList(texts: readonly string[]): string {
  return `[${texts.map((text) => JSON.stringify(text)).join(", ")}]`;
}
