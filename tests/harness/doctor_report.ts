import assert from "node:assert/strict";
import { join } from "node:path";
import type { Finished } from "./program.ts";

/** A check as a doctor's `--json` prints it. */
export interface ReportedCheck {
  readonly name: string;
  readonly subject: string | null;
  readonly outcome: "ok" | "warning" | "failed" | "skipped";
  readonly seen: string;
  readonly cure: string | null;
  readonly code: string | null;
}

/** What a doctor's `--json` said, for tests. */
export class ReportedHealth {
  readonly code: number;
  readonly checks: readonly ReportedCheck[];
  readonly text: string;

  /** Also holds every report to what all of them promise. */
  constructor({ code, stdout, stderr }: Finished) {
    assert.equal(stderr, "");
    const report: { ok: boolean; checks: ReportedCheck[] } = JSON.parse(stdout);
    assert.equal(report.ok, code === 0);
    for (const check of report.checks) {
      assert.match(check.seen, /[.:]$|\.$/, `${check.name} says a sentence`);
      assert.equal((check.cure ?? "") === "", check.outcome === "ok", `${check.name} has a cure unless it is well`);
      assert.equal(check.code !== null, ["warning", "failed"].includes(check.outcome), `${check.name} has a code`);
    }
    this.code = code;
    this.checks = report.checks;
    this.text = stdout;
  }

  /** The one check of this name, or the one about `subject`. */
  of(name: string, subject?: string): ReportedCheck {
    const found = this.checks.filter((check) => check.name === name && (subject ?? check.subject) === check.subject);
    assert.equal(found.length, 1, `${name} ${subject ?? ""} in ${this.text}`);
    const [check] = found;
    if (check === undefined) throw new Error("counted above");
    return check;
  }

  /** The names of the checks with this outcome. */
  with(outcome: ReportedCheck["outcome"]): string[] {
    return this.checks.filter((check) => check.outcome === outcome).map(({ name }) => name);
  }
}

/** Fails when something of a state folder's secrets stands in `text`: any line of a key, or a value of an identity. */
export async function assertNoSecrets(text: string, secretsFolder: string): Promise<void> {
  let pieces = 0;
  for await (const { name } of Deno.readDir(secretsFolder)) {
    if (!/key|identity/.test(name)) continue;
    const bytes = await Deno.readFile(join(secretsFolder, name));
    const words = new TextDecoder("latin1").decode(bytes).split(/[\s":,]+/).filter((word) => word.length >= 32);
    // A device's id may be seen; what is longer than that is a key.
    for (const word of [...words, bytes.toHex(), bytes.toBase64()]) {
      pieces += 1;
      assert.ok(!text.includes(word), `a piece of ${name} stands in the report`);
    }
  }
  assert.ok(pieces > 0, "there were secrets to look for");
}
