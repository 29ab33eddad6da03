import assert from "node:assert/strict";
import { join } from "node:path";
import { ScriptedHost, type ScriptedTransport } from "./scripted_host.ts";

/** What the program is started with: every permission of its capabilities, none, or every one and `--deny`. */
export type Grant = "granted" | "denied" | "revoked";

/** A build of palyra-node, to be put through the table. */
export interface PermissionTableSubject {
  /** As the tests' names have it: `from source`. */
  readonly name: string;
  readonly transport: ScriptedTransport;
  /** Kinds of permission that it has in any case. Default: none, so that `denied` takes away what a capability needs. */
  readonly always?: readonly Deno.PermissionDescriptor["name"][];
  /** Whether it is started with nothing in its environment that it need not have. Default: false. */
  readonly clearEnv?: boolean;
  /** The command line of the program, without a verb, that has the permissions of the capabilities or has them not. */
  command(withPermissions: boolean, host: ScriptedHost): Promise<readonly string[]>;
}

/** What must become of a capability under a grant. */
interface Expectation {
  readonly available: boolean;
  /** Undefined: it runs. */
  readonly refusal?: { readonly code: string; readonly says: readonly string[] };
  /** Fields that its output must have, or must not. */
  readonly output?: readonly string[];
  readonly outputWithout?: readonly string[];
}

interface TableCase {
  readonly capability: string;
  readonly input: (host: ScriptedHost) => unknown;
  /** The flags that it cannot do without. */
  readonly needs: (host: ScriptedHost) => readonly string[];
  /** What its output has when, and only when, it is granted the kind of permission that this takes. */
  readonly grantedFields?: { readonly kind: Deno.PermissionDescriptor["name"]; readonly names: readonly string[] };
}

const URL_TO_OPEN = "https://example.com/";

const CASES: readonly TableCase[] = [
  { capability: "echo", input: () => "hello", needs: () => [] },
  { capability: "system.identity", input: () => null, needs: () => [] },
  {
    capability: "system.health",
    input: () => null,
    needs: () => [],
    grantedFields: { kind: "sys", names: ["hostname", "os_release", "os_uptime_seconds", "load_average", "memory"] },
  },
  {
    capability: "desktop.open_url",
    input: () => ({ url: URL_TO_OPEN }),
    needs: ({ opener }) => [`--allow-run=${opener.command}`],
  },
  {
    capability: "desktop.open_path",
    input: ({ openRoot }) => ({ path: join(openRoot, "plain.txt") }),
    needs: ({ opener, openRoot }) => [`--allow-run=${opener.command}`, `--allow-read=${openRoot}`],
  },
];

/**
 * For tests: registers the table of every capability × {granted, denied, revoked} for a build of palyra-node: what it
 * advertises, how it refuses, and whether it runs.
 */
export function testPermissionTable(subject: PermissionTableSubject): void {
  for (const grant of ["granted", "denied", "revoked"] as const) {
    Deno.test(`palyra-node ${subject.name}: each capability, ${grant}`, async (t) => {
      await using host = await ScriptedHost.start(subject.transport, undefined, { clearEnv: subject.clearEnv });
      const program = await subject.command(grant !== "denied", host);
      const denials = grant === "revoked" ? ["--deny", ...CASES.map(({ capability }) => capability)] : [];
      await using running = await host.run([...program, "run", ...denials]);
      for (const each of CASES) {
        // deno-lint-ignore no-await-in-loop -- one request after the other
        await t.step(each.capability, async () => {
          const expected = expectationOf(each, grant, subject, host);
          const declared = running.hello.capabilities.find(({ name }) => name === each.capability);
          assert.ok(declared);
          assert.equal(declared.available, expected.available, declared.unavailableReason);
          const result = await running.invoke(each.capability, each.input(host));
          assert.equal(result.errorCode, expected.refusal?.code ?? "", result.error);
          for (const text of expected.refusal?.says ?? []) {
            assert.ok(result.error.includes(text), result.error);
            assert.ok(declared.unavailableReason.includes(text), declared.unavailableReason);
          }
          if (result.success) assertFields(JSON.parse(new TextDecoder().decode(result.outputJson)), expected);
        });
      }
      const opened = grant === "granted" ? [`1:${URL_TO_OPEN}`, `1:${join(host.openRoot, "plain.txt")}`] : [];
      assert.deepEqual(await host.opener.opened(), opened);
      if (grant === "revoked") {
        await t.step(
          "permissions",
          () => assertGivenUp(subject, host, [...program, "permissions", ...denials, "--json"]),
        );
      }
    });
  }
}

function expectationOf(
  each: TableCase,
  grant: Grant,
  { always = [] }: PermissionTableSubject,
  host: ScriptedHost,
): Expectation {
  if (grant === "revoked") {
    return { available: false, refusal: { code: "capability_denied", says: ["denied by the node's owner", "--deny"] } };
  }
  const missing = grant === "granted"
    ? []
    : each.needs(host).filter((flag) => !always.some((kind) => flag.startsWith(`--allow-${kind}`)));
  if (missing.length > 0) return { available: false, refusal: { code: "permission_missing", says: missing } };
  if (each.grantedFields === undefined) return { available: true };
  const { kind, names } = each.grantedFields;
  return { available: true, [grant === "granted" || always.includes(kind) ? "output" : "outputWithout"]: names };
}

function assertFields(output: Readonly<Record<string, unknown>>, expected: Expectation): void {
  for (const field of expected.output ?? []) assert.ok(field in output, field);
  for (const field of expected.outputWithout ?? []) assert.ok(!(field in output), field);
}

/** What only denied capabilities need is not merely left unused: the process has given it up. */
async function assertGivenUp(
  { always = [] }: PermissionTableSubject,
  host: ScriptedHost,
  command: readonly string[],
): Promise<void> {
  const { code, stdout } = await host.output(command);
  assert.equal(code, 0);
  const rows: { used_by: string; state: string; flag: string }[] = JSON.parse(stdout).permissions;
  const ofCapabilities = rows.filter(({ used_by: user }) => CASES.some(({ capability }) => capability === user));
  assert.ok(ofCapabilities.length > 0);
  for (const row of ofCapabilities) {
    // Who may read everything cannot give up one folder.
    const stays = always.includes("read") && row.flag.startsWith("--allow-read");
    assert.equal(row.state, stays ? "granted" : "given_up", JSON.stringify(row));
  }
}
