import assert from "node:assert/strict";
import { DeclaredSchema } from "./declared_schema.ts";

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const schemaOf = (schema: unknown) => new DeclaredSchema(JSON.stringify(schema), "input");
const firstError = (schema: unknown, value: unknown) => schemaOf(schema).firstError(json(value));

Deno.test("DeclaredSchema.firstError() names what is wrong and where", () => {
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    properties: { url: { $ref: "#/$defs/text" }, list: { items: { type: "integer" } } },
    required: ["url"],
    additionalProperties: false,
    $defs: { text: { type: "string", minLength: 1 } },
  };
  assert.equal(firstError(schema, { url: "a", list: [1] }), undefined);
  assert.equal(firstError(schema, {}), 'input: the property "url" is required');
  assert.equal(firstError(schema, { url: "" }), "input.url: string is too short (0 < 1)");
  assert.equal(firstError(schema, { url: "a", list: [1, "x"] }), "input.list[1]: must be of type integer, not string");
});

Deno.test("DeclaredSchema is not applied where it says nothing", () => {
  for (const text of ["", "{}", `{"$schema":"x","title":"y","format":"uri","properties":{"a":{}}}`]) {
    const schema = new DeclaredSchema(text, "input");
    assert.equal(schema.firstError(json({ a: 1 })), undefined, text);
  }
  assert.equal(new DeclaredSchema("{}", "input").isApplied, false);
});

Deno.test("DeclaredSchema runs no regular expression of a node's, and passes over nothing but that", () => {
  const hostile = { type: "string", pattern: "^(a+)+$", format: "email", maxLength: 60_000 };
  const long = "a".repeat(50_000) + "!";
  assert.equal(firstError(hostile, long), undefined);
  assert.equal(firstError(hostile, 1), "input: must be of type string, not number");
  const nested = {
    properties: { a: { $ref: "#/$defs/h" }, b: { anyOf: [hostile, { type: "null" }] } },
    $defs: { h: hostile },
  };
  assert.equal(firstError(nested, { a: long, b: long }), undefined);
  assert.equal(firstError(nested, { a: null }), "input.a: must be of type string, not null");
  // Properties may be called like keywords.
  assert.equal(firstError({ properties: { pattern: { type: "string" } } }, { pattern: 1 })?.includes("pattern"), true);
});

Deno.test("DeclaredSchema is left to the node where passing over a pattern would make it stronger", () => {
  const pattern = { pattern: "^a" };
  const cases = [
    { not: pattern },
    { if: pattern, then: { type: "string" } },
    { oneOf: [pattern, { type: "string" }] },
    { contains: pattern, maxContains: 1 },
    { allOf: [{ $ref: "#/$defs/p" }], not: { $ref: "#/$defs/p" }, $defs: { p: pattern } },
    { not: { $ref: "#/$defs/p" }, allOf: [{ $ref: "#/$defs/p" }], $defs: { p: pattern } },
    { patternProperties: { "^a": {} }, additionalProperties: false },
  ];
  for (const schema of cases) assert.equal(schemaOf(schema).isApplied, false, JSON.stringify(schema));
});

Deno.test("DeclaredSchema is left to the node where it has no bound", () => {
  const doubling: Record<string, unknown> = { a40: { type: "string" } };
  for (let index = 0; index < 40; index++) {
    doubling[`a${index}`] = { anyOf: [{ $ref: `#/$defs/a${index + 1}` }, { $ref: `#/$defs/a${index + 1}` }] };
  }
  let deep: unknown = { type: "string" };
  for (let level = 0; level < 40; level++) deep = { items: deep };
  const cases = [
    { $ref: "#/$defs/a0", $defs: doubling },
    { not: { $ref: "#/$defs/a0" }, $defs: doubling },
    { $ref: "#" },
    { $ref: "#/$defs/a", $defs: { a: { items: { $ref: "#/$defs/a" } } } },
    { $ref: "#/$defs/missing" },
    { $ref: "https://example.com/schema" },
    { $ref: "#/properties/x/../y" },
    { $id: "https://example.com/a", type: "string" },
    { allOf: 1 },
    { properties: [] },
    deep,
  ];
  for (const schema of cases) {
    const declared = schemaOf(schema);
    assert.equal(declared.isApplied, false, JSON.stringify(schema).slice(0, 100));
    assert.equal(declared.firstError(json(["a"])), undefined);
  }
});

Deno.test("DeclaredSchema leaves values to the node that are large or would cost too much", () => {
  assert.equal(firstError({ type: "string" }, [..."x".repeat(10_000)]), "input: must be of type string, not array");
  assert.equal(firstError({ type: "string" }, [..."x".repeat(30_000)]), undefined, "more than 64 KiB");
  const unique = { uniqueItems: true };
  assert.equal(firstError(unique, [1, 2, 1])?.startsWith("input: duplicate items"), true);
  assert.equal(firstError(unique, Array.from({ length: 5_000 }, () => 7)), undefined);
  const broad = { items: { anyOf: Array.from({ length: 200 }, (_, index) => ({ const: index })) } };
  assert.match(firstError(broad, ["x"]) ?? "", /any subschemas/);
  assert.equal(firstError(broad, Array.from({ length: 5_000 }, () => "x")), undefined);
});

Deno.test("DeclaredSchema lets pass what a faulty schema cannot judge", () => {
  assert.equal(firstError({ required: 5 }, {}), undefined);
  assert.equal(firstError({ enum: 5 }, {}), undefined);
});
