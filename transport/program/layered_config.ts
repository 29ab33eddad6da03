import { parse as parseToml, TomlDate, TomlError } from "smol-toml";
import * as v from "valibot";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ConfigFile } from "./config_file.ts";
import { type EnvironmentReader, environmentText } from "./environment.ts";
import { nearestName } from "./nearest_name.ts";
import { printableText } from "./printable_text.ts";
import {
  expectationText,
  type NamedSetting,
  type NamedSettingsByKey,
  type Setting,
  type SettingInput,
  type SettingsByKey,
  type SettingsTable,
  textReader,
} from "./setting.ts";

/** The value of each setting, as its schema types it. */
export type SettingValues<Settings extends SettingsByKey> = {
  readonly [Key in keyof Settings]: v.InferOutput<Settings[Key]["schema"]>;
};

/** For each named setting, the value per name. A name that the file does not mention is not in the map. */
export type NamedSettingValues<Named extends NamedSettingsByKey> = {
  readonly [Key in keyof Named]: ReadonlyMap<string, v.InferOutput<Named[Key]["schema"]>>;
};

/** Where values may come from, strongest first. */
export interface ConfigSources<Settings extends SettingsByKey> {
  /** Values of flags by setting; undefined means that the flag was not given. Text is read by the declared type. */
  readonly flags?: { readonly [Key in keyof Settings]?: SettingInput };
  /** The environment's variables; none by default. An empty variable counts as not set. */
  readonly environment?: EnvironmentReader;
  /** The configuration file, when there is one. */
  readonly file?: ConfigFile | undefined;
}

/** Where a value came from. */
export interface ConfigSource {
  readonly kind: "flag" | "environment" | "file" | "default";
  /** The flag, the variable or the file's path; empty for a default. */
  readonly name: string;
}

/** One line of `config show`. */
export interface ConfigEntry {
  readonly key: string;
  /** The value; `(hidden)` when the setting is secret and set. */
  readonly value: unknown;
  readonly source: ConfigSource;
  readonly description: string;
}

/** A program's settings with their values. Its printed form shows no value: settings may be secret. */
export class LayeredConfig<Settings extends SettingsByKey, Named extends NamedSettingsByKey> {
  readonly #values: SettingValues<Settings>;
  readonly #named: NamedSettingValues<Named>;
  readonly #entries: readonly ConfigEntry[];

  constructor(
    values: SettingValues<Settings>,
    named: NamedSettingValues<Named>,
    entries: readonly ConfigEntry[],
  ) {
    this.#values = values;
    this.#named = named;
    this.#entries = entries;
  }

  /** The value of each setting. */
  get values(): SettingValues<Settings> {
    return this.#values;
  }

  /** The values of the named settings, per name. */
  get named(): NamedSettingValues<Named> {
    return this.#named;
  }

  /** Every value with its source, in the order of the table, named ones last; what `config show` prints. */
  get entries(): readonly ConfigEntry[] {
    return this.#entries;
  }
}

/**
 * The values of a program's settings: flags before environment before file before defaults (design section 7).
 *
 * @throws {PalyraError} `invalid_config` when the file is no TOML, has a key that no setting knows, or any source, even
 * one that a stronger one hides, has a value that its setting does not take. The message names the source and the cure.
 */
export function resolveConfig<Settings extends SettingsByKey, Named extends NamedSettingsByKey>(
  table: SettingsTable<Settings, Named>,
  sources: ConfigSources<Settings>,
): LayeredConfig<Settings, Named> {
  const fromFile = sources.file === undefined ? undefined : readFile(table, sources.file);
  const values: Record<string, unknown> = {};
  const entries: ConfigEntry[] = [];
  for (const [key, setting] of Object.entries<Setting>(table.settings)) {
    let source: ConfigSource = { kind: "default", name: "" };
    let value = judge(key, setting, source, setting.default);
    for (const layer of layersOf(key, setting, sources, fromFile)) {
      source = layer.source;
      value = judge(key, setting, source, layer.input);
    }
    values[key] = value;
    entries.push(entryOf(key, setting, source, value));
  }
  const named: Record<string, ReadonlyMap<string, unknown>> = {};
  for (const [key, setting] of Object.entries<NamedSetting>(table.named)) {
    const valuesByName = new Map<string, unknown>();
    for (const { name, shownKey, input, source } of fromFile?.named.get(key) ?? []) {
      const value = judge(shownKey, setting, source, input);
      valuesByName.set(name, value);
      entries.push(entryOf(shownKey, setting, source, value));
    }
    named[key] = valuesByName;
  }
  // Each value is what its own schema put out, under its own key: that is what the two types say.
  return new LayeredConfig(values as SettingValues<Settings>, named as NamedSettingValues<Named>, entries);
}

interface Layer {
  readonly source: ConfigSource;
  readonly input: unknown;
}

interface NamedInput extends Layer {
  readonly name: string;
  readonly shownKey: string;
}

interface FileInputs {
  readonly fixed: ReadonlyMap<string, Layer>;
  readonly named: ReadonlyMap<string, readonly NamedInput[]>;
}

/** What the sources say about one setting, weakest first. */
function layersOf<Settings extends SettingsByKey>(
  key: string,
  setting: Setting,
  sources: ConfigSources<Settings>,
  file: FileInputs | undefined,
): Layer[] {
  const layers: Layer[] = [];
  const inFile = file?.fixed.get(key);
  if (inFile !== undefined) layers.push(inFile);
  if (setting.env !== undefined && sources.environment !== undefined) {
    const text = environmentText(sources.environment, setting.env);
    if (text !== undefined) {
      layers.push({ source: { kind: "environment", name: setting.env }, input: textReader(setting.schema)(text) });
    }
  }
  const flag = sources.flags?.[key];
  if (flag !== undefined) {
    layers.push({
      source: { kind: "flag", name: setting.flag ?? `--${key.replaceAll(/[._]/g, "-")}` },
      input: typeof flag === "string" ? textReader(setting.schema)(flag) : flag,
    });
  }
  return layers;
}

function readFile<Settings extends SettingsByKey, Named extends NamedSettingsByKey>(
  table: SettingsTable<Settings, Named>,
  file: ConfigFile,
): FileInputs {
  const source: ConfigSource = { kind: "file", name: file.path };
  const fixedKeys = Object.keys(table.settings).map((key) => ({ key, segments: key.split(".") }));
  const namedKeys = Object.keys(table.named).map((key) => ({ key, segments: key.split(".") }));
  const deepest = Math.max(0, ...[...fixedKeys, ...namedKeys].map(({ segments }) => segments.length));

  const fixed = new Map<string, Layer>();
  const named = new Map<string, NamedInput[]>();
  for (const { path, value } of leavesOf(parseDocument(file), [], deepest)) {
    const emptyTable = isTable(value);
    const fixedKey = fixedKeys.find(({ segments }) => matches(segments, path, emptyTable));
    const namedKey = namedKeys.find(({ segments }) => matches(segments, path, emptyTable));
    if (fixedKey === undefined && namedKey === undefined) throw unknownKey(path, file, [...fixedKeys, ...namedKeys]);
    if (emptyTable) continue;
    if (fixedKey !== undefined) fixed.set(fixedKey.key, { source, input: value });
    if (namedKey !== undefined) {
      const inputs = named.get(namedKey.key) ?? [];
      inputs.push({ source, input: value, name: path[namedKey.segments.indexOf("*")] ?? "", shownKey: keyText(path) });
      named.set(namedKey.key, inputs);
    }
  }
  return { fixed, named };
}

function parseDocument(file: ConfigFile): Record<string, unknown> {
  try {
    return parseToml(file.text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The parser's whole message quotes the lines around the fault, and with them perhaps a secret.
    const [fault] = error.message.split("\n");
    throw new PalyraError(
      "invalid_config",
      `${file.path} is not valid TOML at line ${error.line}, column ${error.column}: ${fault}.`,
    );
  }
}

interface Leaf {
  readonly path: readonly string[];
  readonly value: unknown;
}

/** Every value and every empty table; stops descending where no key can reach, so that depth is bounded. */
function* leavesOf(table: Record<string, unknown>, prefix: readonly string[], deepest: number): Generator<Leaf> {
  for (const [segment, value] of Object.entries(table)) {
    const path = [...prefix, segment];
    if (isTable(value) && Object.keys(value).length > 0 && path.length <= deepest) {
      yield* leavesOf(value, path, deepest);
    } else {
      yield { path, value };
    }
  }
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof TomlDate);
}

/** Whether a path of the file is that key, or, for an empty table, lies on the way to it. */
function matches(segments: readonly string[], path: readonly string[], emptyTable: boolean): boolean {
  if (emptyTable ? path.length >= segments.length : path.length !== segments.length) return false;
  return path.every((segment, index) => segments[index] === "*" || segments[index] === segment);
}

function unknownKey(
  path: readonly string[],
  file: ConfigFile,
  known: readonly { readonly segments: readonly string[] }[],
): PalyraError {
  // A named key is compared, and shown, with the name that the user wrote.
  const candidates = known.map(({ segments }) =>
    keyText(segments.map((segment, index) => segment === "*" ? path[index] ?? "NAME" : segment))
  );
  const nearest = nearestName(keyText(path), candidates);
  const cure = nearest === undefined ? "remove it" : `the nearest known key is ${nearest}`;
  return new PalyraError("invalid_config", `Unknown key ${shortened(keyText(path))} in ${file.path}: ${cure}.`);
}

function judge(key: string, setting: NamedSetting, source: ConfigSource, input: unknown): unknown {
  const result = v.safeParse(setting.schema, input, { abortEarly: true });
  if (result.success) return result.output;
  const what = setting.secret === true ? "The value" : `The value ${shortened(JSON.stringify(input))}`;
  throw new PalyraError(
    "invalid_config",
    `${what} of ${key} from ${sourceText(source)} is not valid: expected ${
      setting.expects ?? expectationText(result.issues[0])
    }.`,
  );
}

/** A source in words: `the flag --port`, `the variable PALYRA_PORT`, a file's path, `the default`. */
export function sourceText(source: ConfigSource): string {
  switch (source.kind) {
    case "flag":
      return `the flag ${source.name}`;
    case "environment":
      return `the variable ${source.name}`;
    case "file":
      return source.name;
    case "default":
      return "the default";
  }
}

function entryOf(key: string, setting: NamedSetting, source: ConfigSource, value: unknown): ConfigEntry {
  const shown = setting.secret === true && value !== undefined ? "(hidden)" : value;
  return { key, value: shown, source, description: setting.description };
}

const BARE_SEGMENT = /^[A-Za-z0-9_-]+$/;

/** A path as it is written in TOML: `capabilities."desktop.open_url".mediation`. */
function keyText(path: readonly string[]): string {
  return path.map((segment) => BARE_SEGMENT.test(segment) ? segment : JSON.stringify(segment)).join(".");
}

function shortened(text: string): string {
  const printable = printableText(text);
  return printable.length <= 80 ? printable : `${printable.slice(0, 79)}…`;
}
