import assert from "node:assert/strict";
import { doctorExitCode, doctorJson, doctorLines, type DoctorReport } from "./doctor_report.ts";
import { failed, ok, skipped, warning } from "./finding.ts";

const REPORT: DoctorReport = {
  program: "palyra-node",
  checks: [
    { name: "pairing", finding: ok("Paired.") },
    { name: "quic", finding: warning("daemon_unreachable", "UDP gets no answer.", "Let UDP through.") },
    { name: "daemon_address", subject: "a:1", finding: failed("daemon_unreachable", "Nothing\nthere.", "Start it.") },
    { name: "admission", finding: failed("device_revoked", "Revoked.", "Pair again.") },
    { name: "service", finding: skipped("Not installed.", "Run `palyra-node install`.") },
  ],
};

Deno.test("doctorExitCode() is the first failure's, and 0 without one", () => {
  assert.equal(doctorExitCode(REPORT), 4);
  assert.equal(doctorExitCode({ ...REPORT, checks: REPORT.checks.slice(3) }), 3);
  assert.equal(doctorExitCode({ ...REPORT, checks: REPORT.checks.slice(0, 2) }), 0);
});

Deno.test("doctorJson() has every check with all of its fields", () => {
  const { ok: well, checks } = doctorJson(REPORT);
  assert.equal(well, false);
  assert.deepEqual(checks, [
    { name: "pairing", subject: null, outcome: "ok", seen: "Paired.", cure: null, code: null },
    {
      name: "quic",
      subject: null,
      outcome: "warning",
      seen: "UDP gets no answer.",
      cure: "Let UDP through.",
      code: "daemon_unreachable",
    },
    {
      name: "daemon_address",
      subject: "a:1",
      outcome: "failed",
      seen: "Nothing\nthere.",
      cure: "Start it.",
      code: "daemon_unreachable",
    },
    {
      name: "admission",
      subject: null,
      outcome: "failed",
      seen: "Revoked.",
      cure: "Pair again.",
      code: "device_revoked",
    },
    {
      name: "service",
      subject: null,
      outcome: "skipped",
      seen: "Not installed.",
      cure: "Run `palyra-node install`.",
      code: null,
    },
  ]);
});

Deno.test("doctorLines() aligns what was seen, puts the cure below it, and lets no text begin a line of its own", () => {
  assert.deepEqual(doctorLines(REPORT, { width: undefined }), [
    "✓  pairing         Paired.",
    "!  quic            UDP gets no answer.",
    "                   → Let UDP through.",
    "✗  daemon_address  a:1: Nothing\\nthere.",
    "                   → Start it.",
    "✗  admission       Revoked.",
    "                   → Pair again.",
    "-  service         Not installed. Run `palyra-node install`.",
    "",
    "1 ok, 1 warning, 2 failed, 1 skipped",
  ]);
});

Deno.test("doctorLines() breaks long sentences where the terminal ends", () => {
  const seen = "What answers at this address is another daemon than the one of the pairing.";
  const cure = "Check the address and that nobody is between the two of them.";
  const checks = [{ name: "identity", finding: failed("daemon_untrusted", seen, cure) }];
  assert.deepEqual(doctorLines({ program: "palyra-node", checks }, { width: 50 }).slice(0, 4), [
    "✗  identity  What answers at this address is",
    "             another daemon than the one of the",
    "             pairing.",
    "             → Check the address and that nobody",
  ]);
});
