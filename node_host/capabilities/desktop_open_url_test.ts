import assert from "node:assert/strict";
import { desktopOpenUrl } from "./desktop_open_url.ts";
import { JsonSchemaCheck } from "./json_schema_check.ts";
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
  });
  assert.deepEqual(await standIn.opened(), [], "prepare opened something");
  const output = await capability.run(input, capabilityContext());
  assert.deepEqual(output, { opened: true, url: "https://example.com/a%20b#part" });
  assert.equal(new JsonSchemaCheck(capability.outputSchema, "output").firstError(output), undefined);
  assert.deepEqual(await standIn.opened(), ["1:https://example.com/a%20b#part"]);
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
