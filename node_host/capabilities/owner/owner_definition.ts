import * as v from "valibot";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { printableText } from "../printable_text.ts";
import {
  MAX_OWNER_PERMISSIONS,
  MAX_PERMISSION_CHARACTERS,
  type OwnerPermission,
  parseOwnerPermission,
} from "./owner_permission.ts";

// A record would take a list as well.
const JsonSchemaObject = v.pipe(
  v.unknown(),
  v.check((schema) => !Array.isArray(schema), "Expected an object"),
  v.record(v.string(), v.unknown()),
);

const DefinitionSchema = v.strictObject({
  name: v.string(),
  version: v.string(),
  description: v.pipe(v.string(), v.minLength(1), v.maxLength(300)),
  inputSchema: JsonSchemaObject,
  outputSchema: JsonSchemaObject,
  idempotent: v.optional(v.boolean(), false),
  mediation: v.optional(v.boolean(), true),
  maxConcurrency: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(256))),
  permissions: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.maxLength(MAX_PERMISSION_CHARACTERS))),
      v.maxLength(MAX_OWNER_PERMISSIONS),
    ),
    [],
  ),
});

/** What a file of the owner's says that its capability is, apart from its code. */
export interface OwnerDefinition extends Omit<v.InferOutput<typeof DefinitionSchema>, "permissions"> {
  readonly permissions: readonly OwnerPermission[];
}

/** Checks the definition that a file exports. Throws `invalid_config`, naming what is wrong with it. */
export function parseOwnerDefinition(data: unknown): OwnerDefinition {
  const parsed = v.safeParse(DefinitionSchema, data);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new PalyraError(
      "invalid_config",
      `Its default export is no capability: ${printableText(v.getDotPath(issue) ?? "it", 64)}: ` +
        `${printableText(issue.message, 200)}. owner_capability.ts has the type.`,
    );
  }
  const { description, permissions, ...rest } = parsed.output;
  return {
    ...rest,
    description: printableText(description, 300),
    permissions: permissions.map(parseOwnerPermission),
  };
}
