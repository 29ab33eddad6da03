import assert from "node:assert/strict";
import type { LogRecord } from "@logtape/logtape";
import { PalyraError } from "../../identity/palyra_error.ts";
import { COLOURED, PLAIN } from "./colour.ts";
import { formatJsonRecord, formatPrettyRecord } from "./log_format.ts";

function record(properties: Record<string, unknown>, message: readonly unknown[] = ["Hello."]): LogRecord {
  return {
    category: ["palyra", "daemon", "queue"],
    level: "warning",
    message,
    rawMessage: "",
    timestamp: Date.UTC(2030, 0, 2, 3, 4, 5, 6),
    properties,
  };
}

const json = (given: LogRecord) => formatJsonRecord(given, { stacks: false });
const pretty = (given: LogRecord) => formatPrettyRecord(given, { stacks: false, colours: PLAIN });

Deno.test("formatJsonRecord() writes one object on one line", () => {
  assert.equal(
    json(record({ device: "x\ny", n: 1 })),
    '{"time":"2030-01-02T03:04:05.006Z","level":"warning","category":"palyra.daemon.queue","message":"Hello.",' +
      '"device":"x\\ny","n":1}',
  );
});

Deno.test("formatJsonRecord() lets no property pass for the line's own field", () => {
  const line = JSON.parse(json(record({ level: "fatal", message: "forged", time: 1 })));
  assert.equal(line.level, "warning");
  assert.equal(line.message, "Hello.");
  assert.equal(line.level_, "fatal");
  assert.equal(line.time_, 1);
});

Deno.test("formatJsonRecord() and formatPrettyRecord() hide secrets in properties and in the message", () => {
  const pin = "482915";
  const given = record({ pin, device: "laptop" }, ["The PIN is ", pin, " of ", "laptop", " ", { token: pin }, "."]);
  for (const line of [json(given), pretty(given)]) {
    assert.ok(!line.includes(pin), line);
    assert.match(line, /The PIN is \[redacted\] of laptop/);
  }
});

Deno.test("formatPrettyRecord() writes one line that cannot steer the terminal", () => {
  const line = pretty(record({ device: "x\x1b[2J\ny", n: 1, error: new PalyraError("queue_full", "Full.") }));
  assert.match(
    line,
    /^\d\d:04:05\.006 WRN daemon\.queue Hello\. device=x\\u\{1b\}\[2J\\ny n=1 error=\{.*"code":"queue_full".*\}$/,
  );
  const coloured = formatPrettyRecord(record({}), { stacks: false, colours: COLOURED });
  assert.ok(coloured.includes("\x1b[33mWRN\x1b[39m"));
});
