import assert from "node:assert/strict";
import { join } from "node:path";
import { builtinCapabilities } from "./builtin_capabilities.ts";
import { CapabilityRegistry } from "./capability_registry.ts";
import { CapabilityRunner } from "./capability_runner.ts";
import type { LocalCapabilityResult } from "./local_capability_result.ts";
import { MediationPolicy, type MediationRule } from "./mediation_policy.ts";
import { SystemOpener } from "./opener.ts";
import { DEVICE_ID, NODE_FACTS } from "./testdata/capability_context.ts";
import { createHostileFolder } from "./testdata/hostile_folder.ts";
import { HOSTILE_URLS } from "./testdata/hostile_urls.ts";
import { StandInOpener } from "./testdata/stand_in_opener.ts";

const MOST_AT_ONCE = 50;

/** Runs requests of the desktop capabilities as the daemon's are, with an owner who agrees to everything. */
function desktop(opener: StandInOpener, root: string, rule: MediationRule) {
  const capabilities = builtinCapabilities({
    opener: new SystemOpener({ command: opener.command }),
    openPathRoots: [root],
  });
  const rules = { "desktop.open_url": rule, "desktop.open_path": rule };
  const runner = new CapabilityRunner({
    registry: new CapabilityRegistry(capabilities, new MediationPolicy({ rules })),
    deviceId: DEVICE_ID,
    node: NODE_FACTS,
    mediator: { consent: () => Promise.resolve() },
  });
  return (name: string, input: unknown): Promise<LocalCapabilityResult> =>
    runner.run({
      name,
      inputJson: new TextEncoder().encode(JSON.stringify(input)),
      maxPayloadBytes: 0,
      timeLeftMs: 60_000,
      requestedBy: "operator",
      signal: new AbortController().signal,
    });
}

Deno.test("the desktop capabilities hand none of 300 hostile URLs and paths to the opener, whoever agrees to them", async () => {
  await using opener = await StandInOpener.create();
  await using folder = await createHostileFolder();
  const inputs = [
    ...HOSTILE_URLS.map(([what, url]) => ({ what, name: "desktop.open_url", input: { url } })),
    ...folder.paths.map(([what, path]) => ({ what, name: "desktop.open_path", input: { path } })),
    // Each to the wrong capability, too.
    ...HOSTILE_URLS.map(([what, url]) => ({ what, name: "desktop.open_path", input: { path: url } })),
  ];
  assert.ok(new Set([...HOSTILE_URLS, ...folder.paths].map(([, text]) => text)).size >= 300);
  for (const rule of ["allow", "ask"] as const) {
    const run = desktop(opener, folder.root, rule);
    for (let from = 0; from < inputs.length; from += MOST_AT_ONCE) {
      // deno-lint-ignore no-await-in-loop -- no more at once than a node would take
      await Promise.all(
        inputs.slice(from, from + MOST_AT_ONCE).map(async ({ what, name, input }) => {
          const result = await run(name, input);
          assert.ok(!result.success, `${what} was opened`);
          assert.match(result.errorCode, /^(invalid_input|capability_denied)$/, `${what}: ${result.error}`);
        }),
      );
    }
    // deno-lint-ignore no-await-in-loop -- before the other rule's turn
    assert.deepEqual(await opener.opened(), [], "something reached the opener");
  }
  // The same way is open to what is in order.
  const run = desktop(opener, folder.root, "ask");
  const lawful = join(folder.root, "plain.txt");
  assert.ok((await run("desktop.open_path", { path: lawful })).success);
  assert.ok((await run("desktop.open_url", { url: "https://example.com/" })).success);
  assert.deepEqual(await opener.opened(), [`1:${lawful}`, "1:https://example.com/"]);
});

Deno.test("desktop.open_path hands over nothing but the path that it checked, however fast that is swapped", async () => {
  await using opener = await StandInOpener.create();
  await using folder = await createHostileFolder();
  const run = desktop(opener, folder.root, "allow");
  const path = join(folder.root, "swapped.txt");
  const stop = new AbortController();
  const swapping = swapWithoutEnd(path, join(folder.outside, "secret.txt"), stop.signal);
  const ends = new Map<string, number>();
  for (let tries = 0; tries < 200; tries++) {
    // deno-lint-ignore no-await-in-loop -- against one swap after the other
    const result = await run("desktop.open_path", { path });
    const end = result.success ? "opened" : result.errorCode;
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  stop.abort();
  await swapping;
  for (const end of ends.keys()) {
    assert.ok(["opened", "invalid_input", "capability_denied", "execution_failed"].includes(end), end);
  }
  assert.ok((ends.get("capability_denied") ?? 0) > 0, "no swap was met");
  for (const opened of await opener.opened()) assert.equal(opened, `1:${path}`);
});

/** Has a path lead to a file of its own and to `target` in turn. */
async function swapWithoutEnd(path: string, target: string, signal: AbortSignal): Promise<void> {
  const [file, link] = [`${path}.file`, `${path}.link`];
  while (!signal.aborted) {
    // deno-lint-ignore no-await-in-loop -- in turn
    await Deno.writeTextFile(file, "text", { mode: 0o600 });
    // deno-lint-ignore no-await-in-loop -- as above
    await Deno.rename(file, path);
    // deno-lint-ignore no-await-in-loop -- as above
    await Deno.symlink(target, link);
    // deno-lint-ignore no-await-in-loop -- as above
    await Deno.rename(link, path);
  }
}
