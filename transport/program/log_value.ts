import { isSecretName } from "./secret_names.ts";

/** A value as JSON can hold it. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | {
  readonly [name: string]: JsonValue;
};

/** What stands in place of a secret. */
export const REDACTED = "[redacted]";

const MAX_DEPTH = 6;
const MAX_ITEMS = 100;
const MAX_TEXT_LENGTH = 8_192;

const PRIVATE_KEY_PEM = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/;

/**
 * Any value as something that is safe to write to a log: secrets replaced by {@linkcode REDACTED} (by the property's name,
 * and private keys in PEM anywhere), bytes by their number, errors by name, code, message and causes; depth, items and
 * texts bounded; cycles cut. Never throws.
 */
export function logValue(value: unknown, options: { readonly stacks: boolean }): JsonValue {
  return convert(value, { stacks: options.stacks, ancestors: [] });
}

/** Text without what must not be logged, and not endless. */
export function logText(text: string): string {
  if (PRIVATE_KEY_PEM.test(text)) return REDACTED;
  return text.length <= MAX_TEXT_LENGTH
    ? text
    : `${text.slice(0, MAX_TEXT_LENGTH)}… (${text.length - MAX_TEXT_LENGTH} more)`;
}

/** Whether a property must not be shown. Flags and missing values tell nothing, and are left for people to see. */
export function isSecretProperty(name: string, value: unknown): boolean {
  return isSecretName(name) && value !== undefined && value !== null && typeof value !== "boolean";
}

interface Context {
  readonly stacks: boolean;
  readonly ancestors: readonly object[];
}

function convert(value: unknown, context: Context): JsonValue {
  switch (typeof value) {
    case "string":
      return logText(value);
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
      return String(value);
    case "undefined":
      return null;
    case "function":
    case "symbol":
      return `[${typeof value}]`;
    case "object":
      return value === null ? null : convertObject(value, context);
  }
  return null;
}

function convertObject(value: object, outer: Context): JsonValue {
  if (outer.ancestors.includes(value)) return "[circular]";
  if (outer.ancestors.length >= MAX_DEPTH) return "[deeper]";
  const context: Context = { stacks: outer.stacks, ancestors: [...outer.ancestors, value] };
  try {
    if (value instanceof Error) return convertError(value, context);
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? "[invalid date]" : value.toISOString();
    if (value instanceof URL) return logText(withoutCredentials(value));
    if (Array.isArray(value) || value instanceof Set) return convertItems([...value], context);
    if (value instanceof Map) {
      return convertProperties([...value].map(([name, item]) => [String(name), item]), context);
    }
    if ("toJSON" in value && typeof value.toJSON === "function") return convert(value.toJSON(), context);
    return convertProperties(Object.entries(value), context);
  } catch {
    // A getter or toJSON that throws must not cost the log line.
    return "[unreadable]";
  }
}

function convertItems(items: readonly unknown[], context: Context): JsonValue {
  const converted = items.slice(0, MAX_ITEMS).map((item) => convert(item, context));
  if (items.length > MAX_ITEMS) converted.push(`… (${items.length - MAX_ITEMS} more)`);
  return converted;
}

function convertProperties(properties: readonly (readonly [string, unknown])[], context: Context): JsonValue {
  const converted: [string, JsonValue][] = properties.slice(0, MAX_ITEMS).map(([name, value]) => [
    logText(name),
    isSecretProperty(name, value) ? REDACTED : convert(value, context),
  ]);
  if (properties.length > MAX_ITEMS) converted.push(["…", `(${properties.length - MAX_ITEMS} more)`]);
  return Object.fromEntries(converted);
}

function convertError(error: Error, context: Context): JsonValue {
  const properties: Record<string, JsonValue> = { name: logText(error.name) };
  if ("code" in error && (typeof error.code === "string" || typeof error.code === "number")) {
    properties["code"] = convert(error.code, context);
  }
  properties["message"] = logText(error.message);
  if (context.stacks && typeof error.stack === "string") properties["stack"] = logText(error.stack);
  if (error instanceof AggregateError) properties["errors"] = convertItems(error.errors, context);
  if (error.cause !== undefined) properties["cause"] = convert(error.cause, context);
  return properties;
}

function withoutCredentials(url: URL): string {
  const plain = new URL(url);
  plain.username = "";
  plain.password = "";
  return plain.href;
}
