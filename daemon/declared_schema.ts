import { type JsonSchema, JsonSchemaCheck } from "../transport/program/json_schema_check.ts";

/** Larger values are left to the node, in bytes of JSON. */
const MAX_CHECKED_BYTES: number = 64 * 1024;

/** What applying a schema to a value may cost at most: parts of the one times parts of the other. */
const MAX_COST = 100_000;

/** Bytes of a value that count as one part, beside its numbers, texts, lists and objects. */
const BYTES_PER_PART = 32;

/** How deep a schema may be nested, references followed. */
const MAX_DEPTH = 32;

/** Keywords whose value is a schema, and whether that may be made weaker without making the whole stronger. */
const SUBSCHEMA: ReadonlyMap<string, boolean> = new Map([
  ["items", true],
  ["additionalProperties", true],
  ["unevaluatedItems", true],
  ["unevaluatedProperties", true],
  ["propertyNames", true],
  ["then", true],
  ["else", true],
  ["not", false],
  ["if", false],
  ["contains", false],
]);

/** The same where the value is a list of schemas. */
const SUBSCHEMA_LIST: ReadonlyMap<string, boolean> = new Map([
  ["allOf", true],
  ["anyOf", true],
  ["prefixItems", true],
  ["oneOf", false],
]);

/** The same where the value is an object of schemas. */
const SUBSCHEMA_MAP: ReadonlyMap<string, boolean> = new Map([
  ["properties", true],
  ["dependentSchemas", true],
]);

/** Not applied by themselves. */
const DEFINITIONS: ReadonlySet<string> = new Set(["$defs", "definitions"]);

/** What cannot be bounded, or changes what a reference means. */
const LEFT_TO_NODE: ReadonlySet<string> = new Set([
  "patternProperties",
  "$id",
  "id",
  "$anchor",
  "$dynamicRef",
  "$dynamicAnchor",
  "$recursiveRef",
  "$recursiveAnchor",
  "dependencies",
  "additionalItems",
]);

/** The schema is applied by the node alone. */
class LeftToNode extends Error {}

/**
 * A JSON Schema that a node declared, as far as the daemon applies it.
 *
 * The node applies all of it; the daemon looks before the way there and behind the way back, and must not be held up by
 * what a node of bad will declares. So it runs no regular expression of a node's (`pattern` is passed over; `format` says
 * nothing in draft 2020-12), and leaves to the node a schema with `patternProperties`, references that go in a circle or
 * elsewhere, or more nesting than 32; and any value that is large or would cost too much.
 */
export class DeclaredSchema {
  readonly #check: JsonSchemaCheck | undefined;
  readonly #cost: number;
  readonly #comparesItems: boolean;

  /** `subject` is what the value is called in sentences: `input`, `output`. */
  constructor(schemaJson: string, subject: string) {
    const bounded = boundedSchema(schemaJson);
    this.#check = bounded && preparedCheck(bounded.schema, subject);
    this.#cost = bounded?.cost ?? 0;
    this.#comparesItems = bounded?.comparesItems ?? false;
  }

  /** Whether the daemon applies it at all. */
  get isApplied(): boolean {
    return this.#check !== undefined;
  }

  /** What is wrong with a value, as one sentence (`input.url: is required`); undefined when nothing is known to be. */
  firstError(json: Uint8Array): string | undefined {
    if (this.#check === undefined || json.length > MAX_CHECKED_BYTES) return undefined;
    const value: unknown = JSON.parse(new TextDecoder().decode(json));
    const parts = partsOf(value) + json.length / BYTES_PER_PART;
    // `uniqueItems` compares each with each.
    if (this.#cost * parts * (this.#comparesItems ? parts : 1) > MAX_COST) return undefined;
    return this.#check.firstError(value);
  }
}

function preparedCheck(schema: JsonSchema, subject: string): JsonSchemaCheck | undefined {
  try {
    return new JsonSchemaCheck(schema, subject, { passIfInapplicable: true });
  } catch {
    return undefined;
  }
}

function boundedSchema(
  schemaJson: string,
): { readonly schema: JsonSchema; readonly cost: number; readonly comparesItems: boolean } | undefined {
  // What is declared was checked to be a JSON object, or nothing.
  const schema: JsonSchema = schemaJson === "" ? {} : JSON.parse(schemaJson);
  const walk = new SchemaWalk(schema);
  try {
    const cost = walk.cost(schema, true, 0);
    return walk.constrains ? { schema, cost, comparesItems: walk.comparesItems } : undefined;
  } catch (thrown) {
    if (thrown instanceof LeftToNode) return undefined;
    throw thrown;
  }
}

/** Goes through a schema once: takes out what is passed over, and adds up what the rest costs. */
class SchemaWalk {
  readonly #root: JsonSchema;
  readonly #known = { weakened: new Map<object, number>(), whole: new Map<object, number>() };
  readonly #weakened = new Set<object>();
  readonly #open = new Set<object>();
  /** Whether it has anything to say of any value. */
  constrains = false;
  comparesItems = false;

  constructor(root: JsonSchema) {
    this.#root = root;
  }

  /** The size of `schema` with every reference replaced by what it means; `mayWeaken`: passing over some of it is safe. */
  cost(schema: unknown, mayWeaken: boolean, depth: number): number {
    if (typeof schema === "boolean") {
      this.constrains ||= !schema;
      return 1;
    }
    if (!isObject(schema) || depth > MAX_DEPTH || this.#open.has(schema)) throw new LeftToNode();
    if (!mayWeaken && this.#weakened.has(schema)) throw new LeftToNode();
    const known = mayWeaken ? this.#known.weakened : this.#known.whole;
    const before = known.get(schema);
    if (before !== undefined) return before;
    this.#open.add(schema);
    let cost = 1;
    for (const [keyword, value] of Object.entries(schema)) {
      cost += this.#costOf(schema, keyword, value, mayWeaken, depth + 1);
      if (cost > MAX_COST) throw new LeftToNode();
    }
    this.#open.delete(schema);
    known.set(schema, cost);
    return cost;
  }

  #costOf(schema: object, keyword: string, value: unknown, mayWeaken: boolean, depth: number): number {
    if (LEFT_TO_NODE.has(keyword)) throw new LeftToNode();
    if (keyword === "format" || keyword === "pattern") {
      if (keyword === "pattern" && !mayWeaken) throw new LeftToNode();
      if (keyword === "pattern") this.#weakened.add(schema);
      Reflect.deleteProperty(schema, keyword);
      return 0;
    }
    if (DEFINITIONS.has(keyword) || keyword === "$schema" || keyword === "$comment") return 0;
    if (keyword === "title" || keyword === "description" || keyword === "default" || keyword === "examples") return 0;
    this.constrains = true;
    if (keyword === "uniqueItems") this.comparesItems = true;
    if (keyword === "$ref") return this.cost(this.#target(value), mayWeaken, depth);
    const inOne = SUBSCHEMA.get(keyword);
    if (inOne !== undefined) return this.cost(value, mayWeaken && inOne, depth);
    const inList = SUBSCHEMA_LIST.get(keyword);
    if (inList !== undefined) return this.#sum(Array.isArray(value) ? value : [undefined], mayWeaken && inList, depth);
    const inMap = SUBSCHEMA_MAP.get(keyword);
    if (inMap !== undefined) {
      return this.#sum(isObject(value) ? Object.values(value) : [undefined], mayWeaken && inMap, depth);
    }
    // Values to compare with, and bounds: what is long also makes long sentences.
    return JSON.stringify(value).length / BYTES_PER_PART;
  }

  #sum(schemas: readonly unknown[], mayWeaken: boolean, depth: number): number {
    return schemas.reduce<number>((sum, each) => sum + this.cost(each, mayWeaken, depth), 0);
  }

  /** What a reference within the schema means. */
  #target(reference: unknown): unknown {
    if (reference === "#") return this.#root;
    if (typeof reference !== "string" || !/^#(\/[\w$.~-]*)*$/.test(reference)) throw new LeftToNode();
    let target: unknown = this.#root;
    for (const token of reference.split("/").slice(1)) {
      const name = token.replaceAll("~1", "/").replaceAll("~0", "~");
      target = isObject(target) && Object.hasOwn(target, name) ? target[name] : undefined;
    }
    return target;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** How many numbers, texts, lists, objects and the like a value consists of, without recursion. */
function partsOf(value: unknown): number {
  let count = 0;
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    count++;
    if (typeof next === "object" && next !== null) open.push(...Object.values(next));
  }
  return count;
}
