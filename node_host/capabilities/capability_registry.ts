import { PalyraError } from "../../identity/palyra_error.ts";
import type { DeviceCapability } from "../../proto/gen/node.ts";
import { JsonSchemaCheck } from "../../transport/program/json_schema_check.ts";
import type { Capability } from "./capability.ts";
import type { MediationPolicy, MediationRule } from "./mediation_policy.ts";
import { checkPermissions } from "./permission_gate.ts";
import { printableText } from "./printable_text.ts";

/** How many capabilities a node may have: as many as a pairing request may ask for. */
export const MAX_CAPABILITIES = 64;

const MAX_SCHEMA_CHARACTERS = 32 * 1024;
const MAX_REASON_CHARACTERS = 500;
const MAX_NAME_CHARACTERS = 64;
// What a node may run at once in all.
const MAX_CAPABILITY_CONCURRENCY = 256;
const NAME = /^[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*$/;
// Semantic Versioning 2.0.0, section 2, 9 and 10.
const SEMVER = /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

/** A capability with its schemas ready for use. */
export interface RegisteredCapability {
  readonly definition: Capability;
  /** The owner's rule for it. */
  readonly rule: MediationRule;
  readonly inputCheck: JsonSchemaCheck;
  readonly outputCheck: JsonSchemaCheck;
}

/** What this node can do, under its owner's rules. */
export class CapabilityRegistry {
  readonly #byName: ReadonlyMap<string, RegisteredCapability>;

  /**
   * Throws `invalid_config` when a definition is malformed or its name is taken, when there are more than 64, and when
   * a rule of the policy names no capability.
   */
  constructor(definitions: readonly Capability[], policy: MediationPolicy) {
    if (definitions.length > MAX_CAPABILITIES) {
      throw new PalyraError("invalid_config", `A node has at most ${MAX_CAPABILITIES} capabilities; remove some.`);
    }
    const byName = new Map<string, RegisteredCapability>();
    for (const definition of definitions) {
      requireWellFormed(definition);
      if (byName.has(definition.name)) {
        throw new PalyraError("invalid_config", `Two capabilities are named ${definition.name}; rename one of them.`);
      }
      byName.set(definition.name, {
        definition,
        rule: policy.ruleFor(definition),
        inputCheck: prepareSchema(definition, "input"),
        outputCheck: prepareSchema(definition, "output"),
      });
    }
    policy.requireKnownNames([...byName.keys()]);
    this.#byName = byName;
  }

  /** Every capability, by name. */
  get entries(): readonly RegisteredCapability[] {
    return [...this.#byName.values()].sort((a, b) => a.definition.name < b.definition.name ? -1 : 1);
  }

  /** The capability of this name, if the node has it. */
  find(name: string): RegisteredCapability | undefined {
    return this.#byName.get(name);
  }

  /**
   * Why a capability may not run now, whatever its input: `capability_denied` by the owner, `permission_missing`, or
   * `capability_unavailable`; undefined when it may.
   */
  async refusalOf({ definition, rule }: RegisteredCapability): Promise<PalyraError | undefined> {
    if (rule === "deny") {
      return new PalyraError(
        "capability_denied",
        `${definition.name} is denied by the node's owner, with --deny or under [capabilities."${definition.name}"] in ` +
          "palyra-node's config; only the owner can change that.",
      );
    }
    const permission = await checkPermissions(definition);
    if (!permission.available) return new PalyraError("permission_missing", permission.reason);
    const obstacle = await definition.obstacle?.();
    return obstacle === undefined ? undefined : new PalyraError("capability_unavailable", obstacle);
  }

  /** Every capability in the form in which the node declares it to its daemon, by name. */
  async declarations(): Promise<DeviceCapability[]> {
    return await Promise.all(this.entries.map((entry) => this.#declarationOf(entry)));
  }

  async #declarationOf(entry: RegisteredCapability): Promise<DeviceCapability> {
    const { definition, rule } = entry;
    // One capability that cannot tell its state must not keep the others from being declared.
    const refusal = await this.refusalOf(entry).catch((thrown) => PalyraError.from(thrown));
    return {
      name: definition.name,
      available: refusal === undefined,
      version: definition.version,
      inputSchemaJson: schemaJson(definition.inputSchema),
      outputSchemaJson: schemaJson(definition.outputSchema),
      idempotent: definition.idempotent,
      requiresLocalMediation: rule === "ask",
      unavailableReason: printableText(refusal?.message ?? "", MAX_REASON_CHARACTERS),
      maxConcurrency: definition.maxConcurrency ?? 0,
    };
  }
}

function requireWellFormed({ name, version, inputSchema, outputSchema, maxConcurrency = 1 }: Capability): void {
  if (name.length > MAX_NAME_CHARACTERS || !NAME.test(name)) {
    throw new PalyraError(
      "invalid_config",
      `${JSON.stringify(printableText(name, MAX_NAME_CHARACTERS))} cannot name a capability; use lower-case words ` +
        `joined by dots, at most ${MAX_NAME_CHARACTERS} characters.`,
    );
  }
  if (!SEMVER.test(version)) {
    throw new PalyraError("invalid_config", `The version of ${name} is not semantic; write it like 1.0.0.`);
  }
  if (!Number.isInteger(maxConcurrency) || maxConcurrency < 1 || maxConcurrency > MAX_CAPABILITY_CONCURRENCY) {
    throw new PalyraError(
      "invalid_config",
      `maxConcurrency of ${name} must be a whole number from 1 to ${MAX_CAPABILITY_CONCURRENCY}; leave it out where the ` +
        "node's own limit is enough.",
    );
  }
  if ([inputSchema, outputSchema].some((schema) => schemaJson(schema).length > MAX_SCHEMA_CHARACTERS)) {
    throw new PalyraError(
      "invalid_config",
      `A JSON Schema of ${name} has more than ${MAX_SCHEMA_CHARACTERS} characters; shorten it.`,
    );
  }
}

function prepareSchema(definition: Capability, side: "input" | "output"): JsonSchemaCheck {
  try {
    return new JsonSchemaCheck(side === "input" ? definition.inputSchema : definition.outputSchema, side);
  } catch (cause) {
    throw new PalyraError("invalid_config", `The ${side} schema of ${definition.name} cannot be used; correct it.`, {
      cause,
    });
  }
}

function schemaJson(schema: Capability["inputSchema"]): string {
  return JSON.stringify({ $schema: "https://json-schema.org/draft/2020-12/schema", ...schema });
}
