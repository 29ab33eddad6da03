import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../../../identity/palyra_error.ts";
import type { Capability } from "../capability.ts";
import { CapabilityRegistry } from "../capability_registry.ts";
import { MediationPolicy } from "../mediation_policy.ts";
import { isGranted, permissionFlag } from "../permission_gate.ts";
import { ChildSlots } from "./child_slots.ts";
import { fencedCapability, type OwnerAllowance } from "./fenced_capability.ts";
import { runOwnerChild } from "./owner_child.ts";
import { type OwnerDefinition, parseOwnerDefinition } from "./owner_definition.ts";
import { loadFailure } from "./owner_failure.ts";
import { MAX_OWNER_FILES, ownerFiles, type OwnerSource, readOwnerSource } from "./owner_source.ts";
import { type ProtectedPlaces, withRealPaths } from "./protected_places.ts";

const logger = getLogger(["palyra", "node_host", "capabilities", "owner"]);

/** How many capabilities of the owner's run at once; further ones wait their turn within their deadline. */
export const MAX_OWNER_CHILDREN = 4;

/** How long a file may take to tell its definition, in milliseconds. */
export const DESCRIBE_MS = 5_000;

const NOTHING_ALLOWED: OwnerAllowance = { permissions: [], unfenced: false };

const UNHURRIED: AbortSignal = new AbortController().signal;

/** A file that was left out. */
export interface FaultyOwnerFile {
  readonly file: string;
  /** What is wrong and what would correct it, for the owner. */
  readonly reason: string;
}

/** The owner's own capabilities. */
export interface OwnerCapabilities {
  readonly capabilities: readonly Capability[];
  /** What was left out, by file name; the others work all the same. */
  readonly faults: readonly FaultyOwnerFile[];
}

/** What {@linkcode loadOwnerCapabilities} needs. */
export interface OwnerCapabilitiesOptions {
  /** What the owner has allowed, by the capability's name. */
  readonly allowances: ReadonlyMap<string, OwnerAllowance>;
  readonly places: ProtectedPlaces;
  /** Names that no file may take: those of the built-in capabilities. */
  readonly taken: readonly string[];
  /** Whether this is a compiled executable. Default: what Deno says. */
  readonly standalone?: boolean;
  /** Files that have not told their definition when it aborts are left out. Default: each file has its own time alone. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Loads the owner's capabilities from a folder: reads each file and has a process without any permission tell its
 * definition. None of their code runs in this process, now or later. A file that cannot be used is left out and reported
 * by name.
 *
 * Their processes are Deno's, started from the executable that runs palyra-node. A compiled executable has no Deno that
 * could run another program, so there every file is left out; the package, which brings Deno along, runs them. Where
 * palyra-node may not start Deno, every file is left out as well, with the flag that would allow it.
 *
 * Throws `invalid_config` or `permission_missing` when the folder itself cannot be used.
 */
export async function loadOwnerCapabilities(
  folder: string,
  options: OwnerCapabilitiesOptions,
): Promise<OwnerCapabilities> {
  const files = await ownerFiles(folder);
  const obstacle = await runtimeObstacle(options.standalone ?? Deno.build.standalone);
  if (obstacle !== undefined) return { capabilities: [], faults: files.map((file) => ({ file, reason: obstacle })) };
  const loader = new OwnerLoader(folder, options, await withRealPaths(options.places));
  return await loader.load(files);
}

class OwnerLoader {
  readonly #folder: string;
  readonly #options: OwnerCapabilitiesOptions;
  readonly #places: ProtectedPlaces;
  readonly #slots = new ChildSlots(MAX_OWNER_CHILDREN);

  constructor(folder: string, options: OwnerCapabilitiesOptions, places: ProtectedPlaces) {
    this.#folder = folder;
    this.#options = options;
    this.#places = places;
  }

  async load(files: readonly string[]): Promise<OwnerCapabilities> {
    const loaded = await Promise.all(
      files.slice(0, MAX_OWNER_FILES).map((file) => this.#loadFile(file).catch((thrown) => faultOf(file, thrown))),
    );
    const capabilities = new Map<string, Capability>();
    const faults: FaultyOwnerFile[] = [];
    for (const each of loaded) {
      if ("reason" in each) {
        faults.push(each);
        continue;
      }
      const { definition, source } = each;
      if (this.#options.taken.includes(definition.name) || capabilities.has(definition.name)) {
        faults.push({ file: source.file, reason: `The name ${definition.name} is taken; choose another one.` });
        continue;
      }
      const allowance = this.#options.allowances.get(definition.name) ?? NOTHING_ALLOWED;
      capabilities.set(definition.name, this.#capability(definition, source, allowance));
    }
    const reason = `Only the first ${MAX_OWNER_FILES} files of the folder are read; remove some.`;
    faults.push(...files.slice(MAX_OWNER_FILES).map((file) => ({ file, reason })));
    return { capabilities: [...capabilities.values()], faults };
  }

  async #loadFile(file: string): Promise<{ readonly source: OwnerSource; readonly definition: OwnerDefinition }> {
    const source = await readOwnerSource(this.#folder, file);
    const definition = await this.#describe(source);
    // The registry's own rules for names, versions and schemas: there they would stop the host.
    new CapabilityRegistry([this.#capability(definition, source, NOTHING_ALLOWED)], new MediationPolicy());
    return { source, definition };
  }

  async #describe(source: OwnerSource): Promise<OwnerDefinition> {
    const { signal = UNHURRIED } = this.#options;
    using _place = await this.#slots.take(signal);
    return parseOwnerDefinition(await describe(source, signal));
  }

  #capability(definition: OwnerDefinition, source: OwnerSource, allowance: OwnerAllowance): Capability {
    return fencedCapability(definition, { source, allowance, places: this.#places, slots: this.#slots });
  }
}

/** Why no file can be run here, with the cure. */
async function runtimeObstacle(standalone: boolean): Promise<string | undefined> {
  if (standalone) {
    return "It runs in a process of Deno, which a compiled palyra-node does not have; use the package (`deno task " +
      "package`), which brings Deno along.";
  }
  const need = { name: "run", command: Deno.execPath() } as const;
  if (await isGranted(need)) return undefined;
  return `It runs in a process of its own, which palyra-node may not start; start palyra-node with ${
    permissionFlag(need)
  }.`;
}

async function describe(source: OwnerSource, hurry: AbortSignal): Promise<unknown> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(tooSlow()), DESCRIBE_MS);
  try {
    const task = { kind: "describe" } as const;
    const signal = AbortSignal.any([deadline.signal, hurry]);
    const said = await runOwnerChild({ source, flags: [], startsPrograms: false, task, signal });
    if (said.kind === "definition") return said.definition;
    throw said.kind === "failed"
      ? loadFailure(said, source.file)
      : new PalyraError("invalid_config", "It gives no definition; export one as the default.");
  } finally {
    clearTimeout(timer);
  }
}

function tooSlow(): PalyraError {
  return new PalyraError(
    "invalid_config",
    `It did not tell its definition within ${DESCRIBE_MS / 1_000} seconds; do the work inside run().`,
  );
}

function faultOf(file: string, thrown: unknown): FaultyOwnerFile {
  const error = PalyraError.from(thrown);
  if (error.cause !== undefined) logger.debug("Why {file} cannot be used", { file, cause: error.cause });
  return { file, reason: error.message };
}
