import assert from "node:assert/strict";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import { pemToDers } from "../identity/pem.ts";
import { fingerprintOf } from "../identity/fingerprint.ts";
import { Fleet } from "./harness/fleet.ts";
import { within } from "./harness/within.ts";

Deno.test("palyrad ca shows, rotates and exports the CA, and machines are paired at every step", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  const stable = await fleet.palyrad("ca", "show");
  assert.deepEqual(Object.keys(stable), [
    "authorities",
    "phase",
    "progress",
    "cut",
    "server_certificate_expires_at_unix_ms",
    "server_certificate_fingerprint",
  ]);
  const [{ certificate_pem: pem, ...old }, ...others] = stable.authorities;
  assert.deepEqual([stable.phase, stable.progress, others], ["stable", [], []]);
  assert.equal(fingerprintOf(pemToDers(pem)[0] ?? new Uint8Array()), old.fingerprint);
  assert.deepEqual([old.role, old.valid_certificates], ["current", 1]);
  assert.ok(Math.abs(old.created_at_unix_ms - Date.now()) < 60_000);
  await fleet.pair("before");
  await fleet.connect("before");
  const token = (await fleet.palyrad("pairing", "code", "--approve")).secret_text;

  const early = await fleet.tryPalyrad("ca", "rotate", "--complete");
  assert.match(early.stderr, /No rotation of the CA was begun.*palyrad ca rotate/);
  const begun = await fleet.palyrad("ca", "rotate");
  assert.equal(begun.phase, "introducing");
  const next = begun.authorities.at(-1);
  assert.deepEqual(begun.authorities.map(({ role }: { role: string }) => role), ["current", "next"]);
  await untilTrusted(fleet);
  const shown = await fleet.tryPalyrad("ca", "show");
  assert.match(shown.stdout, /^ROLE +FINGERPRINT +CREATED +EXPIRES +CERTIFICATES IN USE$/m);
  assert.match(shown.stdout, /before +yes +yes +no$/m);
  assert.match(shown.stdout, /Go on with `palyrad ca rotate --complete`/);
  await fleet.pair("between");
  assert.equal(pemToDers(await trustedBy(fleet, "between")).length, 2);

  const folder = await Deno.makeTempDir({ prefix: "palyra-export-" });
  try {
    const bundle = join(folder, "bundle.pem");
    assert.deepEqual(await fleet.palyrad("ca", "export", "--bundle", bundle), {
      fingerprints: [old.fingerprint, next.fingerprint],
      file: bundle,
    });
    const [first, second] = pemToDers(await Deno.readTextFile(bundle)).map((der) => new X509Certificate(der));
    assert.ok(first?.ca && second?.ca && second.checkIssued(second));
    const plain = await fleet.tryPalyrad("ca", "export");
    assert.equal(plain.stdout, pem);
    const again = await fleet.tryPalyrad("ca", "export", bundle);
    assert.equal(again.code, 2);
    assert.match(again.stderr, /is there already/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }

  const completed = await fleet.palyrad("ca", "rotate", "--complete");
  assert.equal(completed.phase, "retiring");
  const retiring = await fleet.tryPalyrad("ca", "show");
  assert.equal(retiring.code, 0, retiring.stderr);
  assert.match(retiring.stdout, /goes by itself/);
  const late = await fleet.tryPalyrad("ca", "rotate", "--abort");
  assert.match(late.stderr, /The rotation is complete/);
  // What was pinned is gone; the machine says what to do.
  const outdated = await fleet.node("late", ["pair", token, "--name", "late"]);
  assert.match(outdated.stderr, /take a new token/);
  await fleet.pair("after");
  assert.equal(pemToDers(await trustedBy(fleet, "after")).length, 2);
  for (const name of ["between", "after"]) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await fleet.connect(name);
  }
  const audit = await fleet.tryPalyrad("audit", "tail", "--kind", "ca.rotation_completed");
  assert.match(audit.stdout, /ca\.rotation_completed/);
  const doctor = await fleet.tryPalyrad("doctor", "--json");
  const checks: { name: string; outcome: string; seen: string }[] = JSON.parse(doctor.stdout).checks;
  for (const name of ["ca", "operator", "server_certificate"]) {
    const check = checks.find((each) => each.name === name);
    assert.equal(check?.outcome, "ok", `${name}: ${check?.seen}`);
  }
});

Deno.test("palyrad ca rotate refuses options that contradict each other", async () => {
  await using fleet = await Fleet.create();
  const mistakes: [string[], RegExp][] = [
    [["--complete", "--abort"], /either --complete or --abort/],
    [["--force"], /--force goes with --complete/],
  ];
  for (const [options, reason] of mistakes) {
    // deno-lint-ignore no-await-in-loop -- one command after the other
    const { code, stderr } = await fleet.tryPalyrad("ca", "rotate", ...options);
    assert.equal(code, 2);
    assert.match(stderr, reason);
  }
});

/** Resolves when every connected node trusts the new CA. */
async function untilTrusted(fleet: Fleet): Promise<void> {
  const look = async () => {
    for (;;) {
      // deno-lint-ignore no-await-in-loop -- looks again and again
      const { progress } = await fleet.palyrad("ca", "show");
      if (progress.every((each: { trusts_newest: boolean }) => each.trusts_newest)) return;
    }
  };
  await within(30_000, "the spreading of the new CA", look());
}

async function trustedBy(fleet: Fleet, name: string): Promise<string> {
  return await Deno.readTextFile(join(fleet.nodeRoot(name), "node-host", "secrets", "trusted-ca.pem"));
}
