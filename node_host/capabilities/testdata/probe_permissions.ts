import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const PROBE = fileURLToPath(import.meta.resolve("./permission_probe.ts"));

/** What permission_probe.ts prints. */
export interface ProbeReport {
  readonly available: Readonly<Record<string, boolean>>;
  readonly reasons: Readonly<Record<string, string>>;
  readonly deviceName: string;
  readonly health: { readonly output?: Readonly<Record<string, unknown>> };
  readonly openUrl: { readonly output?: unknown; readonly errorCode?: string; readonly error?: string };
}

/** Runs a real node's registry and runner in a child with these permission flags. */
export async function probePermissions(flags: readonly string[], args: readonly string[] = []): Promise<ProbeReport> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...flags, PROBE, ...args],
    stdin: "null",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  assert.equal(new TextDecoder().decode(stderr), "");
  return JSON.parse(new TextDecoder().decode(stdout));
}
