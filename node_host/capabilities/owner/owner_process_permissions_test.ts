import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { capabilityFile, OwnerFolder } from "./testdata/owner_folder.ts";

const PROBE = fileURLToPath(import.meta.resolve("./testdata/owner_probe.ts"));

/** Loads and runs a folder's capabilities in a process that has these permissions alone. */
async function probe(flags: readonly string[], folder: string, allowed: readonly string[]) {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...flags, PROBE, folder, allowed.join(",")],
    // Deno starts no program for somebody who may change what is loaded into it, unless the environment is its own.
    env: { NO_COLOR: "1", LD_LIBRARY_PATH: "/nonexistent" },
    stdin: "null",
  }).output();
  return {
    success,
    stderr: new TextDecoder().decode(stderr),
    report: success && JSON.parse(new TextDecoder().decode(stdout)),
  };
}

const HOSTNAME = capabilityFile({
  permissions: ["read=/etc/hostname"],
  run: "return Deno.readTextFileSync('/etc/hostname').length > 0",
});

Deno.test("capabilities of the owner's need one permission of palyra-node's: to start Deno", async () => {
  await using folder = await OwnerFolder.create({ "a.js": HOSTNAME });
  const flags = [`--allow-read=${folder.path}`, `--allow-run=${Deno.execPath()}`];
  const { report, stderr } = await probe(flags, folder.path, ["read=/etc/hostname"]);
  assert.equal(stderr, "");
  assert.deepEqual(report, { faults: [], results: [{ name: "own.test", outcome: "true" }] });
});

Deno.test("loadOwnerCapabilities() leaves every file out, and names the flag, when Deno may not be started", async () => {
  await using folder = await OwnerFolder.create({ "a.js": HOSTNAME });
  const { report } = await probe([`--allow-read=${folder.path}`, "--allow-run=/bin/true"], folder.path, []);
  assert.deepEqual(report.results, []);
  const [fault] = report.faults;
  assert.equal(fault.file, "a.js");
  assert.ok(fault.reason.endsWith(`start palyra-node with --allow-run=${Deno.execPath()}.`), fault.reason);
});

Deno.test("loadOwnerCapabilities() names the flag when the process may not read the folder", async () => {
  await using folder = await OwnerFolder.create();
  const { success, stderr } = await probe(["--allow-sys=loadavg"], folder.path, []);
  assert.equal(success, false);
  assert.ok(stderr.includes(`start it with --allow-read=${folder.path}.`), stderr);
});
