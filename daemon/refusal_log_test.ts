import assert from "node:assert/strict";
import { configureSync, type LogRecord, resetSync } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import { RefusalLog } from "./refusal_log.ts";

Deno.test("RefusalLog logs the first refusals of a minute one by one and counts the rest", () => {
  const records: LogRecord[] = [];
  configureSync({
    reset: true,
    sinks: { memory: (record) => records.push(record) },
    loggers: [
      { category: ["palyra"], sinks: ["memory"], lowestLevel: "debug" },
      { category: ["logtape", "meta"], lowestLevel: "error" },
    ],
  });
  try {
    let now = 0;
    const refusals = new RefusalLog("enrolment", () => now);
    const error = new PalyraError("connection_limit", "Too many.");
    for (let count = 0; count < 1_000; count++) refusals.refused("192.0.2.1:1", error);
    assert.equal(records.length, 20);
    now = 60_000;
    refusals.refused("192.0.2.1:1", error);
    assert.equal(records.length, 22);
    assert.equal(records[20]?.properties["refused"], 1_000);
  } finally {
    resetSync();
  }
});

Deno.test("RefusalLog counts every refusal by its reason, logged or not", () => {
  const refusals = new RefusalLog("node_rpc", () => 0);
  assert.equal(refusals.countsByReason.size, 0);
  const [full, revoked] = [
    new PalyraError("connection_limit", "Too many."),
    new PalyraError("certificate_revoked", "Pair the device again."),
  ];
  for (let count = 0; count < 100; count++) refusals.refused(`192.0.2.${count}:1`, full);
  refusals.refused("192.0.2.1:1", revoked);
  assert.deepEqual([...refusals.countsByReason], [["connection_limit", 100], ["certificate_revoked", 1]]);
});
