import assert from "node:assert/strict";
import * as v from "valibot";
import { defineSettings, type NamedSettingsByKey, type SettingsByKey, textReader } from "./setting.ts";

const text = { schema: v.string(), default: "", description: "Some text." };

Deno.test("defineSettings() refuses a table that contradicts itself", () => {
  const wrong: readonly [SettingsByKey, NamedSettingsByKey, RegExp][] = [
    [{ "Node.port": text }, {}, /not a setting's key: Node\.port/],
    [{ "a.*.b": text }, {}, /not a setting's key/],
    [{ "a": text, "a.b": text }, {}, /a\.b lies inside the setting a/],
    [{ "a": { ...text, env: "X" }, "b": { ...text, env: "X" } }, {}, /two settings read the variable X/],
    [{ "a": { ...text, default: 1 } }, {}, /the default of a does not pass/],
    [{ "a": { ...text, schema: v.object({}) } }, {}, /cannot be read from text by a schema of type object/],
    [{}, { "a.b": text }, /not a named setting's key/],
    [{}, { "a.*.*": text }, /not a named setting's key/],
    [{}, { "a.*.b": { ...text, schema: v.object({}) } }, /type object/],
  ];
  for (const [settings, named, message] of wrong) {
    assert.throws(
      () => defineSettings(settings, named),
      (error) => error instanceof RangeError && message.test(error.message),
    );
  }
});

Deno.test("textReader() reads by the schema's outermost type and hands on what it cannot read", () => {
  const integer = v.optional(v.pipe(v.number(), v.integer()));
  const expected: readonly [v.GenericSchema, string, unknown][] = [
    [v.boolean(), "ON", true],
    [v.boolean(), " 0 ", false],
    [v.boolean(), "2", "2"],
    [integer, "-12", -12],
    [integer, "1.5", 1.5],
    [integer, "0x10", "0x10"],
    [integer, "1e3", "1e3"],
    [integer, "", ""],
    [v.picklist(["a"]), " a", " a"],
    [v.array(integer), "1, 2,x", [1, 2, "x"]],
    [v.array(v.string()), "", []],
  ];
  for (const [schema, given, value] of expected) assert.deepEqual(textReader(schema)(given), value, given);
});
