import * as v from "valibot";

/** What a flag, a default or the configuration file may hold before the schema has judged it. */
export type SettingInput = boolean | number | string | readonly string[] | undefined;

/** One setting, declared as data. */
export interface Setting {
  /**
   * Judges and types the value. Its outermost type must be a boolean, a number, a string, a picklist or an array of
   * these (each may be optional): text from the environment and from flags is read by that type.
   */
  readonly schema: v.GenericSchema;
  /** The value when no source has one; goes through the schema too. */
  readonly default: SettingInput;
  /** One line for people. */
  readonly description: string;
  /** The environment's variable. */
  readonly env?: string;
  /** The flag as the user types it (`--port`), for messages. */
  readonly flag?: string;
  /** What a good value looks like, for messages ("a port from 1 to 65535"). By default made from the schema. */
  readonly expects?: string;
  /** Never show the value, not even a wrong one. */
  readonly secret?: boolean;
}

/** A setting that exists once per name, such as `capabilities.*.mediation`. Only the configuration file can set it. */
export type NamedSetting = Pick<Setting, "schema" | "description" | "expects" | "secret">;

/** Settings by dotted key. */
export type SettingsByKey = Readonly<Record<string, Setting>>;

/** Named settings by dotted key with one `*` segment. */
export type NamedSettingsByKey = Readonly<Record<string, NamedSetting>>;

/** A program's settings, checked by {@linkcode defineSettings}. */
export interface SettingsTable<Settings extends SettingsByKey, Named extends NamedSettingsByKey> {
  readonly settings: Settings;
  readonly named: Named;
}

const KEY = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/;
const NAMED_KEY = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\.\*(\.[a-z][a-z0-9_]*)+$/;

/**
 * Checks a program's table of settings when it is declared, so that a mistake in it cannot wait for a user.
 *
 * @throws {RangeError} when a key is malformed, a key lies inside another, a variable serves twice, a schema's type
 * cannot be read from text, or a default does not pass its own schema.
 */
export function defineSettings<const Settings extends SettingsByKey, const Named extends NamedSettingsByKey>(
  settings: Settings,
  named: Named,
): SettingsTable<Settings, Named> {
  const variables = new Set<string>();
  for (const [key, setting] of Object.entries<Setting>(settings)) {
    if (!KEY.test(key)) throw new RangeError(`not a setting's key: ${key}`);
    for (const other of Object.keys(settings)) {
      if (other.startsWith(`${key}.`)) throw new RangeError(`the setting ${other} lies inside the setting ${key}`);
    }
    if (setting.env !== undefined) {
      if (variables.has(setting.env)) throw new RangeError(`two settings read the variable ${setting.env}`);
      variables.add(setting.env);
    }
    textReader(setting.schema);
    if (!v.safeParse(setting.schema, setting.default).success) {
      throw new RangeError(`the default of ${key} does not pass its own schema`);
    }
  }
  for (const [key, setting] of Object.entries<NamedSetting>(named)) {
    if (!NAMED_KEY.test(key)) throw new RangeError(`not a named setting's key: ${key}`);
    textReader(setting.schema);
  }
  return { settings, named };
}

/** Reads text by the type that a setting's schema declares; what cannot be read is handed to the schema as it is. */
export type TextReader = (text: string) => unknown;

const WORDS_FOR_BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["yes", true],
  ["on", true],
  ["1", true],
  ["false", false],
  ["no", false],
  ["off", false],
  ["0", false],
]);

const DECIMAL = /^[+-]?\d+(\.\d+)?$/;

/**
 * How text from a variable or a flag becomes a value for `schema`: booleans in the usual words, decimal numbers, lists
 * split at commas, anything else as it is.
 *
 * @throws {RangeError} when the schema's outermost type cannot be written as text.
 */
export function textReader(schema: v.GenericSchema): TextReader {
  switch (schema.type) {
    case "boolean":
      return (text) => WORDS_FOR_BOOLEANS.get(text.trim().toLowerCase()) ?? text;
    case "number":
      return (text) => DECIMAL.test(text.trim()) ? Number(text) : text;
    case "string":
    case "picklist":
      return (text) => text;
    case "array": {
      const readItem = textReader(innerSchema(schema, "item"));
      return (text) => text.split(",").map((part) => part.trim()).filter((part) => part !== "").map(readItem);
    }
    case "optional":
      return textReader(innerSchema(schema, "wrapped"));
    default:
      throw new RangeError(`a setting cannot be read from text by a schema of type ${schema.type}`);
  }
}

/** What a good value looks like, in words, from the first thing that a schema found wrong. */
export function expectationText(issue: v.BaseIssue<unknown>): string {
  const requirement = issue.requirement;
  switch (issue.type) {
    case "boolean":
      return "true or false";
    case "number":
    case "finite":
      return "a number";
    case "integer":
    case "safe_integer":
      return "a whole number";
    case "string":
      return "text";
    case "array":
      return "a list";
    case "min_value":
      return `at least ${requirement}`;
    case "max_value":
      return `at most ${requirement}`;
    case "min_length":
      return `a length of at least ${requirement}`;
    case "max_length":
      return `a length of at most ${requirement}`;
    case "picklist":
      return `one of ${(issue.expected ?? "").replace(/^\(|\)$/g, "").replaceAll(" | ", ", ")}`;
    default:
      return issue.expected ?? issue.message;
  }
}

function innerSchema(schema: v.GenericSchema, property: "item" | "wrapped"): v.GenericSchema {
  const inner: unknown = Object.entries(schema).find(([name]) => name === property)?.[1];
  if (!isSchema(inner)) throw new RangeError(`a schema of type ${schema.type} has no inner schema`);
  return inner;
}

function isSchema(value: unknown): value is v.GenericSchema {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "schema";
}
