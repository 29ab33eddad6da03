import type { LogLevel, LogRecord } from "@logtape/logtape";
import type { Colours } from "./colour.ts";
import { isSecretProperty, type JsonValue, logText, logValue, REDACTED } from "./log_value.ts";
import { printableText } from "./printable_text.ts";

const OWN_FIELDS: ReadonlySet<string> = new Set(["time", "level", "category", "message"]);

/** One JSON object: `time` (RFC 3339, UTC), `level`, `category` (dotted), `message`, then the record's properties. */
export function formatJsonRecord(record: LogRecord, options: { readonly stacks: boolean }): string {
  const line: Record<string, JsonValue> = {
    time: new Date(record.timestamp).toISOString(),
    level: record.level,
    category: record.category.join("."),
    message: messageText(record, options),
  };
  for (const [name, value] of propertiesOf(record, options)) {
    // A property must not be able to pass for the line's own field.
    line[OWN_FIELDS.has(name) ? `${name}_` : name] = value;
  }
  return JSON.stringify(line);
}

const LEVEL_LABELS: Readonly<Record<LogLevel, string>> = {
  trace: "TRC",
  debug: "DBG",
  info: "INF",
  warning: "WRN",
  error: "ERR",
  fatal: "FTL",
};

/** One compact line for people: local time, level, category without the project's name, message, properties. */
export function formatPrettyRecord(
  record: LogRecord,
  options: { readonly stacks: boolean; readonly colours: Colours },
): string {
  const { colours } = options;
  const paintLevel = levelPaint(record.level, colours);
  const category = record.category[0] === "palyra" ? record.category.slice(1) : record.category;
  const parts = [
    colours.dim(localTime(record.timestamp)),
    paintLevel(LEVEL_LABELS[record.level]),
    colours.cyan(category.join(".")),
    printableText(messageText(record, options)),
    ...propertiesOf(record, options).map(([name, value]) =>
      `${colours.dim(`${printableText(name)}=`)}${printableText(valueText(value))}`
    ),
  ];
  return parts.filter((part) => part !== "").join(" ");
}

function levelPaint(level: LogLevel, colours: Colours): (text: string) => string {
  if (level === "error" || level === "fatal") return colours.red;
  if (level === "warning") return colours.yellow;
  return level === "info" ? colours.green : colours.dim;
}

/** The message with its values filled in; a value that is a secret property's is hidden there too. */
function messageText(record: LogRecord, options: { readonly stacks: boolean }): string {
  const secrets = new Set<unknown>();
  for (const [name, value] of Object.entries(record.properties)) {
    if (isSecretProperty(name, value)) secrets.add(value);
  }
  const parts = record.message.map((part, index) => {
    // Even places hold the template's own text.
    if (index % 2 === 0) return String(part);
    if (secrets.has(part)) return REDACTED;
    if (part instanceof Error) return part.message;
    return valueText(logValue(part, options));
  });
  return logText(parts.join(""));
}

function propertiesOf(record: LogRecord, options: { readonly stacks: boolean }): [string, JsonValue][] {
  const properties = logValue(record.properties, options);
  return typeof properties === "object" && properties !== null ? Object.entries(properties) : [];
}

function valueText(value: JsonValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function localTime(timestamp: number): string {
  const time = new Date(timestamp);
  const two = (part: number) => String(part).padStart(2, "0");
  const milliseconds = String(time.getMilliseconds()).padStart(3, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${milliseconds}`;
}
