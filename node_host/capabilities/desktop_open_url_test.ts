import assert from "node:assert/strict";
import { JsonSchemaCheck } from "../../transport/program/json_schema_check.ts";
import { desktopOpenUrl } from "./desktop_open_url.ts";
import { SystemOpener } from "./opener.ts";
import { capabilityContext } from "./testdata/capability_context.ts";
import { HOSTILE_URLS } from "./testdata/hostile_urls.ts";
import { StandInOpener } from "./testdata/stand_in_opener.ts";

Deno.test("desktopOpenUrl() opens the normalised address and returns it", async () => {
  await using standIn = await StandInOpener.create();
  const capability = desktopOpenUrl(new SystemOpener({ command: standIn.command }));
  const input = { url: "HTTPS://Example.com/a b".replace(" ", "%20") + "#part" };
  assert.deepEqual(await capability.prepare?.(input), {
    input: { url: "https://example.com/a%20b#part" },
    summary: "open https://example.com/a%20b#part",
    scope: { kind: "origin", value: "https://example.com" },
  });
  assert.deepEqual(await standIn.opened(), [], "prepare opened something");
  const output = await capability.run(input, capabilityContext());
  assert.deepEqual(output, { opened: true, url: "https://example.com/a%20b#part" });
  assert.equal(new JsonSchemaCheck(capability.outputSchema, "output").firstError(output), undefined);
  assert.deepEqual(await standIn.opened(), ["1:https://example.com/a%20b#part"]);
});

Deno.test("desktopOpenUrl() shows hosts as they are looked up, so that no letter passes for another", async () => {
  await using standIn = await StandInOpener.create();
  const capability = desktopOpenUrl(new SystemOpener({ command: standIn.command }));
  const hosts = [
    // All of it Cyrillic.
    ["\u0430\u0440\u0440\u04cf\u0435.com", "xn--80ak6aa92e.com"],
    ["\uff45xample.com", "example.com"],
    ["example\u3002com", "example.com"],
    ["EX\u00c4MPLE.com", "xn--exmple-cua.com"],
    ["\u05d0.com", "xn--4db.com"],
  ] as const;
  for (const [host, looked] of hosts) {
    // deno-lint-ignore no-await-in-loop -- two cores, and it is done at once
    const prepared = await capability.prepare?.({ url: `https://${host}/` });
    assert.equal(prepared?.summary, `open https://${looked}/`);
    assert.deepEqual(prepared.scope, { kind: "origin", value: `https://${looked}` });
  }
});

Deno.test("desktopOpenUrl() hands no hostile input to the opener", async () => {
  await using standIn = await StandInOpener.create();
  const capability = desktopOpenUrl(new SystemOpener({ command: standIn.command }));
  const inputs: [string, unknown][] = HOSTILE_URLS.map(([what, url]) => [what, { url }]);
  const url = "https://example.com/";
  inputs.push(["null", null], ["text", url], ["number", { url: 1 }], ["list", { url: [url] }], ["object", {
    url: { url },
  }]);
  inputs.push(["nothing", {}], ["an extra property", { url, args: ["--x"] }], ["list of inputs", [{ url }]]);
  assert.ok(inputs.length >= 60);
  await Promise.all(inputs.map(async ([what, input]) => {
    await assert.rejects(capability.run(input, capabilityContext()), { code: "invalid_input" }, what);
    await assert.rejects(capability.prepare?.(input) ?? Promise.resolve(), { code: "invalid_input" }, what);
  }));
  assert.deepEqual(await standIn.opened(), []);
});
