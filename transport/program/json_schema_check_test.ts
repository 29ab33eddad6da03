import assert from "node:assert/strict";
import { type JsonSchema, JsonSchemaCheck, MAX_SCHEMA_ERROR_CHARACTERS } from "./json_schema_check.ts";

const firstError = (schema: JsonSchema, value: unknown) => new JsonSchemaCheck(schema, "input").firstError(value);

Deno.test("JsonSchemaCheck.firstError() is undefined when the value matches", () => {
  assert.equal(firstError({}, null), undefined);
  assert.equal(firstError({ type: ["string", "null"] }, null), undefined);
  assert.equal(firstError({ prefixItems: [{ type: "string" }], items: false }, ["a"]), undefined);
});

Deno.test("JsonSchemaCheck.firstError() names the place and the complaint in one sentence", () => {
  const url = { type: "object", properties: { url: { type: "string", minLength: 1 } }, required: ["url"] };
  const cases: [JsonSchema, unknown, string][] = [
    [url, 1, "input: must be of type object, not number"],
    [url, {}, 'input: the property "url" is required'],
    [url, { url: 7 }, "input.url: must be of type string, not number"],
    [url, { url: "" }, "input.url: string is too short (0 < 1)"],
    [{ ...url, additionalProperties: false }, { url: "a", "x y": 1 }, 'input["x y"]: is not allowed here'],
    [{ items: { type: "integer" } }, [1, 2, "c"], "input[2]: must be of type integer, not string"],
    [
      { properties: { a: { items: { $ref: "#/$defs/n" } } }, $defs: { n: { type: ["number", "null"] } } },
      { a: [true] },
      "input.a[0]: must be of type number or null, not boolean",
    ],
    [{ properties: { "a/b~c": { const: 1 } } }, { "a/b~c": 2 }, 'input["a/b~c"]: does not match 1'],
    [{ enum: ["file", "directory"] }, "fifo", 'input: does not match any of ["file","directory"]'],
    [{ anyOf: [{ type: "string" }, { type: "null" }] }, 1, "input: does not match any subschemas"],
    [{ prefixItems: [{ type: "string" }], items: false }, ["a", 1], "input[1]: is not allowed here"],
  ];
  for (const [schema, value, sentence] of cases) assert.equal(firstError(schema, value), sentence);
});

Deno.test("JsonSchemaCheck.firstError() is bounded and printable whatever the names in the value", () => {
  const schema = { type: "object", additionalProperties: false };
  for (
    const name of ["x".repeat(1_000_000), "\u001b[2J\n", "\u202Eexe", "%", "%ff", "~2", "__proto__", "constructor"]
  ) {
    const sentence = firstError(schema, JSON.parse(JSON.stringify(Object.fromEntries([[name, 1]]))));
    assert.ok(sentence !== undefined, `${name.slice(0, 10)} was let through`);
    assert.ok(Array.from(sentence).length <= MAX_SCHEMA_ERROR_CHARACTERS);
    assert.doesNotMatch(sentence, /\p{C}/u);
  }
});

Deno.test("JsonSchemaCheck leaves the schema it is given untouched, frozen ones included", () => {
  const schema = Object.freeze({ type: "object", properties: Object.freeze({ a: Object.freeze({ type: "string" }) }) });
  assert.equal(firstError(schema, { a: 1 }), "input.a: must be of type string, not number");
  assert.deepEqual(Object.getOwnPropertyNames(schema), ["type", "properties"]);
});

Deno.test("JsonSchemaCheck lets nothing pass when the schema cannot be applied", () => {
  assert.match(firstError({ $ref: "#/$defs/missing" }, 1) ?? "", /cannot be applied/);
  assert.match(firstError({ $ref: "#" }, 1) ?? "", /cannot be applied/);
  assert.match(firstError({ pattern: "(" }, "a") ?? "", /cannot be applied/);
  const lenient = new JsonSchemaCheck({ $ref: "#" }, "input", { passIfInapplicable: true });
  assert.equal(lenient.firstError(1), undefined);
  assert.throws(() => new JsonSchemaCheck({ bad: () => 1 }, "input"), /the input schema cannot be used/);
});
